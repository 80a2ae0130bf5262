"""What of an answer depends on the version of aiohttp."""

from __future__ import annotations

from importlib.metadata import version

from packaging.version import Version

#: Whether a NUL in a header is taken, and any number of headers; found by trying each version.
TAKES_ANY_HEADER = Version(version("aiohttp")) < Version("3.13.4")
