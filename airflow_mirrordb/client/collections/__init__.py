"""Requests for many records: pages, bulks, streams."""
