"""Measurements, run by `make bench`: ratios to peers, taken in one run on one machine. Nothing fails for being slow."""
