"""No test may be ended by a few milliseconds that a busy machine needs for something else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
#: What waits for so many seconds, or lets others wait no longer.
WAITS = {"sleep", "wait_for", "timeout", "call_later"}
LIMITS = {"timeout", "cut_off", "request_timeout", "worker_timeout"}
#: Fewer seconds than these pass on a busy machine by themselves; more only guard against waiting for ever.
ENOUGH = 10
#: They wait for processes and signals, whose other side says nothing.
ALLOWED = {"test_real_backends.py", "test_operators_tries.py"}


def numbers(call: ast.Call) -> Iterator[float]:
    """Yield the numbers that a call waits for, or gives as a limit."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = [*call.args, *(word.value for word in call.keywords)] if name in WAITS else []
    given += [word.value for word in call.keywords if word.arg in LIMITS and name != "Progress"]
    for value in given:
        if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
            yield value.value


def short_waits(source: str) -> list[int]:
    """Return the lines in which somebody waits, or may wait, for some seconds, but not for many."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if any(0 < number < ENOUGH for number in numbers(call))]


@pytest.mark.parametrize(
    "path", sorted((TESTS / "integration").glob("test_*.py")), ids=lambda path: path.name
)
def test_no_test_waits_for_some_milliseconds(path: Path) -> None:
    """Wait for what has to happen (``until``, an event), and let time pass by ``loop_time.advance``."""
    if path.name not in ALLOWED:
        assert short_waits(path.read_text()) == []
