"""Drivers that do random things, checked against a model. The same seed does the same things."""
