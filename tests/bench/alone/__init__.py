"""What the parts of Cellray cost by themselves, without a session."""
