"""Bodies of error answers, as the named pages document their shape, with values of our own."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """What one API or framework answers when it refuses.

    :param page: where the shape is documented
    :param status: of the answer
    :param body: of the answer
    :param code: that it holds
    :param detail: the sentence that a person on call needs of it
    """

    page: str
    status: int
    body: str
    code: str | None
    detail: str
