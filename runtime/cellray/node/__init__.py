"""The node process: one event loop that feeds the core and carries out what it decides."""
