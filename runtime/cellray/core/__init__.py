"""The pure cores: facts in, commands out."""
