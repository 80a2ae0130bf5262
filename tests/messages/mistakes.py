"""Mistakes as a new user makes them, each with what its message must say; ``poe messages`` prints the page.

A mistake is made against a backend that gives the answers beside it. ``says`` are the words without which
the message would not lead to the mend: what is wrong, where, and what would be right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.json_types import NOT_GIVEN
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor

Answer = tuple[int, Any, dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One mistake.

    :param does: what the user does, with the id of the connection
    :param says: words that the message must have
    :param connection: fields of the connection that differ from a right one
    :param answers: of the backend, in turn
    """

    does: Callable[[str], Any]
    says: tuple[str, ...]
    connection: dict[str, Any] = field(default_factory=dict)
    answers: tuple[Answer, ...] = ()


def reads(endpoint: str = "api/users", **arguments: Any) -> Callable[[str], Any]:
    def read(conn_id: str) -> Any:
        with MirrorDBHook(conn_id) as hook:
            return hook.read(endpoint, **arguments)

    return read


def creates(endpoint: str = "api/users", data: Any = NOT_GIVEN, **arguments: Any) -> Callable[[str], Any]:
    given = {} if data is NOT_GIVEN and not arguments else data

    def create(conn_id: str) -> Any:
        with MirrorDBHook(conn_id) as hook:
            return hook.create(endpoint, given, **arguments)

    return create


def extra(**settings: Any) -> dict[str, Any]:
    return {"extra": settings}


def tests(conn_id: str) -> None:
    worked, message = MirrorDBHook(conn_id).test_connection()
    if not worked:
        raise RuntimeError(message)


def make(operator: type, **arguments: Any) -> Callable[[str], Any]:
    return lambda conn_id: operator(task_id="load", mirrordb_conn_id=conn_id, **arguments)


#: The connection's settings.
SETTINGS = {
    "misspelt extra": Mistake(
        does=reads(),
        connection=extra(max_atempts=3),
        says=("connection crm", "extra 'max_atempts'", "'max_attempts'"),
    ),
    "a word for a number": Mistake(
        does=reads(),
        connection=extra(max_attempts="two"),
        says=("connection crm", "extra max_attempts", "whole number", "'two'"),
    ),
    "a number that is too small": Mistake(
        does=reads(),
        connection=extra(timeout=0),
        says=("connection crm", "extra timeout", "greater than 0", "0"),
    ),
    "a kind of authentication that does not exist": Mistake(
        does=reads(),
        connection=extra(auth_type="token"),
        says=("connection crm", "extra auth_type", "'token'", "'bearer'"),
    ),
    "no host": Mistake(does=reads(), connection={"host": ""}, says=("connection crm", "host", "missing")),
    "endpoints without a path": Mistake(
        does=reads(), connection=extra(endpoint="users"), says=("unknown extra 'endpoint'", "'endpoints'")
    ),
    "an express pattern": Mistake(
        does=reads(), connection=extra(endpoints="orders/:id"), says=("endpoint pattern", "'orders/{id}'")
    ),
    "a flask pattern": Mistake(
        does=reads(), connection=extra(endpoints="orders/<id>"), says=("endpoint pattern", "'orders/{id}'")
    ),
    "headers that are no JSON": Mistake(
        does=reads(), connection=extra(headers="X-Tenant: acme"), says=("extra headers", "JSON object")
    ),
    "oauth2 without a URL": Mistake(
        does=reads(), connection=extra(auth_type="oauth2"), says=("connection crm", "oauth_url")
    ),
    "a connection of type http": Mistake(
        does=reads(),
        connection={"conn_type": "http", "extra": {"X-Tenant": "acme"}},
        says=("connection crm", "'http'", "'mirrordb'", "'X-Tenant'"),
    ),
    "a masked key": Mistake(
        does=reads(), connection={"password": "***"}, says=("connection crm", "Password", "masked")
    ),
}

#: Endpoints.
ENDPOINTS = {
    "an endpoint that is not registered": Mistake(
        does=reads("users"),
        says=("GET users through connection crm", "'users'", "extra 'endpoints'", "api/{resource}"),
    ),
    "another one than those that are": Mistake(
        does=reads("users"), connection=extra(endpoints="orders invoices"), says=("'orders'", "'invoices'")
    ),
    "a leading slash": Mistake(does=reads("/users"), says=("without a leading slash",)),
    "a whole URL": Mistake(does=reads("https://example.com/users"), says=("relative", "base URL")),
}

#: What a backend answers.
ANSWERS = {
    "401 with a key": Mistake(
        does=reads(),
        connection={"password": "k1", "extra": {"auth_type": "bearer"}},
        answers=((401, {"detail": "bad token"}, {"WWW-Authenticate": "Basic"}),) * 2,
        says=("401", "bad token", "'Authorization: Bearer …'", "auth_type", "'Basic'"),
    ),
    "401 without a key": Mistake(
        does=reads(),
        connection={"password": None, "login": None},
        answers=((401, None, {}),),
        says=("401", "no key was sent", "Password"),
    ),
    "401 with a header": Mistake(
        does=reads(),
        connection={"password": "k1", "extra": {"auth_type": "api_key"}},
        answers=((401, None, {}),) * 2,
        says=("401", "X-API-Key", "key_name"),
    ),
    "403 that names the right": Mistake(
        does=reads(),
        answers=((403, {"error": "insufficient_scope", "detail": "needs orders:read"}, {}),),
        says=("403", "needs orders:read"),
    ),
    "404": Mistake(
        does=reads("api/users/7", query={"full": "yes"}),
        answers=((404, None, {}),),
        says=("404", "/api/users/7?full=yes"),
    ),
    "a page in the place of JSON": Mistake(
        does=reads(),
        answers=((200, b"<html><head><title>Sign in</title></head></html>", {"Content-Type": "text/html"}),),
        says=("200", "Sign in", "base URL"),
    ),
    "a login in the place of an answer to a write": Mistake(
        does=creates(),
        answers=((200, b"<html><head><title>Sign in</title></head></html>", {"Content-Type": "text/html"}),),
        says=("200", "Sign in", "may or may not have been applied", "login", "accept='text/html'"),
    ),
    "CSV": Mistake(
        does=reads(),
        answers=((200, b"a,b\n1,2\n", {"Content-Type": "text/csv"}),),
        says=("accept='text/csv'", "output_path"),
    ),
    "500 to a write": Mistake(
        does=creates(),
        answers=((500, {"detail": "disk full"}, {}),),
        says=("may or may not have been applied", "500", "disk full", "idempotency_header"),
    ),
    "422": Mistake(
        does=creates(),
        answers=((422, {"errors": {"name": ["is missing"]}}, {}),),
        says=("422", "name", "is missing"),
    ),
    "503 with a long wait": Mistake(
        does=reads(),
        answers=((503, None, {"Retry-After": "600"}),),
        says=("503", "600 s", "UTC", "max_elapsed (300 s)"),
    ),
    "a redirect of a write": Mistake(
        does=creates(),
        answers=((301, None, {"Location": "/api/users/"}),),
        says=("301", "trailing_slash"),
    ),
    "a redirect to another place": Mistake(
        does=creates(),
        answers=((301, None, {"Location": "/v2/users/"}),),
        says=("301", "'/v2/users/'", "change the base URL in Host, or the endpoint"),
    ),
    "a list somewhere else": Mistake(
        does=reads(paginate={"style": "page", "param": "page", "records": "items"}),
        answers=((200, {"rows": [1]}, {}),),
        says=("paginate.records", "'items'", "lists at rows", "'records': 'rows'"),
    ),
    "records where the body is the list": Mistake(
        does=reads(paginate={"style": "page", "param": "page", "records": "items"}),
        answers=((200, [1], {}),),
        says=("the body itself is the list", "leave 'records' out"),
    ),
}

#: What a backend answers where pages or states are looked for.
PLACES = {
    "many updates of one endpoint": Mistake(
        does=lambda _: MirrorDBUpdateOperator(task_id="t", endpoint="users/7", data=[{}, {}], bulk=True),
        says=("endpoint", "'users/7'", "2 records", "['users/1', 'users/2']"),
    ),
    "a placeholder where its value should be": Mistake(
        does=reads("api/users/{user_id}"),
        says=("'{user_id}' is a placeholder", "f'users/{user_id}'"),
    ),
    "a placeholder as others write it": Mistake(
        does=lambda _: MirrorDBReadOperator(task_id="t", endpoint="users/:id"),
        says=("task 't'", "endpoint", "':id' is a placeholder", "f'users/{user_id}'"),
    ),
    "a cursor without the parameter that takes it": Mistake(
        does=reads(paginate={"style": "body", "next": "next", "records": "rows"}),
        answers=((200, {"rows": [1], "next": "MjA="}, {}),),
        says=("no link", "'param'"),
    ),
    "a total that is not reached": Mistake(
        does=reads(paginate={"style": "page", "param": "page", "records": "rows", "total": "total"}),
        answers=((200, {"rows": [1], "total": 3}, {}), (200, {"rows": [], "total": 3}, {})),
        says=("after 1 records", "3 in all", "'total'"),
    ),
    "a page number that counts records": Mistake(
        does=reads(paginate={"style": "page", "param": "offset", "records": "rows"}),
        answers=tuple((200, {"rows": [{"id": n} for n in range(at, at + 9)]}, {}) for at in (0, 1)),
        says=("does 'offset' count records", "'offset'"),
    ),
    "a cursor that the backend does not know": Mistake(
        does=reads(paginate={"style": "body", "next": "next", "param": "curs", "records": "rows"}),
        answers=((200, {"rows": [{"id": 1}], "next": "b"}, {}),) * 2,
        says=("in a circle", "'curs' (paginate.param)"),
    ),
    "the header Link by its name": Mistake(
        does=reads(paginate={"style": "header", "next": "Link"}),
        says=("paginate.next", "{'style': 'link'}"),
    ),
    "pages of no style": Mistake(
        does=reads(paginate={}),
        says=("paginate.style", "link, header, body, page, offset"),
    ),
    "a next page on another host": Mistake(
        does=reads(paginate={"style": "body", "next": "next", "records": "rows"}),
        answers=((200, {"rows": [1], "next": "http://inner.example/api/users?page=2"}, {}),),
        says=("http://inner.example", "rebase"),
    ),
    "a path that cannot be parsed": Mistake(
        does=reads(paginate={"style": "body", "next": "links[", "records": "rows"}),
        says=("paginate.next", "'links['"),
    ),
    "a file that is not there": Mistake(
        does=creates(input_path="/no/such/file.csv", content_type="text/csv"),
        says=("/no/such/file.csv",),
    ),
    "a number that JSON has not": Mistake(
        does=creates(data={"price": float("nan")}), says=("data.price", "JSON has no nan")
    ),
    "a key that no header can hold": Mistake(
        does=creates(data={}, idempotency_key="a\nb"),
        connection=extra(idempotency_header="Idempotency-Key"),
        says=("idempotency_key",),
    ),
}

#: What the connection test finds; a person looks at the form meanwhile.
_OAUTH = {"auth_type": "oauth2", "oauth_url": "http://127.0.0.1:1/token"}
CONNECTION_TESTS = {
    "no test endpoint": Mistake(
        does=tests,
        connection=extra(endpoints="orders"),
        answers=((200, b"<title>Hi</title>", {}),),
        says=("Reached, key not checked: set Test endpoint to", "as orders", "GET http://", "answered 200"),
    ),
    "a test endpoint that is a page": Mistake(
        does=tests,
        connection=extra(test_endpoint="api/users"),
        answers=((200, b"<title>Hi</title>", {"Content-Type": "text/html"}),),
        says=("Reached, key not checked", "no JSON", "/api/users answered 200"),
    ),
    "a test endpoint that is not there": Mistake(
        does=tests,
        connection=extra(test_endpoint="api/users"),
        answers=((404, None, {}),),
        says=("Test endpoint not found", "path in Host", "/api/users answered 404"),
    ),
    "a test endpoint with a slash too many": Mistake(
        does=tests,
        connection=extra(test_endpoint="api/users", trailing_slash=True),
        answers=((301, None, {"Location": "/api/users"}),),
        says=("leads elsewhere", "Trailing slash", "'trailing_slash' to false"),
    ),
    "a key that is not sent": Mistake(
        does=tests,
        connection=extra(test_endpoint="api/users", auth_type="none"),
        answers=((401, None, {}),),
        says=("Key wanted: none is sent", "Authentication type is none", "auth_type is 'none'"),
    ),
    "a wrong key": Mistake(
        does=tests,
        connection=extra(test_endpoint="api/users"),
        answers=((401, {"detail": "bad token"}, {}),),
        says=("Key rejected", "Authentication type", "bad token"),
    ),
    "a token URL where nothing listens": Mistake(
        does=tests,
        connection={"login": "id", "password": "s3cret", "extra": _OAUTH},
        says=("Refused", "Check Token URL"),
    ),
    "https at a port of http": Mistake(
        does=tests, connection={"schema": "https"}, says=("TLS failed", "say http in Host or Schema")
    ),
    "a misspelt host": Mistake(
        does=tests, connection={"host": "nosuch.invalid"}, says=("Name not found", "spelling of Host")
    ),
}

#: Arguments, which are checked when the DAG is read where that is possible.
ARGUMENTS = {
    "requests' name of the data": Mistake(
        does=make(MirrorDBCreateOperator, endpoint="api/users", json={}), says=("'json'", "'data'")
    ),
    "a misspelt endpoint": Mistake(
        does=make(MirrorDBReadOperator, endpont="api/users"), says=("'endpoint'",)
    ),
    "a misspelt argument of the hook": Mistake(
        does=reads("api/users", querry={"a": 1}), says=("querry", "'query'")
    ),
    "pages by true": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", paginate=True),
        says=("paginate", "{'style': ", "True"),
    ),
    "a style that does not exist": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", paginate={"style": "pages"}),
        says=("paginate", "'pages'", "link, header, body, page, offset"),
    ),
    "an unknown name in paginate": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", paginate={"style": "page", "sise": 3}),
        says=("paginate.sise", "'size'"),
    ),
    "a text as is_in": Mistake(
        does=make(MirrorDBSensor, endpoint="api/users/7", field="state", is_in="done"),
        says=("is_in", "list", "'done'"),
    ),
    "a slash before a constant endpoint": Mistake(
        does=make(MirrorDBReadOperator, endpoint="/api/users"), says=("endpoint", "leading slash")
    ),
    "bulk of one record": Mistake(
        does=make(MirrorDBCreateOperator, endpoint="api/users", data={"a": 1}, bulk=True),
        says=("data", "bulk=True", "list"),
    ),
    "a credential in headers of a deferrable task": Mistake(
        does=make(
            MirrorDBReadOperator, endpoint="api/users", headers={"Authorization": "x"}, deferrable=True
        ),
        says=("headers", "Authorization", "connection"),
    ),
    "the same for a sensor": Mistake(
        does=make(
            MirrorDBSensor, endpoint="api/x", headers={"Ocp-Apim-Subscription-Key": "x"}, deferrable=True
        ),
        says=("headers['Ocp-Apim-Subscription-Key']", "Password"),
    ),
    "a condition without its field": Mistake(
        does=make(MirrorDBSensor, endpoint="api/users/7", equals="done"), says=("equals", "field")
    ),
    "a field without its condition": Mistake(
        does=make(MirrorDBSensor, endpoint="api/users/7", field="state"), says=("field", "equals, is_in")
    ),
    "several conditions": Mistake(
        does=make(MirrorDBSensor, endpoint="api/users/7", field="s", equals=1, gone=True),
        says=("gone and equals", "one"),
    ),
    "a status that is no error": Mistake(
        does=make(MirrorDBSensor, endpoint="api/users/7", not_yet=[200]), says=("not_yet", "200")
    ),
    "a share of failures without on_error": Mistake(
        does=make(MirrorDBCreateOperator, endpoint="api/users", data=[], bulk=True, max_failed=0.1),
        says=("max_failed", "on_error"),
    ),
    "a filter that is neither function nor path": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", response_filter=7),
        says=("response_filter", "function", "path", "7"),
    ),
    "a media type that is none": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", accept="csv"), says=("accept", "'csv'")
    ),
    "two bodies": Mistake(
        does=make(MirrorDBCreateOperator, endpoint="api/users", data={}, form={"a": 1}),
        says=("data", "form"),
    ),
    "a query in the endpoint": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users?limit=3"), says=("endpoint", "argument 'query'")
    ),
    "a URL as endpoint": Mistake(
        does=make(MirrorDBReadOperator, endpoint="https://example.com/api/users"),
        says=("endpoint", "relative", "base URL"),
    ),
    "the connection id of HttpOperator": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", http_conn_id="x"),
        says=("'http_conn_id'", "'mirrordb_conn_id'"),
    ),
    "an update of nothing": Mistake(
        does=make(MirrorDBUpdateOperator, endpoint="api/users/7"), says=("data",)
    ),
}

MISTAKES: dict[str, dict[str, Mistake]] = {
    "Settings": SETTINGS,
    "Endpoints": ENDPOINTS,
    "Answers": ANSWERS,
    "Pages, files and values": PLACES,
    "The connection test": CONNECTION_TESTS,
    "Arguments": ARGUMENTS,
}
