"""The web application: routes, and what every request has in common."""

import logging
import re
import uuid
from collections.abc import Callable, Collection

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from airflow_mirrordb.devserver import job_operations, resources
from airflow_mirrordb.devserver.answer import Answer, RefusedError, refusal
from airflow_mirrordb.devserver.jobs import Jobs
from airflow_mirrordb.devserver.requests import idempotency
from airflow_mirrordb.devserver.requests.authentication import check_api_key
from airflow_mirrordb.devserver.store import Store

MAX_BODY_BYTES = 16 * 1024 * 1024

_SEGMENT = "[A-Za-z0-9_-]+"
_COLLECTION = f"/api/{{resource:{_SEGMENT}}}"
_ITEM = f"{_COLLECTION}/{{id}}"
_PARENT = f"/api/{{parent_resource:{_SEGMENT}}}/{{parent_id}}"
_CHILDREN = f"{_PARENT}/{{resource:{_SEGMENT}}}"

_logger = logging.getLogger(__name__)

Operation = Callable[[resources.Call], Answer]


def create_app(
    store: Store, api_key: str | None = None, jobs: Jobs | Collection[str] = ()
) -> web.Application:
    """Return the application that serves the store.

    :param store: stays open; whoever opened it closes it
    :param api_key: asked of every request; None lets everybody in
    :param jobs: the resources whose records are jobs
    :raises ValueError: the API key is empty, or a name is none that a resource can have
    """
    if api_key == "":
        raise ValueError("api_key is empty; None serves without a key")
    app = web.Application(middlewares=[_front(store, api_key)], client_max_size=MAX_BODY_BYTES)

    declared = Jobs.of(jobs)

    def serve(operation: Operation) -> Handler:
        return _handler(store, declared, operation)

    if declared.names:
        app.add_routes(_job_routes(declared.names, serve))  # first, for the others match these paths too
    app.add_routes(
        [
            web.get("/", serve(resources.show_health)),
            web.get("/health", serve(resources.show_health)),
            web.get(_COLLECTION, serve(resources.list_records)),
            web.post(_COLLECTION, serve(resources.create_record)),
            web.get(_ITEM, serve(resources.read_record)),
            web.put(_ITEM, serve(resources.replace_record)),
            web.patch(_ITEM, serve(resources.merge_record)),
            web.delete(_ITEM, serve(resources.delete_record)),
            web.get(_CHILDREN, serve(resources.list_records)),
            web.post(_CHILDREN, serve(resources.create_record)),
        ]
    )
    return app


def _job_routes(names: Collection[str], serve: Callable[[Operation], Handler]) -> list[web.RouteDef]:
    """Return the routes where a job is not as other records are."""
    jobs = f"{{resource:{'|'.join(names)}}}"
    item = f"/api/{jobs}/{{id}}"
    refuse = job_operations.refuse_all_but
    return [
        web.post(f"/api/{jobs}", serve(job_operations.submit_job)),
        web.put(item, serve(refuse("GET", "HEAD", "DELETE"))),
        web.patch(item, serve(refuse("GET", "HEAD", "DELETE"))),
        web.get(f"{item}/result", serve(job_operations.list_result)),
        web.route("*", f"{item}/result", serve(refuse("GET", "HEAD"))),
        web.post(f"{item}/cancel", serve(job_operations.cancel_job)),
        web.route("*", f"{item}/cancel", serve(refuse("POST"))),
        web.post(f"{_PARENT}/{jobs}", serve(job_operations.submit_job)),
    ]


def _handler(store: Store, jobs: Jobs, operation: Operation) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        payload = await _read(request)
        call = resources.Call(store=store, jobs=jobs, request=request, payload=payload)
        # SQLite runs on the event loop: a call takes microseconds, and a transaction without an await
        # in it is the only one open, so requests are carried out one after the other.
        with store.transaction():
            answer, replayed = idempotency.answer_once(store, request, payload, lambda: operation(call))
            _log(store, request, answer, replayed=replayed)
        response = _response(answer)
        if replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    return handle


async def _read(request: web.Request) -> bytes:
    """Return the whole body.

    :raises RefusedError: 400
    :raises HTTPRequestEntityTooLarge: it has more than MAX_BODY_BYTES
    """
    try:
        return await request.read()
    except (web.RequestPayloadError, ConnectionError) as error:
        raise RefusedError(400, "the body is cut short, or its encoding is broken") from error


def _front(store: Store, api_key: str | None) -> Middleware:
    """Check the key before, set X-Request-ID after, and answer and log what no operation did."""

    @web.middleware
    async def front(request: web.Request, handler: Handler) -> web.StreamResponse:
        response: web.StreamResponse
        try:
            check_api_key(request.headers, api_key)
            response = await handler(request)
        except Exception as error:  # noqa: BLE001  # _refused logs those that are bugs
            answer = refusal(_refused(error))
            with store.transaction():
                _log(store, request, answer, replayed=False)
            response = _response(answer)
        response.headers["X-Request-ID"] = _request_id(request)
        return response

    return front


def _refused(error: Exception) -> RefusedError:
    """Return the error in our own words, be it ours, aiohttp's or a bug."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, RecursionError):  # json and merge_patch go as deep as the body does
        return RefusedError(400, "the body is nested too deeply")
    if isinstance(error, web.HTTPMethodNotAllowed):
        return RefusedError(405, error.reason, {"Allow": error.headers["Allow"]})
    if isinstance(error, web.HTTPException):
        return RefusedError(error.status, error.reason)
    _logger.error("request failed", exc_info=error)
    return RefusedError(500, "internal server error")


def _log(store: Store, request: web.Request, answer: Answer, *, replayed: bool) -> None:
    key = request.headers.get(idempotency.HEADER)
    store.log(
        request.method,
        _text(request.raw_path),
        answer.status,
        idempotency_key=None if key is None else _text(key),
        replayed=replayed,
    )


def _text(received: str) -> str:
    """Return what was received with the octets replaced that are not UTF-8; SQLite stores no others."""
    return received.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


def _request_id(request: web.Request) -> str:
    """Return the request's own id if it is one, else a new one."""
    given = request.headers.get("X-Request-ID", "")
    return given if re.fullmatch("[A-Za-z0-9._~:/+=-]{1,128}", given) else uuid.uuid4().hex
