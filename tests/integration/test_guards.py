"""Each guard of the client, taken out: what ought to notice has to fail, or it would prove nothing.

A guard is disabled where it is looked up. Its check, a test of another file or the seeds of a fuzz
target, has to pass with it and to fail without it. It ends by itself, with or without: a check that
waits for ever without its guard would fail for want of time, which a busy machine may lack as well.
The guards are listed in ``tests/integration/guards``; ``tests/support/seams.py`` says where each one is.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from airflow_mirrordb.client.auth import spellings
from tests.fuzz.targets import REGISTRIES
from tests.integration.guards import (
    airflow_borders,
    answers,
    confidentiality,
    decorators,
    jobs,
    large_bodies,
    logins,
    notifications,
    pages,
    requests_sent,
    task_writes,
    writes,
)
from tests.integration.test_assertions import asking  # noqa: F401  # a fixture
from tests.integration.test_client_bulk import no_time_passes  # noqa: F401  # a fixture
from tests.integration.test_connection_ends import odd  # noqa: F401  # a fixture
from tests.integration.test_connection_test import hanging  # noqa: F401  # another one
from tests.integration.test_early_success import early  # noqa: F401  # and one more
from tests.integration.test_framing import small_framing  # noqa: F401  # a fixture
from tests.integration.test_hostile_answers import hostile  # noqa: F401  # another one
from tests.integration.test_notifier import incidents  # noqa: F401  # a fixture
from tests.integration.test_operators_tries import tries  # noqa: F401  # another one
from tests.integration.test_output_stores import save, short_pauses  # noqa: F401  # two more
from tests.integration.test_page_ends import read  # noqa: F401  # and one more
from tests.integration.test_refresh_tokens import airflow_variables, rotating  # noqa: F401  # two more
from tests.integration.test_resources import mixed  # noqa: F401  # another one
from tests.integration.test_sensor import scheduler  # noqa: F401  # and another one
from tests.integration.test_slow_stores import hanging_store  # noqa: F401  # another one
from tests.integration.test_stored_triggers import fired  # noqa: F401  # and another one
from tests.integration.test_task_decorator import connected, dag  # noqa: F401  # two more
from tests.integration.test_tls_files import naming  # noqa: F401  # a fixture
from tests.integration.test_tokens import token_server  # noqa: F401  # and one more
from tests.integration.test_unsent import busy  # noqa: F401  # and another one
from tests.support.seams import SEAMS, place_of
from tests.unit.test_runner import runner  # noqa: F401  # and one more

if TYPE_CHECKING:
    from tests.support.backends import Answering, ScriptedBackend
    from tests.support.connections import ConfigFor, SetConnection
    from tests.support.triggering import Triggerer

PARTS = (
    requests_sent,
    writes,
    task_writes,
    decorators,
    jobs,
    answers,
    pages,
    large_bodies,
    notifications,
    confidentiality,
    logins,
    airflow_borders,
)
GUARDS = {name: guard for part in PARTS for name, guard in part.GUARDS.items()}


def test_each_guard_has_a_seam_and_a_name_of_its_own() -> None:
    """Each line of the table of seams leads somewhere and is used, and no guard hides another one."""
    names = [name for seams in SEAMS.values() for name in seams]
    assert len(names) == len(set(names))
    assert len(GUARDS) == sum(len(part.GUARDS) for part in PARTS)
    assert {guard.seam or name for name, guard in GUARDS.items()} == set(names)
    assert [name for name in names if not hasattr(*place_of(name))] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of what is left open
@pytest.mark.parametrize("name", GUARDS)
async def test_without_the_guard_its_check_fails(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    answering: Answering,
    config_for: ConfigFor,
    raw_server: Any,
    hostile: Any,  # noqa: F811  # the fixture
    odd: Any,  # noqa: F811  # the fixture
    mixed: str,  # noqa: F811  # the fixture
    triggerer: Triggerer,
    tries: Any,  # noqa: F811  # the fixture
    token_server: Any,  # noqa: F811  # the fixture
    asking: Any,  # noqa: F811  # the fixture
    rotating: Any,  # noqa: F811  # the fixture
    busy: Any,  # noqa: F811  # the fixture
    early: Any,  # noqa: F811  # the fixture
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    """With the guard it passes."""
    guard = GUARDS[name]
    check = guard.check
    wanted = inspect.signature(check).parameters.keys() - guard.arguments.keys()
    fixtures = {fixture: request.getfixturevalue(fixture) for fixture in wanted}

    async def run() -> None:
        for registry in REGISTRIES:  # which would remember what they allowed
            registry._allowed.clear()
        spellings.spellings_of.cache_clear()
        arguments = {**fixtures, **guard.arguments}
        if inspect.iscoroutinefunction(check):
            await check(**arguments)
        else:
            await asyncio.to_thread(check, **arguments)

    await run()
    caplog.clear()
    scripted.requests.clear()
    scripted.headers.clear()
    scripted.bodies.clear()
    scripted.answers.clear()
    raw_server.requests.clear()
    raw_server.connections = 0
    token_server.requests.clear()
    hostile.connections = 0
    hostile.requests.clear()
    tries.store.clear()
    raw_server.arrived.clear()
    triggerer.xcoms.clear()
    for name_of_fixture in fixtures.keys() & {"watching", "supervisor", "rotating", "airflow_variables"}:
        fixtures[name_of_fixture].reset()
    monkeypatch.setattr(*place_of(guard.seam or name), guard.without)
    with pytest.raises((Exception, pytest.fail.Exception)) as caught:
        await run()
    assert not isinstance(caught.value, TypeError | AttributeError | NameError), caught.getrepr()
