"""What the body of a 2xx says of an error; the bodies are those of public documentation."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_mirrordb.client.bodies.errors.reported import reported_error
from airflow_mirrordb.paths import PathError

#: GraphQL specification (October 2021), section 7.1.2, example 186.
GRAPHQL = {
    "errors": [
        {
            "message": "Name for character with ID 1002 could not be fetched.",
            "locations": [{"line": 6, "column": 7}],
            "path": ["hero", "heroFriends", 1, "name"],
            "extensions": {"code": "CAN_NOT_FETCH_BY_ID"},
        }
    ],
    "data": {"hero": {"name": "R2-D2"}},
}
#: Microsoft Graph, "Combine multiple requests in one HTTP call using JSON batching".
BATCH = {
    "responses": [
        {"id": "1", "status": 302, "headers": {"location": "https://example.com"}},
        {"id": "3", "status": 401, "body": {"error": {"code": "Forbidden", "message": "no such luck"}}},
        {"id": "5", "status": 200, "body": {"value": []}},
        {"id": "2", "status": 424, "body": {"error": {"code": "FailedDependency", "message": "after 3"}}},
    ]
}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"ok": True}, "error"),
        ({"error": None}, "error"),
        ({"error": False}, "error"),
        ({"errcode": 0, "errmsg": "ok"}, "errcode"),
        ({"error": ""}, "error"),
        ({"errors": []}, "errors"),
        ({"errors": {}}, "errors"),
        ({"errors": {"name": [], "email": []}}, "errors"),
        ({"error": {"code": 0, "message": ""}}, "error"),
        ({"errors": [{"message": None}]}, "errors"),
        ({"results": [{"error": None}, {"error": ""}]}, "results[].error"),
        ([1, 2], "error"),
        (None, "error"),
        ("text", "errors[0]"),
        ({"ok": True, "error": "x"}, "!ok && error"),
    ],
)
def test_nothing_is_no_error(body: Any, path: str) -> None:
    """What is missing, or says nothing."""
    assert reported_error(body, path, status=200) is None


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        (GRAPHQL, "errors", ["could not be fetched"]),
        ({"ok": False, "error": "channel_not_found"}, "error", ["channel_not_found"]),  # Slack
        ({"ok": False, "error": "channel_not_found"}, "!ok && error", ["channel_not_found"]),
        ({"errcode": 40013, "errmsg": "invalid appid"}, "errcode", ["40013"]),
        ({"error": True, "message": "quota exceeded"}, "error", ["quota exceeded"]),
        ({"error": {"nobody": {"knows": 1.5}}}, "error", ["nobody"]),
        ({"result": {"errors": [{"message": "one"}, {"message": "two"}]}}, "result.errors", ["one", "two"]),
    ],
)
def test_what_is_found_is_the_detail(body: Any, path: str, words: list[str]) -> None:
    """Its words, or what there is."""
    found = reported_error(body, path, status=200)
    assert found is not None
    assert all(word in found.detail for word in words)
    assert (found.parts, len(found.detail) <= 2048) == ((), True)


def test_a_code_is_kept() -> None:
    """As that of an error status."""
    found = reported_error({"error": {"code": "E7", "message": "no"}}, "error", status=200)
    assert found is not None
    assert (found.code, found.detail) == ("E7", "no")


def test_a_207_names_the_parts_that_failed() -> None:
    """By their place and what they call themselves (RFC 4918, section 13: a status for each)."""
    found = reported_error(BATCH, "responses[?status>=`400`]", status=207)
    assert found is not None
    assert found.parts == ("responses[1]", "responses[3]")
    assert found.detail.startswith("2 of 4 parts failed: responses[1] (id 3, status 401): ")
    assert "no such luck; responses[3] (id 2, status 424): after 3" in found.detail


def test_a_path_to_what_lies_in_the_parts_names_them_too() -> None:
    """Texts and objects are known again, wherever they lie."""
    body = {"items": [{"index": 4}, {"index": 5, "errors": {"name": "taken"}}, {"index": 6, "error": "bad"}]}
    inner = reported_error(body, "items[].errors", status=207)
    text = reported_error(body, "items[].error", status=207)
    assert inner is not None
    assert text is not None
    assert (inner.parts, text.parts) == (("items[1]",), ("items[2]",))
    assert inner.detail == "1 of 3 parts failed: items[1] (index 5): name: taken"
    assert text.detail == "1 of 3 parts failed: items[2] (index 6): bad"


def test_a_list_of_failures_alone_has_no_count() -> None:
    """How many went well is not in it."""
    body = {"created": 7, "failures": [{"key": "a", "message": "no"}]}
    found = reported_error(body, "failures", status=207)
    assert found is not None
    assert found.detail == "parts failed: failures[0] (key a): no"


def test_many_parts_are_counted() -> None:
    """A detail has an end."""
    body = {"results": [{"id": number, "error": f"no {number}"} for number in range(500)]}
    found = reported_error(body, "results[?error]", status=207)
    assert found is not None
    assert len(found.parts) == 500
    assert found.detail.endswith("; and 480 more")


def test_a_207_whose_error_lies_in_no_list_is_told_as_any_other() -> None:
    """There is no part to name."""
    found = reported_error({"error": {"message": "all of it"}}, "error", status=207)
    assert found is not None
    assert (found.detail, found.parts) == ("all of it", ())


def test_a_path_that_cannot_be_followed_says_so() -> None:
    """Nobody knows then whether there is an error."""
    with pytest.raises(PathError, match=r"length\(\) takes"):
        reported_error({"errors": None}, "length(errors) > `0`", status=200)
