"""A gateway before each API answers 502 once: what may be repeated is, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.zoo.backends_page import APIS
from tests.zoo.emulator import Emulator
from tests.zoo.tables import Answer, Api, Call, Limit

if TYPE_CHECKING:
    from tests.zoo.conftest import HookFor

#: As nginx words it.
BAD_GATEWAY: Final = Answer(
    502, "<html><head><title>502 Bad Gateway</title></head></html>", content_type="text/html"
)
BROKEN: Final = Limit(BAD_GATEWAY, 0.1)


def _first(method: str, *, keyed: bool | None = None) -> pytest.MarkDecorator:
    """Parametrize over the first call of each API that succeeds by a method.

    :param keyed: whether the API removes duplicates by a header; None if that is all the same
    """
    parameters = []
    for api in APIS:
        calls = [call for call in api.calls if call.method == method and not call.fails and not call.limit]
        has_keys = "idempotency_header" in api.connection["extra"]
        if calls and keyed in (None, has_keys):
            parameters.append(pytest.param(api, calls[0], id=api.documented.name))
    return pytest.mark.parametrize(("api", "call"), parameters)


def _call(api: Api, call: Call, emulator: Emulator, hook_for: HookFor) -> Any:
    emulator.limited(BROKEN)
    with hook_for(api, emulator) as hook:
        return getattr(hook, call.method)(call.endpoint, **call.arguments)


@_first("read")
def test_a_read_is_repeated(api: Api, call: Call, emulator: Emulator, hook_for: HookFor) -> None:
    """The collection is as whole as without the failure."""
    assert _call(api, call, emulator, hook_for) == call.result


@_first("delete")
def test_a_delete_is_repeated(api: Api, call: Call, emulator: Emulator, hook_for: HookFor) -> None:
    """It means the same when it comes twice (RFC 9110, section 9.2.2)."""
    assert _call(api, call, emulator, hook_for) == call.result


@_first("create", keyed=False)
def test_a_create_is_not(api: Api, call: Call, emulator: Emulator, hook_for: HookFor) -> None:
    """It may have been applied, and nobody can know; it was sent once."""
    from airflow_mirrordb.client import AmbiguousWriteError

    with pytest.raises(AmbiguousWriteError):
        _call(api, call, emulator, hook_for)
    assert len([seen for seen in emulator.seen if seen.early]) == 1


@_first("create", keyed=True)
def test_a_create_with_a_key_is(api: Api, call: Call, emulator: Emulator, hook_for: HookFor) -> None:
    """The API promises to apply what has the same key once."""
    assert _call(api, call, emulator, hook_for) == call.result
    keys = [seen.headers[api.connection["extra"]["idempotency_header"]] for seen in emulator.seen]
    assert len(keys) > 1
    assert len(set(keys)) == 1
