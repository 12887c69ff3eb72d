"""Cellray: notebook cells, functions and actors on a background distributed runtime."""

__version__ = "0.1.0"
