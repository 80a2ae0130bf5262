"""Forty public APIs, as their documentation has them, read and written by the hook with extras alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.zoo.backends_page import APIS
from tests.zoo.emulator import Emulator
from tests.zoo.tables import OMITTED, Api, Call

if TYPE_CHECKING:
    from tests.zoo.conftest import HookFor


WRONG_KEY: Final = "nobody-knows-this-key"


def _calls() -> Iterator[Any]:
    for api in APIS:
        for call in api.calls:
            yield pytest.param(api, call, id=f"{api.documented.name}: {call.what}")


@pytest.mark.parametrize(("api", "call"), list(_calls()))
def test_call(
    api: Api, call: Call, emulator: Emulator, hook_for: HookFor, caplog: pytest.LogCaptureFixture
) -> None:
    """A call returns what the documentation promises, or fails with the words of the API's error."""
    if call.limit is not None:
        emulator.limited(call.limit)
    with hook_for(api, emulator) as hook:
        method = getattr(hook, call.method)
        if call.fails is None:
            _compare(method(call.endpoint, **call.arguments), call.result, emulator.origin)
        else:
            error = _error_of(method, call)
            assert call.fails.error in {kind.__name__ for kind in type(error).__mro__}, repr(error)
            # where sentences are joined, a full stop may go
            missing = [word for word in call.fails.words if word.rstrip(".") not in str(error)]
            assert not missing, f"{missing} are not in {str(error)!r}"
            said = [word for word in call.fails.without if word in str(error)]
            assert not said, f"{said} should not be in {str(error)!r}"
            if call.fails.code is not None:
                assert str(getattr(error, "code", None)) == call.fails.code
    _check_requests(call, emulator)
    if call.fails is None and call.limit is None:
        for warning in warnings_of(caplog):  # what is as it should be is no reason to warn
            assert call.warns is not None, warning
            assert call.warns in warning


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the package warned of."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith("airflow_mirrordb")
    ]


@pytest.mark.parametrize(
    "api", [pytest.param(api, id=api.documented.name) for api in APIS if "password" in api.connection]
)
def test_wrong_key(api: Api, emulator: Emulator, hook_for: HookFor) -> None:
    """A key that the API does not know fails for good, in its words, and is in none of them."""
    from airflow_mirrordb.client import MirrorDBError

    call = api.calls[0]
    with hook_for(api, emulator, key=WRONG_KEY) as hook, pytest.raises(MirrorDBError) as caught:
        getattr(hook, call.method)(call.endpoint, **call.arguments)
    # what is refused in a 200 cannot be told from what passes
    assert not caught.value.retryable or type(caught.value).__name__ == "RefusedError"
    assert WRONG_KEY not in str(caught.value)
    assert len(emulator.seen) == 1


def _error_of(method: Any, call: Call) -> Exception:
    from airflow_mirrordb.client import MirrorDBError

    with pytest.raises(MirrorDBError) as caught:
        method(call.endpoint, **call.arguments)
    return caught.value


def _compare(result: Any, expected: Any, origin: str) -> None:
    assert expected is not OMITTED
    expected = json.loads(json.dumps(expected).replace("$origin", origin))
    if isinstance(expected, dict) and "status" in expected and "data" in expected:
        assert {name: result[name] for name in expected} == expected  # of a full response
    else:
        assert result == expected


def _check_requests(call: Call, emulator: Emulator) -> None:
    """Hold the number of requests, the time of those after a limit, and one key for all of a write."""
    if call.requests is not None:
        assert len(emulator.seen) == call.requests
    if call.limit is not None:
        early = [seen.early for seen in emulator.seen if seen.early]
        assert early, "the limit was not met"
        if call.limit.answer.headers:
            assert len(early) == 1, f"the API said when, and these came early: {early}"
    keys = {seen.headers["Idempotency-Key"] for seen in emulator.seen if "Idempotency-Key" in seen.headers}
    assert len(keys) <= 1
