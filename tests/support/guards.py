"""What the lists of guards share: what a guard is, and what stands in its place when it is taken out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.targets import TARGETS


@dataclass(frozen=True, kw_only=True)
class Guard:
    """What is put in the place of a guard, and who has to notice.

    :param seam: where the guard is looked up, by its name in ``SEAMS``; that of the guard itself if None
    """

    without: Any
    check: Callable[..., Any]
    seam: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)


class NeverRaisedError(Exception):
    """What a handler waits for that is not there."""


ANYTHING = re.compile(r".*", re.DOTALL)
NEVER = re.compile(r"(?!)")


def seeds(target: str) -> Callable[[], None]:
    def check() -> None:
        for seed in TARGETS[target].seeds:
            TARGETS[target].check(seed)

    return check


def nothing(*_args: Any, **_options: Any) -> None:
    """A guard that is not there."""


async def nothing_to_await(*_args: Any) -> None:
    """The same of a coroutine function."""


async def always(*_args: Any) -> bool:
    return True


def as_it_is(value: Any, **_options: Any) -> Any:
    return value


def unchanged(text: str, *_args: Any) -> str:
    return text
