"""Bodies that are read from files while they are sent."""
