"""A first read, without ``paginate``: what the warning names is what the API's pages are read by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.zoo.backends_page import APIS
from tests.zoo.emulator import Emulator
from tests.zoo.tables import Api, Call
from tests.zoo.test_zoo import warnings_of

if TYPE_CHECKING:
    from tests.zoo.conftest import HookFor


def _first_reads() -> Iterator[Any]:
    """Yield the reads of whole collections; the last record as a cursor is nothing that an answer shows."""
    for api in APIS:
        for call in api.calls:
            pages = call.arguments.get("paginate")
            is_whole = (
                call.fails is None and call.limit is None and isinstance(call.result, list) and call.result
            )
            if pages and is_whole and "[-1]" not in pages.get("next", ""):
                yield pytest.param(api, call, id=f"{api.documented.name}: {call.what}")


@pytest.mark.parametrize(("api", "call"), list(_first_reads()))
def test_a_plain_read_names_what_leads_to_the_next_page(
    api: Api, call: Call, emulator: Emulator, hook_for: HookFor, caplog: pytest.LogCaptureFixture
) -> None:
    """Where pages are counted it is the number of all, if anything: one that does not give all at once."""
    pages = call.arguments["paginate"]
    arguments = {name: value for name, value in call.arguments.items() if name != "paginate"}
    with hook_for(api, emulator) as hook:
        hook.read(call.endpoint, **arguments)
    told = [warning for warning in warnings_of(caplog) if "'paginate' reads all pages" in warning]
    if pages["style"] in ("page", "offset"):
        counts = [pages[name].lower() for name in ("total", "page_count") if name in pages]
        has_links = api.documented.name in ("Django REST framework", "GitLab")  # beside its numbers
        assert not told or has_links or any(name in told[0].lower() for name in counts)
        return
    (warning,) = told
    names = {"link": "the header Link (style: link)", "header": f"the header {pages.get('next')}"}
    assert names.get(pages["style"], pages.get("next")).lower() in warning.lower()
