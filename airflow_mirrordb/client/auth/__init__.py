"""Who asks: credentials, tokens, and how secrets stay out of what is shown."""
