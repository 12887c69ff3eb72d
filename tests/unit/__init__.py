"""Fast tests of single files."""
