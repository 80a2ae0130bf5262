"""The writes of hooks and clients in a running task, of which a retry makes none a second time."""
