"""Real and drawn digits."""
