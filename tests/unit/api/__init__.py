"""Tests of the pure cores, one file for each source file, and whole behaviours as transcripts."""
