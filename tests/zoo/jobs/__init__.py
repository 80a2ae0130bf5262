"""Backends with remote jobs, as their documentation has them, and one that keeps to none."""
