"""The trigger that watches for an asset, against real servers, on a clock that nobody waits for."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from aiohttp import web
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

if not AIRFLOW_V_3_0_PLUS:
    pytest.skip("event triggers came with Airflow 3.0", allow_module_level=True)

from airflow_mirrordb.triggers.event import MirrorDBEventTrigger
from tests.support.watching import (
    ADA,
    BOB,
    INTERVAL,
    OverError,
    Supervisor,
    Watching,
    at,
    changed,
    found,
    orders,
    records,
    since_airflow_3_3,
    trigger,
    watcher_of,
)


async def test_each_change_is_one_event(watching: Watching) -> None:
    """The first look fires nothing, a look that finds something else fires once; no body is in an event."""
    answers = [found(ADA), found(ADA), found(BOB), found(BOB), found(ADA)]

    assert await watching.events(answers) == [changed(), changed()]
    assert watching.clock.slept == [INTERVAL] * 5


async def test_unchanged_body_is_not_sent_again(watching: Watching) -> None:
    """With entity tags the backend is asked whether the one that is known still holds."""
    unchanged = [web.Response(status=304) for _ in range(2)]
    answers = [found(ADA, '"1"'), unchanged[0], found(BOB, '"2"'), unchanged[1]]

    assert await watching.events(answers) == [changed(etag='"2"')]
    assert watching.backend is not None
    sent = [request.headers.get("If-None-Match") for request in watching.backend.requests]
    assert sent == [None, '"1"', '"1"', '"2"']
    assert watching.backend.requests[0].headers["User-Agent"].endswith("(MirrorDBEventTrigger)")


@pytest.mark.parametrize(
    "second", [found(ADA, '"of another server"'), found({**ADA, "now": "12:01"}, '"1"')], ids=["body", "tag"]
)
async def test_same_body_or_same_tag_is_no_change(watching: Watching, second: web.Response) -> None:
    """Servers behind one address may tag one body differently, and one tag may stand for several bodies."""
    assert await watching.events([found(ADA, '"1"'), second]) == []


async def test_coming_and_going_are_changes(watching: Watching, caplog: pytest.LogCaptureFixture) -> None:
    """What was not there at first fires when it comes, and when it is gone; the log tells, too."""
    answers = [web.Response(status=404), found(ADA), web.Response(status=410), web.Response(status=404)]

    assert await watching.events(answers) == [changed(), changed(410)]
    assert caplog.text.count("there is nothing (4") == 2


async def test_records_beyond_the_cursor_are_an_event(watching: Watching) -> None:
    """New records are counted; one more with the very time of the last one counts, one less does not."""
    answers = [
        found(orders(at("10:00"), at("10:01"))),
        found(orders(at("10:00"), at("10:01"))),
        found(orders(at("10:00"), at("10:01"), at("10:03"), at("10:02"))),
        found(orders(at("10:03"), at("10:03"), None)),
        found(orders(at("10:03"))),
    ]
    expected = [records(2, at("10:01"), at("10:03")), records(1, at("10:03"), at("10:03"))]

    assert await watching.events(answers, cursor="meta.updated") == expected


@pytest.mark.parametrize("inclusive", [True, False])
async def test_cursor_is_sent(watching: Watching, *, inclusive: bool) -> None:
    """The backend is asked for what came after the cursor, whether that includes the last record or not."""
    repeated = [7] if inclusive else []
    answers = [found(orders(5, 7)), found(orders(*repeated)), found(orders(*repeated, 8)), found(orders())]
    query = {"sort": "updated"}

    events = await watching.events(answers, cursor="meta.updated", cursor_param="since", query=query)

    assert events == [records(1, 7, 8)]
    since = [line.partition("since=")[2] for line in watching.lines]
    assert since == ["", "7", "7", "8"]
    assert all("sort=updated" in line for line in watching.lines)


async def test_first_record_of_an_empty_collection_is_an_event(watching: Watching) -> None:
    """Nothing at the first look, be it an empty list or a 404, is a place to start from."""
    answers = [web.Response(status=404), found([]), found(orders(at("10:00")))]

    assert await watching.events(answers, cursor="meta.updated") == [records(1, None, at("10:00"))]


async def test_only_records_that_match_count(watching: Watching) -> None:
    """A watcher may care for some records only; for a single resource its own fields count."""
    answers = [
        found({"state": "new", "at": 1}),
        found({"state": "new", "at": 2}),
        found({"state": "done", "at": 3}),
    ]

    assert await watching.events(answers, cursor="at", where={"state": "done"}) == [records(1, None, 3)]


async def test_all_pages_are_looked_at(watching: Watching) -> None:
    """With pages, a look is complete when the last of them was read."""
    pages = [found(orders(1, 2)), found([]), found(orders(1, 2)), found(orders(3)), found([])]
    paginate = {"style": "page", "param": "page"}

    events = await watching.events(pages, cursor="meta.updated", paginate=paginate)

    assert events == [records(1, 2, 3)]


async def test_no_failure_ends_it(watching: Watching, caplog: pytest.LogCaptureFixture) -> None:
    """It looks again after each failure, later each time, and fires when there is a change at last."""
    answers = [
        found(ADA),
        *[web.Response(status=500) for _ in range(5)],
        web.Response(status=403),
        found(ADA),
        web.Response(text="<html>"),
        found(BOB),
    ]

    assert await watching.events(answers) == [changed()]
    assert watching.clock.slept == [60, 60, 120, 240, 480, 600, 600, 60, 60, 60]
    levels = [record.levelno for record in caplog.records if "failed" in record.getMessage()]
    # a page in the place of JSON may pass, a 403 does not
    assert levels == [logging.WARNING] * 5 + [logging.ERROR, logging.WARNING]


async def test_retry_after_is_obeyed(watching: Watching) -> None:
    """A backend that asks to stay away for longer than the interval is left alone that long."""
    assert await watching.events([web.Response(status=429, headers={"Retry-After": "3600"})]) == []
    assert watching.clock.slept == [3600]


async def test_202_is_no_change_and_no_failure(watching: Watching, caplog: pytest.LogCaptureFixture) -> None:
    """What is not ready yet (RFC 9110, section 15.3.3) is looked at again, after its Retry-After."""
    later = [web.json_response({"state": "pending"}, status=202, headers={"Retry-After": "90"})]
    answers = [*later, found(ADA), web.json_response({}, status=202), found(BOB)]
    assert await watching.events(answers) == [changed()]
    assert watching.clock.slept == [90, 60, 60, 60]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_an_absurd_retry_after_does_not_end_the_watching(watching: Watching) -> None:
    """A backend is obeyed for a day at most: nothing would start the trigger again."""
    assert await watching.events([web.Response(status=500, headers={"Retry-After": "99999999"})]) == []
    assert watching.clock.slept == [86_400]


async def test_connection_may_come_later(
    watching: Watching, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that is not there yet is looked up again at each look."""
    await watching.serve(found(ADA))
    assert watching.backend is not None
    connection = json.dumps({"conn_type": "mirrordb", "host": watching.backend.base_url})
    waited = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            monkeypatch.setenv("AIRFLOW_CONN_LATE", connection)
        if len(waited) == 3:
            raise OverError

    monkeypatch.setattr(MirrorDBEventTrigger, "sleep", staticmethod(sleep))

    assert await watching.events_of(trigger(mirrordb_conn_id="late")) == []
    assert (watching.lines, waited) == (["GET /api/users"], [60, 120, 60])
    assert "late" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"endpoint": ""}, "endpoint: say what is watched"),
        ({"endpoint": ["api/users"]}, r"endpoint: it must be a string, not \['api/users'\]"),
        ({"query": "a=1"}, "query: it must be a mapping, not 'a=1'"),
        ({"cursor": 7}, "cursor: it must be a string, not 7"),
        ({"endpoint": "/api/users"}, r"endpoint: '/api/users': .* without a leading slash"),
        ({"endpoint": "api/users?a=1"}, r"endpoint: 'api/users\?a=1': .* the argument 'query'"),
        (
            {"endpoint": "api/{{ ds }}"},
            r"endpoint: 'api/{{ ds }}': Airflow renders no templates of a watcher",
        ),
        ({"query": {"day": ["{{ ds }}"]}}, r"query: '{{ ds }}': Airflow renders no templates of a watcher"),
        ({"endpoint": f"api/{None}"}, "endpoint: 'api/None' holds 'None'"),
        ({"query": {"ids": {1}}}, "query: set has no JSON type"),
        ({"query": {"max": float("nan")}}, "query: Out of range float"),
        ({"poll_interval": "60"}, "poll_interval: it must be a number of seconds, not '60'"),
        ({"poll_interval": 0.5}, "poll_interval: it must be at least 1 second, not 0.5"),
        ({"poll_interval": None}, "poll_interval: it must be a number of seconds, not None"),
        ({"poll_interval": float("inf")}, "poll_interval: it must be at least 1 second, not inf"),
        ({"poll_interval": float("nan")}, "poll_interval: it must be at least 1 second, not nan"),
        ({"cursor": "a..b"}, r"cursor: 'a\.\.b' is no path"),
        ({"cursor": "items.*.at"}, r"cursor: 'items\.\*\.at' must lead to one value"),
        ({"field": 7}, "field: it must be a string, not 7"),
        ({"field": ""}, "field: '' is no path"),
        ({"field": "jobs[?id='7'", "ignore": ["x"]}, "field: .* is no path"),
        ({"field": "jobs[].state", "ignore": ["x"]}, r"ignore: the field 'jobs\[\]\.state' is an expression"),
        ({"field": "items.*"}, r"field: 'items\.\*' must lead to one value, and '\*' leads to many"),
        ({"ignore": "generated_at"}, r"ignore: it must be a list of paths, .* not 'generated_at'"),
        ({"ignore": ["a", 7]}, r"ignore: it must be a list of paths, .* not \['a', 7\]"),
        ({"ignore": ["a."]}, r"ignore: 'a\.' is no name, nor names with dots"),
        ({"ignore": ["a.*"], "field": "a.b.c"}, r"ignore: it leaves nothing of the field 'a\.b\.c'"),
        ({"unordered": None}, "unordered: it must be True or False, not None"),
        ({"unordered": ["items"]}, "unordered: it must be True or False, not"),
        ({"cursor": "at", "field": "a"}, "field: with a cursor only that counts; choose records by where"),
        ({"cursor": "at", "ignore": ["a"]}, "ignore: with a cursor only that counts"),
        ({"cursor": "at", "unordered": True}, "unordered: with a cursor only that counts"),
        ({"cursor_param": "since"}, "cursor_param: it needs a cursor"),
        ({"paginate": {"style": "nope"}}, r"paginate\.style: 'nope' is not one of link, header"),
        ({"paginate": {"style": "body"}}, r"paginate\.next: it is needed with the style 'body'"),
        ({"paginate": {"style": "link", "sise": 7}}, r"paginate\.sise: .*did you mean 'size'"),
        ({"paginate": {}}, r"paginate\.style: it is missing"),
        ({"where": {"a": 1}}, "where: it needs a cursor"),
        (
            {"headers": {"X-Auth": "s"}},
            r"headers\['X-Auth'\]: what a trigger is given is stored in clear text",
        ),
    ],
)
def test_wrong_arguments_are_told_when_the_dag_is_read(arguments: dict[str, Any], reason: str) -> None:
    """Airflow serialises the watchers of a DAG when it reads the file, and shows what is wrong."""
    from airflow.sdk import DAG, Asset, AssetWatcher
    from airflow.serialization import serialized_objects

    new, old = "DagSerialization", "SerializedDAG"
    watcher = AssetWatcher(name="w", trigger=MirrorDBEventTrigger(**{"endpoint": "api/users", **arguments}))
    with pytest.raises(Exception, match=reason):
        getattr(serialized_objects, new if hasattr(serialized_objects, new) else old).to_dict(
            DAG("watching", schedule=[Asset("users", watchers=[watcher])])
        )


@since_airflow_3_3
@pytest.mark.parametrize("assets", [["users"], ["users", "people"]])
@pytest.mark.parametrize(
    ("arguments", "before", "after", "event"),
    [
        ({}, ADA, BOB, changed()),
        ({"cursor": "meta.updated"}, orders(1), orders(1, 2), records(1, 1, 2)),
    ],
)
async def test_change_while_no_triggerer_ran_is_an_event(
    watching: Watching,
    supervisor: Supervisor,
    assets: list[str],
    arguments: dict[str, Any],
    before: Any,
    after: Any,
    event: Any,
) -> None:
    """What was seen is kept with each asset that a trigger watches, so its successor knows it."""
    await watching.serve(found(before))
    assert await watching.events_of(watcher_of(*assets, **arguments)) == []
    assert {name for name, _ in supervisor.kept} == set(assets)

    await watching.serve(found(after), found(after))
    assert await watching.events_of(watcher_of(*assets, **arguments)) == [event]
    await watching.serve(found(after))
    assert await watching.events_of(watcher_of(*assets, **arguments)) == []
    await watching.serve(found(after))
    assert await watching.events_of(watcher_of(*assets, **arguments, query={"another": "one"})) == []


@since_airflow_3_3
async def test_successor_asks_from_the_kept_cursor_on(watching: Watching, supervisor: Supervisor) -> None:
    """With a cursor_param the first look of a triggerer that is back reads only what came meanwhile."""
    arguments = {"cursor": "meta.updated", "cursor_param": "since"}
    await watching.serve(found(orders(1)))
    await watching.events_of(watcher_of("users", **arguments))
    await watching.serve(found(orders(2)))

    assert await watching.events_of(watcher_of("users", **arguments)) == [records(1, 1, 2)]
    assert watching.lines == ["GET /api/users", "GET /api/users?since=1"]
    assert len(supervisor.kept) == 1


@since_airflow_3_3
async def test_event_is_not_lost_with_its_triggerer(watching: Watching, supervisor: Supervisor) -> None:
    """A triggerer that dies right after an event has not yet kept what it saw; the successor fires again."""
    del supervisor
    await watching.serve(found(ADA), found(BOB))
    first = watcher_of("users").run()
    assert (await anext(first)).payload == changed()
    await first.aclose()  # type: ignore[attr-defined]  # a generator

    await watching.serve(found(BOB))
    assert await watching.events_of(watcher_of("users")) == [changed()]


@since_airflow_3_3
async def test_store_that_fails_is_no_reason_to_stop(
    watching: Watching, supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the store a trigger goes by what it saw itself; what another version kept is not understood."""
    await watching.serve(found(ADA))
    await watching.events_of(watcher_of("users"))
    supervisor.kept = dict.fromkeys(supervisor.kept, '{"of another": "version"}')
    await watching.serve(found(BOB), found(ADA))

    assert await watching.events_of(watcher_of("users")) == [changed()]
    assert "could not be read" in caplog.text


@since_airflow_3_3
async def test_the_last_error_lies_with_the_asset_until_a_poll_succeeds(
    watching: Watching, supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    """Who has no triggerer's log sees there why nothing fires; each line of the log names the asset."""
    place = ("users", "last_error")
    await watching.serve(found(ADA), web.Response(status=503), web.Response(status=403, text="no right"))
    assert await watching.events_of(watcher_of("users")) == []
    assert supervisor.kept[place] == '"403 Forbidden: no right"'
    failed = [record.getMessage() for record in caplog.records if "failed: " in record.getMessage()]
    assert len(failed) == 2
    name = "Watching api/users through connection mirrordb_default for asset users failed: "
    assert all(line.startswith(name) for line in failed)
    await watching.serve(web.Response(status=503), found(ADA))
    assert await watching.events_of(watcher_of("users")) == []
    assert place not in supervisor.kept


@pytest.mark.slow
def test_dag_file_that_watches_loads_no_client() -> None:
    """The module of the trigger is imported wherever a DAG file is parsed."""
    code = (
        "import sys; import airflow.triggers.base\n"
        "before = set(sys.modules); from airflow_mirrordb.triggers.event import MirrorDBEventTrigger\n"
        "MirrorDBEventTrigger(endpoint='api/users').serialize()\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "airflow_mirrordb.triggers.event" in loaded
    assert not {name for name in loaded if name.split(".")[0] in ("aiohttp", "yarl", "certifi")}
    assert not {
        name for name in loaded if name.startswith(("airflow_mirrordb.client", "airflow_mirrordb.hooks"))
    }
