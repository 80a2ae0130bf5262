"""What the fixtures of these tests are for a type checker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

Serving = Callable[[web.Application], str]
Connect = Callable[..., None]
TINY: dict[str, Any] = {"initial_delay": 0.001, "max_delay": 0.001}
