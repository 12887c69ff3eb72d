"""Other systems, each measured in a process of its own with the peers' interpreter. Nothing of ours is imported."""
