"""A status has the name of RFC 9110 in messages on every Python, and its former names tell no more."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from airflow_mirrordb.client import MirrorDBConfig
from airflow_mirrordb.client.messages.answer_errors import response_error
from airflow_mirrordb.client.messages.response import Answer

#: RFC 9110, sections 15.5.14 to 15.5.21, and its section B.2 on what was renamed.
NAMES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
#: RFC 7231 (413, 414), RFC 4918 (422), RFC 2616 (413, 414, 416), nginx's ngx_http_special_response.c (414).
FORMER = [
    (413, "Payload Too Large"),
    (413, "Request Entity Too Large"),
    (414, "Request-URI Too Long"),
    (414, "Request-URI Too Large"),
    (416, "Requested Range Not Satisfiable"),
    (422, "Unprocessable Entity"),
]
CONFIG = MirrorDBConfig.model_validate({"base_url": "https://example.com"})


def message(status: int, body: str) -> str:
    given = Answer(status=status, headers=CIMultiDict(), body=body.encode())
    return response_error(given, CONFIG, now=0.0).message


@pytest.mark.parametrize("status", NAMES)
def test_a_status_has_the_same_name_on_every_python(status: int) -> None:
    """Python took the names of RFC 9110 over in 3.13; who upgrades it reads the same words."""
    assert message(status, "") == f"{status} {NAMES[status]}"
    assert message(status, "it has n twice") == f"{status} {NAMES[status]}: it has n twice"


@pytest.mark.parametrize(("status", "former"), [*FORMER, *NAMES.items()])
@pytest.mark.parametrize("body", ["{}", "{} {}.", '{{"error": "{1}"}}', "<title>{} {}</title>"])
def test_a_body_that_only_names_the_status_adds_nothing(status: int, former: str, body: str) -> None:
    """It may be called as it was called before; nginx and Apache do."""
    told = former if body == "{}" else body.format(status, former)
    assert message(status, told) == f"{status} {NAMES[status]}"


@pytest.mark.parametrize(("status", "former"), [*FORMER, *NAMES.items()])
def test_a_title_that_only_names_the_status_gives_way_to_the_text(status: int, former: str) -> None:
    """As in Apache's page of a 413, whose text tells of the method and the amount of data."""
    page = f"<html><title>{status} {former}</title><body><p>the capacity limit is 8 kB</p></body></html>"
    assert message(status, page) == f"{status} {NAMES[status]}: the capacity limit is 8 kB"


def test_a_status_without_a_name_is_its_number() -> None:
    """Gateways send such, as 520."""
    assert message(520, "") == "520"
    assert message(520, "520") == "520"
    assert message(520, "web server is down") == "520: web server is down"
