"""What a connection says of its backend's habits: the method of an update, and envelopes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client import (
    ConfigError,
    EndpointNotAllowedError,
    EndpointRegistry,
    InvalidDataError,
    InvalidRequestError,
    MirrorDBConfig,
    MirrorDBRequest,
)
from airflow_mirrordb.client.auth.schemes import credentials_of, secrets
from airflow_mirrordb.client.messages.request import WireRequest, prepare, update_method
from airflow_mirrordb.client.messages.response import Answer, interpret, unwrapped

UPDATE = MirrorDBRequest(method="PUT", endpoint="api/users/7", data={"a": 1}, idempotency_key="k")
KEYED = {"idempotency_header": "Idempotency-Key"}


def config(**settings: Any) -> MirrorDBConfig:
    return MirrorDBConfig(**{"base_url": "https://example.com", **settings})


def wire(request: MirrorDBRequest | None = None, **settings: Any) -> WireRequest:
    """Return what is sent by a request, by default an update."""
    made = config(**settings)
    if request is None:
        request = replace(UPDATE, method=update_method(made, UPDATE.data, partial=False))
    return prepare(request, made, EndpointRegistry(declared=made.endpoints))


# -- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        ("update_method", "PATCH", "PATCH"),
        ("update_method", " patch ", "PATCH"),
        ("request_envelope", "data", "data"),
        ("response_envelope", " result.data ", "result.data"),
        ("response_envelope", "my data", "my data"),
    ],
)
def test_a_setting_is_read_leniently(field: str, given: str, value: str) -> None:
    """White space around it and the case of a method mean nothing."""
    assert getattr(config(**{field: given}), field) == value


NO_PATHS = (".", "data.", ".data", "a..b", "a. ", 7, ["data"])
NO_NAMES = (*NO_PATHS, "a. b", "a" + 10 * ".a")  # an envelope is written, and no expression


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *(("update_method", wrong) for wrong in ("POST", "update", 7)),
        *(("request_envelope", wrong) for wrong in NO_NAMES),
        *(("response_envelope", wrong) for wrong in NO_PATHS),
    ],
)
def test_a_wrong_setting_is_named(field: str, wrong: object) -> None:
    """The message begins with the field."""
    with pytest.raises(ConfigError) as caught:
        config(**{field: wrong})
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: ")


# -- the method of an update ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "method", "repeatable", "key"),
    [
        ({}, "PUT", True, None),
        (KEYED, "PUT", True, None),
        ({"update_method": "PATCH"}, "PATCH", False, None),
        ({"update_method": "PATCH", **KEYED}, "PATCH", True, "k"),
    ],
)
def test_an_update_is_as_safe_as_the_method_it_is_sent_with(
    settings: dict[str, Any], method: str, key: str | None, *, repeatable: bool
) -> None:
    """A PATCH is repeatable with an idempotency key only, also where it stands for a PUT."""
    sent = wire(**settings)
    assert (sent.method, sent.repeatable, sent.headers.get("Idempotency-Key")) == (method, repeatable, key)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_method_that_is_said_is_sent(method: Any) -> None:
    """The setting is for updates that leave the method open."""
    other = {"PUT": "PATCH", "PATCH": "PUT"}[method]
    request = MirrorDBRequest(method=method, endpoint="api/users/7")
    assert wire(request, update_method=other).method == method


def test_the_registry_is_asked_for_the_method_that_is_sent() -> None:
    """A pattern for PUT allows no PATCH, and the error names PATCH."""
    pattern = "PUT api/users/{id}"
    assert wire(endpoints=[pattern]).method == "PUT"
    with pytest.raises(EndpointNotAllowedError) as caught:
        wire(endpoints=[pattern], update_method="PATCH")
    assert caught.value.method == "PATCH"


# -- envelopes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("envelope", "data", "body"),
    [
        (None, {"a": 1}, b'{"a":1}'),
        ("data", {"a": 1}, b'{"data":{"a":1}}'),
        ("data", {"data": 1}, b'{"data":{"data":1}}'),
        ("data", [], b'{"data":[]}'),
        ("data", 0, b'{"data":0}'),
        ("result.data", {"a": 1}, b'{"result":{"data":{"a":1}}}'),
        ("data", None, None),
    ],
)
def test_data_is_sent_in_its_envelope(envelope: str | None, data: Any, body: bytes | None) -> None:
    """Whatever it is; no data is still no body."""
    request = MirrorDBRequest(method="POST", endpoint="api/users", data=data)
    assert wire(request, request_envelope=envelope).body == body


def test_what_is_not_json_is_named_as_its_author_wrote_it() -> None:
    """The envelope is the connection's, and no part of the place."""
    request = MirrorDBRequest(method="POST", endpoint="api/users", data={"a": {1}})
    with pytest.raises(InvalidRequestError) as caught:
        wire(request, request_envelope="data")
    assert caught.value.field == "data.a"


@pytest.mark.parametrize(
    ("envelope", "body", "data"),
    [
        (None, {"data": 1}, {"data": 1}),
        ("data", {"data": {"a": 1}, "meta": 2}, {"a": 1}),
        ("data", {"data": []}, []),
        ("data", {"data": None, "meta": 2}, None),
        ("data", {"data": {"data": 1}}, {"data": 1}),  # one envelope is opened, not all that look like it
        ("result.data", {"result": {"data": 0}}, 0),
        # nothing at the path: the whole body
        ("data", {"id": 1}, {"id": 1}),
        ("data", {}, {}),
        ("data", [1], [1]),
        ("data", "data", "data"),
        ("data", 0, 0),
        ("data", None, None),
        ("result.data", {"result": {"id": 1}}, {"result": {"id": 1}}),
        ("result.data", {"result": None}, {"result": None}),
        ("result.data", {"result": [{"data": 1}]}, {"result": [{"data": 1}]}),
        ("result.data", {"result": "data"}, {"result": "data"}),
        ("0", [1], 1),
    ],
)
def test_an_answer_is_taken_out_of_its_envelope(envelope: str | None, body: Any, data: Any) -> None:
    """Where there is nothing at the path, the answer is returned whole, and nothing is lost."""
    answer = Answer(status=200, headers={}, body=json.dumps(body).encode())
    settings = config(response_envelope=envelope)
    response = interpret(answer, UPDATE, settings, number=1, elapsed=0.0, now=0.0)
    assert response.data == data
    assert response.body == body


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b" "), (304, b"")])
def test_an_empty_answer_is_none(status: int, body: bytes) -> None:
    """Nothing has no envelope."""
    settings = config(response_envelope="data")
    answer = Answer(status=status, headers={}, body=body)
    read = MirrorDBRequest(method="GET", endpoint="api/users/7", if_none_match='"1"')
    request = read if status == 304 else UPDATE
    response = interpret(answer, request, settings, number=1, elapsed=0.0, now=0.0)
    assert (response.data, response.body) == (None, None)


def test_an_error_keeps_its_body() -> None:
    """Backends do not wrap errors as they wrap data."""
    answer = Answer(status=400, headers={}, body=b'{"data": null, "error": {"message": "name is missing"}}')
    with pytest.raises(InvalidDataError, match="name is missing"):
        interpret(answer, UPDATE, config(response_envelope="data"), number=1, elapsed=0.0, now=0.0)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)


@given(data=_JSON, envelope=st.sampled_from(["a", "a.b", "b.a.b"]))
def test_what_is_wrapped_is_unwrapped_again(data: Any, envelope: str) -> None:
    """The same path, both ways, gives the data back, whatever it is."""
    request = MirrorDBRequest(method="POST", endpoint="api/users", data=data)
    body = wire(request, request_envelope=envelope).body
    assert unwrapped(json.loads(body) if isinstance(body, bytes) else None, envelope) == data


# -- schemes of their own ------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Authorization", "authorization"])
def test_a_key_may_bring_its_scheme(header: str) -> None:
    """As Django REST framework's ``Token``; the token is a secret without the scheme, too."""
    made = config(auth_type="api_key", key_name=header, api_key="Token s3cret-of-nobody")
    assert credentials_of(made).headers == {header: "Token s3cret-of-nobody"}
    assert set(secrets(made)) == {"Token s3cret-of-nobody", "s3cret-of-nobody"}


@pytest.mark.parametrize("rest", ["abcde", "clé", "YWRh"])
def test_a_key_that_only_begins_like_basic_credentials_is_a_key(rest: str) -> None:
    """It is no base64, or holds no password."""
    made = config(auth_type="api_key", key_name="Authorization", api_key=f"Basic {rest}")
    assert set(secrets(made)) == {f"Basic {rest}", rest}


def test_a_key_with_a_space_is_one_secret() -> None:
    """Only Authorization has schemes."""
    made = config(auth_type="api_key", api_key="two words")
    assert secrets(made) == ("two words",)
