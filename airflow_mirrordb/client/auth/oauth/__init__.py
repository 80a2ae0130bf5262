"""Access tokens of OAuth 2.0: what entitles a client to one, and how it proves itself."""
