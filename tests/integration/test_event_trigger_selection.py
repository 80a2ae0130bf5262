"""An event trigger of which not all that a body holds counts, against a real server."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

if not AIRFLOW_V_3_0_PLUS:
    pytest.skip("event triggers came with Airflow 3.0", allow_module_level=True)

from tests.support.watching import (
    Supervisor,
    Watching,
    changed,
    found,
    since_airflow_3_3,
    trigger,
    watcher_of,
)


def report(look: int, *prices: int) -> dict[str, Any]:
    """Return a body whose records are those of before, but for what changes at each look."""
    records = [{"id": number, "price": price, "age": look} for number, price in enumerate(prices)]
    return {"generated_at": f"10:0{look}", "records": records[:: 1 if look % 2 else -1]}


WHAT_COUNTS = {"ignore": ["generated_at", "records.*.age"], "unordered": True}


@pytest.mark.parametrize(
    "arguments",
    [WHAT_COUNTS, {"ignore": ("generated_at", "*.*.age"), "unordered": True, "field": "records"}],
    ids=["ignore", "field"],
)
async def test_what_changes_at_each_look_is_no_event(watching: Watching, arguments: dict[str, Any]) -> None:
    """A date, an age and another order of the records fire nothing; a price does, once."""
    looks = [report(look, 1, 2) for look in range(5)] + [report(look, 1, 3) for look in range(5, 9)]

    assert await watching.events([found(look) for look in looks], **arguments) == [changed()]


async def test_everything_counts_unless_it_is_said_otherwise(watching: Watching) -> None:
    """The same looks without the arguments fire at each of them."""
    looks = [report(look, 1, 2) for look in range(3)]

    assert await watching.events([found(look) for look in looks]) == [changed()] * 2


async def test_field_that_is_not_there_is_told_once(
    watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    """A way that leads nowhere would be watched for ever; when the field comes, that is a change."""
    answers = [found({"a": 1}), found({"a": 2}), found({"a": 3, "b": None}), found({"a": 4, "b": None})]

    assert await watching.events(answers, field="b") == [changed()]
    assert caplog.text.count("field: there is nothing at 'b'") == 1
    assert "it will be an event when it comes; the body has a" in caplog.text


async def test_field_of_a_list_is_told(watching: Watching, caplog: pytest.LogCaptureFixture) -> None:
    """The field is of the body, and that is a list: nothing at all lies at a name there."""
    await watching.events([found([{"id": 1, "state": "new"}])], field="state")
    assert "there is nothing at 'state'; " in caplog.text
    assert "; the body is a list of 1, and its items have id, state" in caplog.text


@since_airflow_3_3
async def test_what_was_kept_is_of_what_counts(watching: Watching, supervisor: Supervisor) -> None:
    """A successor goes on from what counted; one for which something else counts begins anew."""
    await watching.serve(found(report(0, 1, 2)))
    await watching.events_of(watcher_of("users", **WHAT_COUNTS))
    await watching.serve(found(report(1, 1, 2)), found(report(2, 1, 3)))
    assert await watching.events_of(watcher_of("users", **WHAT_COUNTS)) == [changed()]

    others: list[dict[str, Any]] = [
        {},
        {"field": "records"},
        {"unordered": True},
        {"ignore": ["generated_at"]},
        {"ignore": ["records.*.age"]},
    ]
    for number, other in enumerate(others):
        await watching.serve(found(report(3, 1, 3)))
        assert await watching.events_of(watcher_of("users", **other)) == []
        assert len(supervisor.kept) == number + 2
    await watching.serve(found(report(4, 1, 3)))
    again = {**WHAT_COUNTS, "ignore": WHAT_COUNTS["ignore"][::-1]}  # type: ignore[index]
    assert await watching.events_of(watcher_of("users", **again)) == []
    assert len(supervisor.kept) == len(others) + 1


@since_airflow_3_3
def test_looks_are_shared_whatever_counts() -> None:
    """The looks are the same, and each watcher judges for itself."""
    assert trigger(**WHAT_COUNTS).shared_stream_key() == trigger(field="a").shared_stream_key()
    assert trigger(**WHAT_COUNTS).shared_stream_key() == trigger(cursor="a").shared_stream_key()


async def test_the_text_of_what_is_no_json_counts(watching: Watching) -> None:
    """A CSV that is asked for is watched as anything else (RFC 9110, section 12.5.1)."""
    looks = [web.Response(text=text, content_type="text/csv") for text in ("a,b\n", "a,b\n", "a,c\n")]

    assert await watching.events([*looks], accept="text/csv") == [changed()]
    assert watching.backend is not None
    assert {request.headers["Accept"] for request in watching.backend.requests} == {"text/csv"}


def test_what_is_no_media_type_is_refused_with_the_dag() -> None:
    """And another one is another thing that is watched."""
    with pytest.raises(ValueError, match="accept: it must be a media type, as text/csv"):
        trigger(accept="csv")
    assert trigger(accept="text/csv")._name != trigger()._name
