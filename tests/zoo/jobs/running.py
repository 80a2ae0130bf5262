"""A job that is run by the client, and what its end is held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from airflow_mirrordb.client import GenericMirrorDB
from tests.support.backends import Serve
from tests.support.clocks import FakeClock
from tests.support.connections import ConfigFor
from tests.zoo.jobs.backend import Failure, JobBackend
from tests.zoo.tables import KEY

#: Seconds that each job may take, by the test's clock.
TIMEOUT: Final = 60


class Running:
    """A backend that is served, and a client of it whose waits pass on the test's clock."""

    def __init__(self, serve: Serve, config_for: ConfigFor, clock: FakeClock) -> None:
        self._serve, self._config_for, self.clock = serve, config_for, clock

    async def __call__(
        self,
        backend: JobBackend,
        extras: Mapping[str, Any],
        endpoint: str,
        arguments: Mapping[str, Any],
        *,
        key: str = KEY,
    ) -> Any:
        """Run a job and return what came of it, an error too; an argument that is None is left out."""
        backend.origin = await self._serve(backend.application())
        config = self._config_for(backend.origin + backend.base, api_key=key, **extras)
        given = {"poll_interval": 0.01, "timeout": TIMEOUT, "method_name": "job", **arguments}
        given = {name: value for name, value in given.items() if value is not None}
        async with GenericMirrorDB(config, clock=self.clock.as_clock()) as opened:
            client: Any = opened
            try:
                return await client.run_job(endpoint, **given)
            except Exception as error:  # noqa: BLE001  # the test looks at it
                return error


def check_failure(outcome: Any, fails: Failure) -> None:
    """Hold the class of an error, and what its text has."""
    assert isinstance(outcome, Exception), outcome
    assert fails.error in {kind.__name__ for kind in type(outcome).__mro__}, repr(outcome)
    missing = [word for word in fails.words if word not in str(outcome)]
    assert not missing, f"{missing} are not in {str(outcome)!r}"
    said = [word for word in fails.without if word in str(outcome)]
    assert not said, f"{said} are in {str(outcome)!r}"
    assert KEY not in str(outcome)


def check_waits(backend: JobBackend, waits: Mapping[int, float]) -> None:
    """Hold how long the client stayed away, after a request of a position."""
    for position, seconds in waits.items():
        earlier, later = backend.asked[position : position + 2]
        assert later.at >= earlier.at + seconds, f"request {position + 1} came too early"
