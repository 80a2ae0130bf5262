"""Jobs that a backend runs: where they are, what a poll of one means, and the way to its result."""
