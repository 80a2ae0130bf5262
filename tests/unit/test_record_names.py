"""The names of a bulk's records, of which their idempotency keys are made."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_mirrordb.client.collections.record_names import RecordNames
from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.client.messages.request import MirrorDBRequest


def name_of(common: dict[str, Any] | None = None, **own: Any) -> str:
    """Return the name of a lone record of a bulk."""
    said = {"data": {"plan": "pro"}, **(common or {}), **own}
    return RecordNames(common).of(MirrorDBRequest(method="POST", endpoint="api/users", **said))


#: What the release 0.1.0 named a record with that data.
EARLIER = "-WcifuhT-iRf"


@pytest.mark.parametrize(
    "other",
    [
        {"headers": {"X-Tenant": "zeta"}},
        {"headers": {"X-Tenant": "acme", "Prefer": "return=minimal"}},
        {"headers": None},
        {"headers": {"traceparent": "00-1"}},
        {"accept": "text/csv"},
        {"if_match": '"v1"'},
        {"if_none_match": "*"},
        {"query": {"dry_run": True}},
        {"content_type": "application/merge-patch+json"},
        {"data": None, "form": {"plan": "pro"}},
    ],
    ids=str,
)
def test_what_a_record_asks_for_is_part_of_its_name(other: dict[str, Any]) -> None:
    """A key is of one request alone (draft-ietf-httpapi-idempotency-key-header-07, section 2.2)."""
    common = {"headers": {"X-Tenant": "acme"}}
    assert name_of(common, **other) != name_of(common)


@pytest.mark.parametrize(
    "same",
    [
        {"headers": {"x-tenant": "acme"}},
        {"headers": {"X-Tenant": "acme", "X-Request-ID": "7"}},
        {"headers": {"X-Tenant": "acme", "traceparent": "00-1"}},
        {"timeout": 300},
        {"method_name": "again"},
        {"full_response": True},
    ],
    ids=str,
)
def test_what_is_no_part_of_what_is_asked_for_is_none_of_the_name(same: dict[str, Any]) -> None:
    """Ids for traces and logs are others in each try; the write is the same."""
    common = {"headers": {"X-Tenant": "acme"}}
    assert name_of(common, **same) == name_of(common)


@pytest.mark.parametrize(
    "common",
    [{}, {"headers": {"X-Tenant": "acme"}}, {"headers": {"X-Tenant": "zeta"}, "accept": "text/csv"}],
    ids=str,
)
def test_a_record_that_says_nothing_of_its_own_has_the_name_of_earlier_versions(
    common: dict[str, Any],
) -> None:
    """A bulk that was begun before an upgrade goes on after it under its keys."""
    assert name_of(common) == EARLIER


def test_a_header_without_a_text_is_named() -> None:
    with pytest.raises(InvalidRequestError, match=r"headers\['X-Tenant'\]"):
        name_of(headers={"X-Tenant": object()})
