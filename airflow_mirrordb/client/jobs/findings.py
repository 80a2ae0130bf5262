"""What a poll found that does not meet a condition, in words. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_mirrordb.client.bodies.missing import bare_words, described, there_instead, type_of
from airflow_mirrordb.conditions import Condition, same_in_text
from airflow_mirrordb.paths import ABSENT


def found_in(condition: Condition, body: Any, shown: Callable[[Any], str]) -> str:
    """Return what a body has of what is waited for; nothing if it only has to be there.

    :param shown: returns a value as it may be told
    :raises ValueError: as :meth:`Condition.value_in`
    """
    if condition.field is None:
        if condition.function is None:
            return ""
        return f"the condition returned False; {described(body, 'the body')}"[:200]
    field, value = condition.field, condition.value_in(body)
    if value is ABSENT:
        there = there_instead(field, body)
        return f"has no {field}; {there}"[:300] if there else f"has no {field}"
    return (
        f"{field} is {shown(value)}{_of_another_type(condition, value)}{_without_quotes(field, value, body)}"
    )


def _of_another_type(condition: Condition, value: Any) -> str:
    """Return that only the type of a value is another one than what is waited for."""
    wanted = [condition.equals] if condition.is_in is None else list(condition.is_in)
    for other in wanted:
        if not condition.changed and same_in_text(value, other):
            return f", {type_of(value)}, and {other!r:.100} is {type_of(other)}"
    return ""


def _without_quotes(field: str, value: Any, body: Any) -> str:
    """Return which word of a comparison the body does not have, so that it was compared with null."""
    word = next(bare_words(field, body), None) if value is False else None
    return "" if word is None else f"; {word} is null there (a text is written as '{word}')"
