"""The form of a connection: its fields, as data alone."""
