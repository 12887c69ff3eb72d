"""Unit tests of the answers to `why`."""
