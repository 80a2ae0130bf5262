"""Jobs of the embedded backend: submit, look, fetch and cancel, by a clock that the test sets.

A submit is accepted with 202 and the place to look at (RFC 9110, section 15.3.3); what goes on from there
follows the pattern "Accepted" of the RESTful Web API Cookbook, webapicookbook.com, and Google's AIP-151.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from airflow_mirrordb.devserver import DevServer, Jobs
from tests.support.clocks import FakeClock

Send = Callable[..., Awaitable[aiohttp.ClientResponse]]

REPORTS = "/api/reports"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def jobs(clock: FakeClock) -> Jobs:
    return Jobs(["reports", "exports"], queued_for=10, running_for=100, clock=clock.now)


@pytest.fixture
def server(clock: FakeClock) -> Iterator[DevServer]:
    with DevServer(jobs=jobs(clock)) as server:
        yield server


@pytest.fixture
async def send(server: DevServer) -> AsyncIterator[Send]:
    async with aiohttp.ClientSession(server.url) as session:

        async def send(method: str, path: str, **arguments: Any) -> aiohttp.ClientResponse:
            response = await session.request(method, path, **arguments)
            await response.read()  # gives the connection back
            return response

        yield send


async def submit(send: Send, **body: Any) -> str:
    """Submit a job and return its place."""
    submitted = await send("POST", REPORTS, json=body)
    assert submitted.status == 202, await submitted.text()
    return submitted.headers["Location"]


async def look(send: Send, place: str) -> dict[str, Any]:
    """Return a job as it is now."""
    answer = await send("GET", place)
    assert answer.status == 200, await answer.text()
    job: dict[str, Any] = await answer.json()
    return job


def state(job: dict[str, Any]) -> tuple[str, int, Any]:
    return job["state"], job["progress"], job["error"]


async def test_a_submit_is_answered_with_the_job_and_its_place(send: Send) -> None:
    """202, the job with what was submitted, ``Location`` and ``ETag``; a GET of Location answers the same."""
    submitted = await send("POST", REPORTS, json={"kind": "nightly"})
    assert (submitted.status, submitted.headers["Location"]) == (202, "/api/reports/1")
    assert await submitted.json() == {
        "id": "1",
        "kind": "nightly",
        "state": "queued",
        "progress": 0,
        "error": None,
        "idempotency_key": None,
    }
    read = await send("GET", "/api/reports/1")
    assert (read.status, await read.json()) == (200, await submitted.json())
    assert read.headers["ETag"] == submitted.headers["ETag"]


async def test_a_submit_may_ask_for_an_answer_that_comes_later(send: Send, clock: FakeClock) -> None:
    """``Prefer: respond-async`` (RFC 7240, section 4.1): at Location is the answer, or 202 before it is."""
    submitted = await send("POST", REPORTS, json={}, headers={"Prefer": "respond-async, wait=10"})
    assert submitted.headers["Preference-Applied"] == "respond-async"
    place = submitted.headers["Location"]
    assert (submitted.status, place) == (202, "/api/reports/1/result")
    assert (await send("GET", place)).status == 202
    clock.time += 110
    answer = await send("GET", place)
    assert (answer.status, len(await answer.json())) == (200, 3)
    other = await send("POST", REPORTS, json={}, headers={"Prefer": "return=minimal"})
    assert other.headers["Location"] == "/api/reports/2"


async def test_the_state_advances_by_time(send: Send, clock: FakeClock) -> None:
    """Queued, running with its progress in percent, succeeded; each time to the second."""
    place = await submit(send)
    seen = []
    for at in (9, 10, 60, 109, 110, 1000):
        clock.time = 1_700_000_000.0 + at
        seen.append((at, *state(await look(send, place))))
    assert seen == [
        (9, "queued", 0, None),
        (10, "running", 0, None),
        (60, "running", 50, None),
        (109, "running", 99, None),
        (110, "succeeded", 100, None),
        (1000, "succeeded", 100, None),
    ]


async def test_the_list_shows_the_same_states(send: Send, clock: FakeClock, server: DevServer) -> None:
    """GET of the collection, and ``records()``, tell of each job what a look at it would."""
    await submit(send)
    clock.time += 50
    await submit(send, fail="no space left")
    clock.time += 60
    listed = await (await send("GET", REPORTS)).json()
    assert [job["state"] for job in listed] == ["succeeded", "running"]
    assert listed == server.records("reports")
    clock.time += 50
    assert [job["state"] for job in server.records("reports")] == ["succeeded", "failed"]


@pytest.mark.parametrize(("queued_for", "running_for"), [(0, 5), ("0", " 5.0 ")])
async def test_a_job_says_how_long_it_takes(
    send: Send, clock: FakeClock, queued_for: Any, running_for: Any
) -> None:
    """Seconds in the body, also as the text that a template makes of them, win over the server's."""
    place = await submit(send, queued_for=queued_for, running_for=running_for)
    assert (await look(send, place))["state"] == "running"
    clock.time += 5
    assert (await look(send, place))["state"] == "succeeded"


async def test_a_job_may_be_done_at_once(send: Send) -> None:
    """Without any time the answer to the submit is the job that succeeded."""
    done = await send("POST", REPORTS, json={"queued_for": 0, "running_for": 0})
    assert (done.status, state(await done.json())) == (202, ("succeeded", 100, None))


async def test_a_job_fails_on_demand(send: Send, clock: FakeClock) -> None:
    """It runs as long as another, says why it failed then, and has no result."""
    place = await submit(send, fail="no space left")
    clock.time += 109
    assert state(await look(send, place)) == ("running", 99, None)
    clock.time += 1
    assert state(await look(send, place)) == ("failed", 99, {"message": "no space left"})
    result = await send("GET", f"{place}/result")
    assert (result.status, await result.json()) == (409, {"detail": "reports/1 failed: no space left"})


@pytest.mark.parametrize("fail", ["", None])
async def test_no_words_are_no_failure(send: Send, clock: FakeClock, fail: Any) -> None:
    """As where a template makes them of a parameter that is empty."""
    place = await submit(send, fail=fail)
    clock.time += 110
    assert (await look(send, place))["state"] == "succeeded"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"running_for": -1}, "running_for"),
        ({"running_for": True}, "running_for"),
        ({"queued_for": "soon"}, "queued_for"),
        ({"queued_for": "nan"}, "queued_for"),
        ({"queued_for": "inf"}, "queued_for"),
        ({"queued_for": 10**400}, "queued_for"),
        ({"queued_for": []}, "queued_for"),
        ({"rows": -1}, "rows"),
        ({"rows": 1.5}, "rows"),
        ({"rows": True}, "rows"),
        ({"rows": "many"}, "rows"),
        ({"rows": 1_000_001}, "rows"),
        ({"rows": 10**9}, "rows"),
        ({"fail": True}, "fail"),
        ({"state": "done"}, "state"),
        ({"progress": 1}, "progress"),
        ({"error": None}, "error"),
        ({"idempotency_key": "k"}, "idempotency_key"),
    ],
)
async def test_a_body_that_cannot_be_is_refused(send: Send, body: dict[str, Any], named: str) -> None:
    """422 names the field, and there is no job."""
    refused = await send("POST", REPORTS, json=body)
    assert refused.status == 422
    assert (await refused.json())["detail"].startswith(f"{named} ")
    assert await (await send("GET", REPORTS)).json() == []


async def test_the_result_is_in_pages(send: Send, clock: FakeClock) -> None:
    """``rows`` of them, a hundred to a page, with the count and the link to the next page."""
    place = await submit(send, rows="250")
    clock.time += 110
    rows, target, sizes = [], f"{place}/result", []
    while target:
        page = await send("GET", target)
        assert (page.status, page.headers["X-Total-Count"]) == (200, "250")
        found = await page.json()
        rows += found
        sizes.append(len(found))
        target = URL(page.links["next"]["url"]).raw_path_qs if "Link" in page.headers else ""
    assert sizes == [100, 100, 50]
    assert rows == [{"row": number, "job": "1"} for number in range(1, 251)]
    last = await send("GET", f"{place}/result?limit=2&offset=249")
    assert await last.json() == rows[-1:]
    assert await (await send("GET", f"{place}/result?offset=250")).json() == []


async def test_the_result_of_a_plain_job_has_three_rows(send: Send, clock: FakeClock) -> None:
    """So that whoever reads it has something to read; with ``rows`` 0 it is empty."""
    places = [await submit(send), await submit(send, rows=0)]
    clock.time += 110
    results = [await (await send("GET", f"{place}/result")).json() for place in places]
    assert [[row["row"] for row in result] for result in results] == [[1, 2, 3], []]


async def test_the_result_of_a_job_that_goes_on_is_not_there_yet(send: Send, clock: FakeClock) -> None:
    """202 with the job, which a client reads as "later"; 404 where there is no job."""
    place = await submit(send)
    for expected in ("queued", "running"):
        early = await send("GET", f"{place}/result")
        assert (early.status, (await early.json())["state"]) == (202, expected)
        clock.time += 10
    assert (await send("GET", f"{REPORTS}/2/result")).status == 404


@pytest.mark.parametrize(("wait", "progress"), [(5, 0), (60, 50)])
async def test_a_job_is_cancelled(send: Send, clock: FakeClock, wait: int, progress: int) -> None:
    """Once and again, with no body or any; it stays so, and has no result."""
    place = await submit(send)
    clock.time += wait
    for body in (b"", b'{"why": "too late"}', b"no JSON"):
        cancelled = await send("POST", f"{place}/cancel", data=body)
        assert (cancelled.status, state(await cancelled.json())) == (200, ("cancelled", progress, None))
    clock.time += 1000
    assert state(await look(send, place)) == ("cancelled", progress, None)
    result = await send("GET", f"{place}/result")
    assert (result.status, await result.json()) == (409, {"detail": "reports/1 was cancelled"})


@pytest.mark.parametrize(("fail", "ended"), [("", "succeeded"), ("no space left", "failed")])
async def test_to_cancel_what_is_over_changes_nothing(
    send: Send, clock: FakeClock, fail: str, ended: str
) -> None:
    """As Google's ``operations.cancel``: a success, and a look tells that the job ended before it."""
    place = await submit(send, fail=fail)
    clock.time += 110
    late = await send("POST", f"{place}/cancel")
    assert (late.status, (await late.json())["state"]) == (200, ended)
    assert await late.json() == await look(send, place)


async def test_to_cancel_what_is_not_there_is_a_404(send: Send) -> None:
    """Nothing is made by it."""
    assert (await send("POST", f"{REPORTS}/7/cancel")).status == 404
    assert await (await send("GET", REPORTS)).json() == []


async def test_delete_ends_a_job_for_good(send: Send, clock: FakeClock) -> None:
    """As Elasticsearch's ``DELETE /_async_search/{id}``; the job is gone then, its number not given again."""
    place = await submit(send)
    clock.time += 60
    assert (await send("DELETE", place)).status == 204
    for method, path in (("GET", place), ("DELETE", place), ("GET", f"{place}/result")):
        assert (await send(method, path)).status == 404
    assert (await send("POST", f"{place}/cancel")).status == 404
    assert await submit(send) == "/api/reports/2"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/reports/1", "GET, HEAD, DELETE"),
        ("PATCH", "/api/reports/1", "GET, HEAD, DELETE"),
        ("POST", "/api/reports/1/result", "GET, HEAD"),
        ("GET", "/api/reports/1/cancel", "POST"),
    ],
)
async def test_only_the_server_changes_a_job(send: Send, method: str, path: str, allowed: str) -> None:
    """All else is a 405 that says what is allowed (RFC 9110, section 15.5.6)."""
    await submit(send)
    refused = await send(method, path, json={"state": "done"} if method != "GET" else None)
    assert (refused.status, refused.headers["Allow"]) == (405, allowed)
    assert state(await look(send, "/api/reports/1")) == ("queued", 0, None)


async def test_one_key_is_one_job(send: Send, clock: FakeClock) -> None:
    """A repeat gets the first answer, whatever became of the job; the list tells which key made which."""

    async def keyed(key: str, **body: Any) -> aiohttp.ClientResponse:
        return await send("POST", REPORTS, json=body, headers={"Idempotency-Key": key})

    first = await keyed("k1", kind="nightly")
    clock.time += 60
    again = await keyed("k1", kind="nightly")
    assert (again.status, await again.json()) == (202, await first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await keyed("k1", kind="weekly")).status == 422
    await keyed("k2", kind="nightly")
    await submit(send)
    listed = await (await send("GET", REPORTS)).json()
    assert [(job["id"], job["idempotency_key"], job["state"]) for job in listed] == [
        ("1", "k1", "running"),
        ("2", "k2", "queued"),
        ("3", None, "queued"),
    ]


async def test_an_id_of_the_client_is_given_once(send: Send) -> None:
    """As for records: the job bears it, and another one is answered with 409."""
    assert await submit(send, id="nightly-1") == "/api/reports/nightly-1"
    assert (await send("POST", REPORTS, json={"id": "nightly-1"})).status == 409


async def test_a_look_may_be_conditional(send: Send, clock: FakeClock) -> None:
    """304 while nothing changed, the job under a new tag when it did (RFC 9110, section 13.1.2)."""
    place = await submit(send)
    seen = {"If-None-Match": (await send("GET", place)).headers["ETag"]}
    clock.time += 9
    assert (await send("GET", place, headers=seen)).status == 304
    clock.time += 1
    changed = await send("GET", place, headers=seen)
    assert (changed.status, (await changed.json())["state"]) == (200, "running")


async def test_jobs_of_a_record_are_jobs(send: Send, clock: FakeClock) -> None:
    """Below a record they are submitted and listed like at the top, and go when it goes."""
    await send("POST", "/api/users", json={"id": "7"})
    await submit(send)
    below = await send("POST", "/api/users/7/reports", json={})
    assert (below.status, below.headers["Location"]) == (202, "/api/reports/2")
    clock.time += 10
    listed = await (await send("GET", "/api/users/7/reports")).json()
    assert [(job["id"], job["state"]) for job in listed] == [("2", "running")]
    await send("DELETE", "/api/users/7")
    assert [job["id"] for job in await (await send("GET", REPORTS)).json()] == ["1"]


async def test_what_is_not_named_stays_a_record(send: Send) -> None:
    """Its state is whatever the client says, and its sub-collections are its own."""
    made = await send("POST", "/api/tickets", json={"state": "done", "fail": "yes"})
    assert (made.status, await made.json()) == (201, {"id": "1", "state": "done", "fail": "yes"})
    assert (await send("PATCH", "/api/tickets/1", json={"state": "open"})).status == 200
    assert (await send("POST", "/api/tickets/1/cancel", json={})).status == 201
    assert (await send("POST", "/api/reportsofusers", json={})).status == 201


async def test_a_plain_server_has_no_jobs() -> None:
    """Whatever a resource is called; a backend of old goes on as it was."""
    with DevServer() as server, DevServer(jobs=()) as other:
        async with aiohttp.ClientSession() as session:
            for url in (server.url, other.url):
                async with session.post(f"{url}/api/jobs", json={"state": "done"}) as made:
                    assert (made.status, await made.json()) == (201, {"id": "1", "state": "done"})


async def test_a_job_outlives_the_server(tmp_path: Path, clock: FakeClock) -> None:
    """Time passes for it while nobody serves, and who cancelled it finds it cancelled."""
    file = tmp_path / "backend.db"
    with DevServer(file, jobs=jobs(clock)) as server:
        async with aiohttp.ClientSession(server.url) as session:
            for key in ("k1", "k2"):
                async with session.post(REPORTS, json={}, headers={"Idempotency-Key": key}) as made:
                    assert made.status == 202
            async with session.post(f"{REPORTS}/2/cancel") as cancelled:
                assert cancelled.status == 200
    clock.time += 60
    with DevServer(file, jobs=jobs(clock)) as server:
        async with (
            aiohttp.ClientSession(server.url, headers={"Idempotency-Key": "k1"}) as session,
            session.post(REPORTS, json={}) as repeated,
        ):
            assert (await repeated.json())["id"] == "1"
        assert [(job["state"], job["progress"]) for job in server.records("reports")] == [
            ("running", 50),
            ("cancelled", 0),
        ]


async def test_a_record_from_before_is_no_job(tmp_path: Path, clock: FakeClock) -> None:
    """One that was made while the name was none of jobs is shown as it is, and has nothing to cancel."""
    file = tmp_path / "backend.db"
    with DevServer(file) as server:
        async with (
            aiohttp.ClientSession(server.url) as session,
            session.post(REPORTS, json={"state": "queued"}) as made,
        ):
            assert made.status == 201
    with DevServer(file, jobs=jobs(clock)) as server:
        async with aiohttp.ClientSession(server.url) as session:
            async with session.get(f"{REPORTS}/1") as read:
                assert await read.json() == {"id": "1", "state": "queued"}
            for method, path in (("POST", "cancel"), ("GET", "result")):
                async with session.request(method, f"{REPORTS}/1/{path}") as refused:
                    assert refused.status == 409
                    assert await refused.json() == {"detail": "reports/1 is no job: it was made as a record"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"names": "reports"}, "'reports' is text, not a list of names"),
        ({"names": ["a/b"]}, "'a/b' is no name of a resource"),
        ({"names": [""]}, "'' is no name of a resource"),
        ({"names": [7]}, "7 is no name of a resource"),
        ({"queued_for": -1}, "queued_for must be 0 or more seconds"),
        ({"running_for": float("nan")}, "running_for must be 0 or more seconds"),
    ],
)
def test_wrong_settings_are_explained(arguments: dict[str, Any], said: str) -> None:
    """In the constructor, before anything is served."""
    with pytest.raises(ValueError, match=said):
        Jobs(**{"names": ["reports"], **arguments})


def test_a_server_takes_names_alone() -> None:
    """The times are those of ``Jobs`` then; text in the place of names is refused by the constructor."""
    with DevServer(jobs=["reports"]) as server:
        assert server.records("reports") == []
    with pytest.raises(ValueError, match="'reports' is text"):
        DevServer(jobs="reports")
