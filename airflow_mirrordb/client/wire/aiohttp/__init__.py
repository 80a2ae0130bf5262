"""What is used of aiohttp beyond its documentation, and the check that it is there."""
