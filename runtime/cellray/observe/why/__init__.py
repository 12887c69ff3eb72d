"""Answers to `cellray.why`, found in a fold: what waits for what, since when, and what became of it."""
