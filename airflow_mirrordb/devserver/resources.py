"""The operations on resources: each takes a call, acts on the store, and returns the answer."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from airflow_mirrordb.devserver.answer import Answer, RefusedError, json_answer
from airflow_mirrordb.devserver.jobs import Jobs
from airflow_mirrordb.devserver.requests.body import merge_patch, parse_object
from airflow_mirrordb.devserver.requests.pagination import Page
from airflow_mirrordb.devserver.requests.preconditions import check_preconditions, entity_tag, is_unchanged
from airflow_mirrordb.devserver.store import Record, Store

# What a path segment can carry: "." and ".." are removed from URLs by clients (RFC 3986, section 5.2.4),
# control characters and lone surrogates have no place in them.
_ADDRESSABLE_ID = re.compile(r"(?!\.{1,2}\Z)[^/\x00-\x1f\x7f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request whose body is read, and the store it acts on, inside a transaction."""

    store: Store
    jobs: Jobs
    request: web.Request
    payload: bytes


def show_health(_call: Call) -> Answer:
    return json_answer(200, {"name": "MirrorDB devserver", "status": "ok"})


def list_records(call: Call) -> Answer:
    resource, parent, url = call.request.match_info["resource"], _parent(call), call.request.rel_url
    page = Page.from_url(url)
    records = call.store.page(resource, parent=parent, limit=page.limit, offset=page.offset)
    total = call.store.count(resource, parent=parent)
    bodies = [call.jobs.update(call.store, record).body for record in records]
    return json_answer(200, bodies, page.headers(url, total))


def create_record(call: Call) -> Answer:
    record, headers = create(call, parse_object(call.payload))
    return json_answer(201, record.body, headers)


def create(call: Call, body: dict[str, Any]) -> tuple[Record, dict[str, str]]:
    """Add a record where the path says; return it, and the headers that tell of it.

    :raises RefusedError: 404 if there is no parent, 409 if the id is taken, 422 if it cannot be one
    """
    resource, parent = call.request.match_info["resource"], _parent(call)
    if "id" in body and call.store.get(resource, _id_text(body["id"])):
        raise RefusedError(409, f"{resource}/{body['id']} exists")
    record = call.store.create(resource, body, parent=parent)
    location = f"/api/{resource}/{quote(record.id, safe='')}"
    return record, {"Location": location, "ETag": entity_tag(record)}


def read_record(call: Call) -> Answer:
    record = path_record(call)
    headers = {"ETag": entity_tag(record)}
    if is_unchanged(call.request, record):
        return Answer(status=304, headers=headers)
    return json_answer(200, record.body, headers)


def replace_record(call: Call) -> Answer:
    record = path_record(call)
    return _write(call, record, {"id": record.body["id"], **parse_object(call.payload)})


def merge_record(call: Call) -> Answer:
    record = path_record(call)
    return _write(call, record, merge_patch(record.body, parse_object(call.payload)))


def delete_record(call: Call) -> Answer:
    record = path_record(call)
    check_preconditions(call.request, record)
    call.store.delete(record)
    return Answer(status=204)


def _write(call: Call, record: Record, body: dict[str, Any]) -> Answer:
    if _id_text(body.get("id")) != record.id:
        raise RefusedError(422, f"the id in the body differs from {record.id!r} in the path")
    check_preconditions(call.request, record)
    written = call.store.replace(record, body)
    return json_answer(200, written.body, {"ETag": entity_tag(written)})


def path_record(call: Call) -> Record:
    """Return the record that the path names, as it is now.

    :raises RefusedError: 404
    """
    return _existing(call, call.request.match_info["resource"], call.request.match_info["id"])


def _parent(call: Call) -> str | None:
    """Return "resource/id" of the record that the path puts the list under, if any."""
    path = call.request.match_info
    if "parent_id" not in path:
        return None
    parent = _existing(call, path["parent_resource"], path["parent_id"])
    return f"{parent.resource}/{parent.id}"


def _existing(call: Call, resource: str, record_id: str) -> Record:
    record = call.store.get(resource, record_id)
    if record is None:
        raise RefusedError(404, f"there is no {resource}/{record_id}")
    return call.jobs.update(call.store, record)


def _id_text(value: Any) -> str:
    """Return the id that a body gives, as text: 7 and "7" are the same id."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise RefusedError(422, "id must be a string or an integer")
    if not _ADDRESSABLE_ID.fullmatch(str(value)):
        raise RefusedError(422, "id must fit into one path segment")
    return str(value)
