"""Whether a failed request is sent again, and when."""
