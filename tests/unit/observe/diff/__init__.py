"""Tests of the comparison of two logs."""
