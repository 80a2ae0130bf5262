"""What the server sends back, free of aiohttp, so that it can be stored and sent again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers and body of one answer; the body is empty or JSON."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class RefusedError(Exception):
    """The request cannot be carried out; ``status`` and ``detail`` tell the client why."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.status, self.detail, self.headers = status, detail, headers or {}


def json_answer(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Return the answer that carries the value as JSON.

    :param headers: sent besides the content type
    """
    return Answer(
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
        body=json.dumps(value).encode(),
    )


def refusal(error: RefusedError) -> Answer:
    """Return the answer that every refused request gets: ``{"detail": "..."}``."""
    return json_answer(error.status, {"detail": error.detail}, error.headers)
