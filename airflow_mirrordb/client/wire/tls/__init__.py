"""TLS: what is trusted and shown, what is wrong with its files, and what changes in them."""
