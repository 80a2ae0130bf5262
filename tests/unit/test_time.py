"""No test may be ended by a few milliseconds that a busy machine needs for something else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
KINDS = ("unit", "integration", "zoo", "fuzz", "support")
FILES = sorted(path for kind in KINDS for path in (TESTS / kind).rglob("*.py"))
#: What waits for so many seconds, or lets others wait no longer.
WAITS = {"sleep", "wait_for", "timeout", "call_later", "wait", "join"}
LIMITS = {"timeout", "cut_off", "request_timeout", "worker_timeout"}
#: What only holds values, or stands for a module.
TAKES_NO_TIME = {"Progress", "SimpleNamespace"}
#: Fewer seconds than these pass on a busy machine by themselves; more only guard against waiting for ever.
ENOUGH = 10
#: What Python calls the time that passes. Of the processor's own, ``thread_time``, none passes for others.
CLOCKS = {"time", "monotonic", "perf_counter"}
#: Two wait for processes, whose other side says nothing; two read settings, and send nothing; and in the
#: last one is ``until``, by which others wait.
ALLOWED = {"installed.py", "airflow_home.py", "test_config.py", "test_form.py", "clocks.py"}


def name_of(node: ast.AST) -> str:
    """Return the last name of a call, of what is called, or of what is assigned to."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def numbers(value: ast.AST | None) -> Iterator[float]:
    """Yield the numbers that a value may be."""
    if isinstance(value, ast.IfExp):
        yield from numbers(value.body)
        yield from numbers(value.orelse)
    elif isinstance(value, ast.Constant) and isinstance(value.value, int | float):
        yield 0 if value.value is True else value.value


def seconds(node: ast.AST) -> Iterator[float]:
    """Yield for how many seconds somebody waits, or may wait, by what is written just there."""
    limited: list[tuple[str | None, ast.expr]] = []
    if isinstance(node, ast.Call):
        if name_of(node) in WAITS:
            for argument in [*node.args, *(word.value for word in node.keywords)]:
                yield from numbers(argument)
        if name_of(node) not in TAKES_NO_TIME:
            limited = [(word.arg, word.value) for word in node.keywords]
    elif isinstance(node, ast.Assign):
        limited = [(name_of(target), node.value) for target in node.targets]
    elif isinstance(node, ast.Dict):
        named = zip(node.keys, node.values, strict=True)
        limited = [(str(key.value), value) for key, value in named if isinstance(key, ast.Constant)]
    for name, value in limited:
        if name in LIMITS:
            yield from numbers(value)


def sleeps_by_the_real_clock(node: ast.AST) -> bool:
    """Whether somebody is given a sleep of the test's, and calls it only if the delay is not over yet."""
    if not isinstance(node, ast.Call) or name_of(node) in TAKES_NO_TIME:
        return False
    given = {word.arg for word in node.keywords}
    return "sleep" in given and "time" not in given and name_of(node) != "as_clock"


def asserts_how_long_it_took(node: ast.AST) -> bool:
    """Whether a difference of two times is compared with something."""
    differences = [
        part
        for side in ([node.left, *node.comparators] if isinstance(node, ast.Compare) else [])
        for part in ast.walk(side)
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub)
    ]
    return any(
        isinstance(part, ast.Call) and name_of(part) in CLOCKS and not part.args
        for difference in differences
        for part in ast.walk(difference)
    )


def short_waits(source: str) -> list[int]:
    """Return the lines whose outcome a few seconds more, or less, could change."""
    return [
        getattr(node, "lineno", 0)
        for node in ast.walk(ast.parse(source))
        if any(0 < number < ENOUGH for number in seconds(node))
        or sleeps_by_the_real_clock(node)
        or asserts_how_long_it_took(node)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_test_waits_for_some_milliseconds(path: Path) -> None:
    """Wait for what has to happen (``until``, an event), and let time pass by ``loop_time.advance``."""
    if path.name not in ALLOWED:
        assert short_waits(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "time.sleep(0.02)",
        "await asyncio.sleep(0.001 if hangs else 0)",
        "assert done.wait(5)",
        "thread.join(timeout=2)",
        "timeout = 0.2 if hangs else 60",
        "MODE = {'deferrable': True, 'worker_timeout': 5}",
        "client.read_function('read', 'api/users', timeout=0.5)",
        "GenericMirrorDB(config, clock=Clock(sleep=mend))",
        "Clock(monotonic=clock.now, sleep=clock.sleep)",
        "assert time.monotonic() - begin < 1",
        "assert 0.1 < round(loop.time() - begin, 1) < 0.3",
    ],
)
def test_what_a_busy_machine_changes_is_seen(source: str) -> None:
    assert short_waits(source) == [1]


@pytest.mark.parametrize(
    "source",
    [
        "await asyncio.sleep(0)",
        "timeout = 60 if hangs else None",
        "', '.join(names)",
        "Progress(attempts=1, cut_off=1)",
        "Clock(time=clock.now, sleep=clock.sleep)",
        "GenericMirrorDB(config, clock=clock.as_clock(sleep=mend))",
        "assert time.thread_time() - begin < 1",
        "assert before <= entry.time <= time.time()",
    ],
)
def test_what_it_does_not_change_is_not(source: str) -> None:
    assert short_waits(source) == []
