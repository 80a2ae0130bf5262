"""One request with its retries: from the client that it is asked of to the wire, and back."""
