"""The notebook extension, without processes."""
