"""Whoever forgets ``paginate``, or gets it wrong, is told so: no collection ends early in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.zoo.backends_page import APIS
from tests.zoo.emulator import Emulator
from tests.zoo.tables import Api, Call
from tests.zoo.test_zoo import warnings_of

if TYPE_CHECKING:
    from tests.zoo.conftest import HookFor

#: Their next page is asked for by the last record, and nothing beside the records says that there is one.
SHOW_NOTHING: Final = {"Discord", "Elasticsearch"}


def _reading(fits: Callable[[Api, Any], bool]) -> pytest.MarkDecorator:
    """Parametrize over the APIs whose first call, a read of a whole collection, is of a kind."""
    cases = [(api, api.calls[0]) for api in APIS if fits(api, api.calls[0].arguments["paginate"])]
    parameters = [pytest.param(api, call, id=api.documented.name) for api, call in cases]
    return pytest.mark.parametrize(("api", "call"), parameters)


def _is_linked(_api: Api, paginate: Any) -> bool:
    return paginate["style"] in ("link", "header", "body")


@_reading(lambda api, paginate: _is_linked(api, paginate) and api.documented.name not in SHOW_NOTHING)
def test_no_paginate(
    api: Api, call: Call, emulator: Emulator, hook_for: HookFor, caplog: pytest.LogCaptureFixture
) -> None:
    """The first page shows that there is another one, and one warning says where."""
    arguments = {name: value for name, value in call.arguments.items() if name != "paginate"}
    with hook_for(api, emulator) as hook:
        hook.read(call.endpoint, **arguments)
    (warning,) = warnings_of(caplog)
    assert "'paginate' reads all pages" in warning


@_reading(_is_linked)
def test_a_next_that_is_nowhere(
    api: Api, call: Call, emulator: Emulator, hook_for: HookFor, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning names what the answer shows instead."""
    given = call.arguments["paginate"]
    paginate = {name: given[name] for name in given.keys() - {"total", "more"}}
    paginate |= {"next": "Nowhere", "style": "header" if given["style"] == "header" else "body"}
    with hook_for(api, emulator) as hook:
        records = hook.read(call.endpoint, **{**call.arguments, "paginate": paginate})
    assert len(records) < len(call.result)
    (warning,) = warnings_of(caplog)
    assert "the collection ended after its first page" in warning
    assert ("seems to tell of further pages by" in warning) is (api.documented.name not in SHOW_NOTHING)


@_reading(lambda api, paginate: _is_linked(api, paginate) and "total" in paginate)
def test_a_next_that_is_nowhere_and_a_total(
    api: Api, call: Call, emulator: Emulator, hook_for: HookFor
) -> None:
    """With a total it is an error, with both numbers."""
    from airflow_mirrordb.client import InvalidResponseError

    arguments = {**call.arguments, "paginate": {**call.arguments["paginate"], "next": "Nowhere"}}
    with hook_for(api, emulator) as hook, pytest.raises(InvalidResponseError) as caught:
        hook.read(call.endpoint, **arguments)
    assert f"and has {len(call.result)} in all" in str(caught.value)


@pytest.mark.parametrize("known", [True, False], ids=["end known", "end unknown"])
@_reading(lambda _api, paginate: "param" in paginate)
def test_a_param_that_the_backend_does_not_know(
    api: Api, call: Call, emulator: Emulator, hook_for: HookFor, *, known: bool
) -> None:
    """It gives the first page again and again, which is an error at once."""
    from airflow_mirrordb.client import InvalidResponseError

    without = set() if known else {"total", "more"}
    given = call.arguments["paginate"]
    paginate = {name: given[name] for name in given.keys() - without} | {"param": "nowhere"}
    with hook_for(api, emulator) as hook, pytest.raises(InvalidResponseError, match=r"same as|in a circle"):
        hook.read(call.endpoint, **{**call.arguments, "paginate": paginate})
    assert len(emulator.seen) <= 3
