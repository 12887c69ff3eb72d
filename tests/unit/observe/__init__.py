"""Tests of the fold and of what is read from it."""
