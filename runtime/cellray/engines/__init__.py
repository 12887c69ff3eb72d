"""Engines: what the public API stands on. `native` is this runtime."""
