"""What a task remembers, from try to try and from process to process."""
