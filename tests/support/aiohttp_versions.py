"""What of an answer depends on the version of aiohttp."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from packaging.version import Version

_AIOHTTP = Version(version("aiohttp"))
#: Whether a NUL in a header is taken, and any number of headers; found by trying each version.
TAKES_ANY_HEADER = Version("3.13.4") > _AIOHTTP
#: Whether a host that only looks like an address is looked up as a name, and whether its server refuses a
#: body of just the size that it allows.
IS_BEFORE_3_14 = Version("3.14") > _AIOHTTP
#: The method, as a parameter of tests whose server says which one came.
QUERY = pytest.param(
    "QUERY",
    marks=pytest.mark.skipif(
        Version("3.14.2") > _AIOHTTP, reason="this aiohttp's server names QUERY unknown"
    ),
)
