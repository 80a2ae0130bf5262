"""The page of known backends is what the tables say."""

from __future__ import annotations

from tests.zoo.backends_page import APIS, PAGE, page


def test_the_page_is_made_of_the_tables() -> None:
    """After a change of a table: ``python -m tests.zoo.backends_page``."""
    assert PAGE.read_text() == page()


def test_each_api_is_documented_and_tried_whole() -> None:
    """Each has pages of documentation, reads a collection whole, writes, and has an error."""
    assert len(APIS) >= 40
    for api in APIS:
        name, calls = api.documented.name, api.calls
        assert all(address.startswith("https://") for address in api.documented.documentation), name
        assert any("paginate" in call.arguments for call in calls), name
        assert any(call.method == "create" for call in calls), name
        assert any(call.fails for call in calls), name
