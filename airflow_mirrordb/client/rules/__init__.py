"""What may be sent, when, and how often again."""
