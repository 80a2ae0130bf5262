"""What the tests of the trigger that watches for an asset share; imported from Airflow 3.0 on only."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_mirrordb.triggers.event import SETTLE, MirrorDBEventTrigger
from tests.support.backends import Answering, Backend
from tests.support.clocks import FakeClock
from tests.support.connections import SetConnection

since_airflow_3_3 = pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="came with Airflow 3.3")

INTERVAL = 60.0
ADA, BOB = {"name": "Ada"}, {"name": "Bob"}


class OverError(BaseException):
    """All planned answers were given, so a real trigger would wait for the next look now."""


class Watching:
    """Runs triggers until a backend has given its answers; notes their events and waits."""

    def __init__(
        self, answering: Answering, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._answering, self._set_connection = answering, set_connection
        self.clock, self.answers = FakeClock(), list[web.Response]()
        self.backend: Backend | None = None
        self.is_over: Callable[[], bool] = lambda: not self.answers
        monkeypatch.setattr(MirrorDBEventTrigger, "sleep", staticmethod(self._sleep))

    @property
    def lines(self) -> list[str]:
        """The requests that arrived."""
        assert self.backend is not None
        return self.backend.lines

    def reset(self) -> None:
        """Forget what was seen."""
        self.clock.slept.clear()
        if self.backend is not None:
            self.backend.requests.clear()

    async def events(self, answers: list[web.Response], **arguments: Any) -> list[Any]:
        """Return the payloads of all events that a trigger fires at these answers."""
        await self.serve(*answers)
        return await self.events_of(trigger(**arguments))

    async def serve(self, *answers: web.Response) -> None:
        self.answers = [*answers]
        if self.backend is None:
            self.backend = await self._answering(*[self._answer] * 30)
            self._set_connection(self.backend.base_url)

    async def _answer(self, _request: web.Request) -> web.Response:
        return self.answers.pop(0)

    async def events_of(self, watcher: MirrorDBEventTrigger) -> list[Any]:
        fired: list[Any] = []

        async def follow() -> None:
            async with aclosing(watcher.run()) as events:  # type: ignore[type-var]  # a generator
                async for event in events:
                    fired.append(json.loads(json.dumps(event.payload)))  # noqa: PERF401  # it does not end

        with pytest.raises(OverError):
            await follow()
        return fired

    async def _sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        if seconds != SETTLE and self.is_over():
            raise OverError


def trigger(**arguments: Any) -> MirrorDBEventTrigger:
    """Return a trigger as the triggerer makes it from what Airflow stores."""
    made = MirrorDBEventTrigger(**{"endpoint": "api/users", "poll_interval": INTERVAL, **arguments})
    return MirrorDBEventTrigger(**json.loads(json.dumps(made.serialize()[1])))


def found(body: Any, etag: str | None = None) -> web.Response:
    return web.json_response(body, headers={"ETag": etag} if etag else {})


def changed(status: int = 200, etag: str | None = None) -> dict[str, Any]:
    return {"endpoint": "api/users", "status": status, "etag": etag, "request_id": None}


def records(count: int, since: Any, cursor: Any) -> dict[str, Any]:
    return {"endpoint": "api/users", "count": count, "since": since, "cursor": cursor, "request_id": None}


def at(time: str) -> str:
    """Return a moment of one day as RFC 3339 writes it."""
    return f"2026-05-01T{time}:00Z"


def orders(*times: Any, **fields: Any) -> list[dict[str, Any]]:
    return [{"meta": {"updated": time}, **fields} for time in times]


class Supervisor:
    """The triggerer's other half, as far as it keeps values for assets; what is kept passes through JSON."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def reset(self) -> None:
        """Forget what was kept."""
        self.kept.clear()

    async def asend(self, message: Any) -> Any:
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time import comms

        place = (message.name, message.key)
        if isinstance(message, comms.SetAssetStateStoreByName):
            self.kept[place] = json.dumps(message.value)
            return comms.OKResponse(ok=True)
        if isinstance(message, comms.DeleteAssetStateStoreByName):
            self.kept.pop(place, None)
            return comms.OKResponse(ok=True)
        if place in self.kept:
            return comms.AssetStateStoreResult(value=json.loads(self.kept[place]))
        return comms.ErrorResponse(error=ErrorType.ASSET_STORE_NOT_FOUND)


def watcher_of(*assets: str, **arguments: Any) -> MirrorDBEventTrigger:
    """Return a trigger with the store that the triggerer of Airflow 3.3 gives it."""
    from airflow.sdk import Asset
    from airflow.sdk.execution_time.context import AssetStateStoreAccessors

    watcher = trigger(**arguments)
    watcher.asset_state_store = AssetStateStoreAccessors(inlets=[Asset(name) for name in assets])
    return watcher
