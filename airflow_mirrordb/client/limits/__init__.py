"""How many requests go at a time, and how fast."""
