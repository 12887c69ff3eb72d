"""Cellray: notebook cells, functions and actors on a distributed runtime with lineage (Ray, OSDI '18)."""

__version__ = "0.1.0"
