"""The public API, with the names, defaults and semantics of Ray 2.x core."""
