"""Two logs compared: which task first went another way, and what followed from that."""
