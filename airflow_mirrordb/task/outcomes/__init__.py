"""What an answer means for the task: a poll's verdict, an event, a result."""
