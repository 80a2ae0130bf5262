"""A collection that is read page by page, to its end."""
