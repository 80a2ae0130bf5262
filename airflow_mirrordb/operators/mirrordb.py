"""Operators that create, read, update and delete a resource.

Importing this module loads neither aiohttp nor the client: a DAG file is parsed often, and sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.body_arguments import check_records
from airflow_mirrordb.json_types import NOT_GIVEN
from airflow_mirrordb.operators.base import MirrorDBOperator
from airflow_mirrordb.task.arguments import BODY_FIELDS, parse_argument, read_of, request_of
from airflow_mirrordb.task.checks import (
    check_body_arguments,
    check_flags,
    check_paginate_argument,
    check_path_arguments,
    check_target_argument,
    check_written,
    naming,
)
from airflow_mirrordb.task.idempotency_keys import key_of, payload_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_mirrordb.client.endpoints.patterns import Method
    from airflow_mirrordb.client.messages.request import MirrorDBRequest
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB


class _BodyOperator(MirrorDBOperator):
    """Sends a body: data, a form, or files; the arguments are those of :class:`MirrorDBCreateOperator`."""

    template_fields: Sequence[str] = (
        *MirrorDBOperator.template_fields,
        *BODY_FIELDS,
        "idempotency_key",
        "bulk",
    )
    template_fields_renderers = {"data": "json", "form": "json", "query": "json", "headers": "json"}  # noqa: RUF012  # Airflow's own type

    def __init__(
        self,
        *,
        data: Any = NOT_GIVEN,
        form: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        input_path: str | None = None,
        content_type: str | None = None,
        idempotency_key: str | None = None,
        bulk: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        body = dict(zip(BODY_FIELDS, (data, form, files, input_path, content_type), strict=True))
        with naming(self.task_id):
            check_body_arguments(**body)
            if bulk is True:
                check_records(body)
        self.data = None if data is NOT_GIVEN else data
        self.form = form
        self.files = files
        self.input_path = input_path
        self.content_type = content_type
        self.idempotency_key = idempotency_key
        self.bulk = bulk
        check_written(self, _BodyOperator)


class MirrorDBCreateOperator(_BodyOperator):
    """POST a new resource; the task's result is the decoded answer.

    :param data: JSON value for the body; a string is parsed as JSON; None, written so, sends none (templated)
    :param form: fields of a form, as ``{"name": "Ada", "tags": ["a", "b"]}``, instead of data (templated)
    :param files: paths of files by the names of their fields, as ``{"file": "s3://conn_id@bucket/a.csv"}``,
        each one or a list, which are sent as a multipart form, behind the fields of ``form`` if there are
        any. Files are always sent by a worker, a block in memory, and read anew for each attempt (templated)
    :param input_path: path of a file that is sent as it is, likewise: on a disk, or on any storage
        (templated)
    :param content_type: what ``input_path`` holds, as ``text/csv``; or what the data is called instead of
        ``application/json``, as ``application/vnd.api+json`` (templated)
    :param idempotency_key: key by which the backend knows a repeated create, sent if the connection
        has an ``idempotency_header``; by default derived from the task, its run and the data. Of many
        records each has a name appended that is made of its own content: the keys are the same in any
        order, and equal records have different ones (templated)
    :param bulk: True if ``data`` is a list of records, each of them a request's (templated)

    :raises ValueError: if there is no body, or more than one, or with ``bulk`` another one than ``data``

    The other arguments are those of :class:`MirrorDBOperator`.
    """

    def request(self, context: Context, client: GenericMirrorDB) -> MirrorDBRequest:
        return _write(self, context, client, "POST")


class MirrorDBReadOperator(MirrorDBOperator):
    """GET a resource or a collection; the task's result is the decoded answer.

    :param data: JSON value that says what to read, as a GraphQL query; a string is parsed as JSON. It is sent
        by the connection's ``query_method``, where a pattern as ``QUERY api/orders/search`` says that nothing
        is changed by it, and is as repeatable as a GET (templated)
    :param paginate: how the collection goes on in further pages: the arguments of
        :class:`~airflow_mirrordb.client.Pagination`, as ``{"style": "link"}``. The result is one list,
        of the records of all pages (templated)
    :param output_path: file to write the answer to, instead of returning it: a path on a disk, or of any
        storage, as ``s3://conn_id@bucket/users.jsonl``. Written is the body as it is, or with
        ``paginate`` the records, as JSON Lines, with few pages in memory. The file appears when it is
        whole, in the place of an older one. The result, which ``response_filter`` gets, is then a
        :class:`~airflow_mirrordb.client.Manifest`, as ``{"path": ..., "records": ..., "bytes": ...,
        "sha256": ...}`` (templated)
    :param start_from_trigger: True to begin in the triggerer, without a worker, which only takes the
        result. Before Airflow 3.3, for mapped tasks and in ``dag.test()`` a worker hands over at once.
    :param end_from_trigger: True to end there as well, so that no worker is needed at all: a success, that
        is, of a task without ``outlets`` over whose result no other is mapped, and with Airflow's own XCom
        backend. Listeners, as that of OpenLineage, then learn nothing of it.
    :raises InvalidRequestError: if ``paginate`` is wrong, as far as its values are no templates
    :raises ValueError: if they contradict another argument, ``output_path`` can be no file, or a template
        pulls an XCom in a way that the triggerer cannot

    The other arguments are those of :class:`MirrorDBOperator`.
    """

    template_fields: Sequence[str] = (*MirrorDBOperator.template_fields, "data", "paginate", "output_path")
    template_fields_renderers = MirrorDBCreateOperator.template_fields_renderers
    only_reads = True

    def __init__(
        self,
        *,
        data: Any = None,
        paginate: Mapping[str, Any] | None = None,
        output_path: str | None = None,
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        with naming(self.task_id):
            check_paginate_argument(paginate, data)
            check_path_arguments(output_path=output_path)
            check_flags(start_from_trigger=start_from_trigger, end_from_trigger=end_from_trigger)
        self.data = data
        self.paginate = paginate
        self.output_path = output_path
        if start_from_trigger or end_from_trigger:
            from airflow_mirrordb.task.start import start_in_triggerer

            self.deferrable, self.worker_timeout = True, 0
            with naming(self.task_id):
                start_in_triggerer(
                    self,
                    "airflow_mirrordb.triggers.start.MirrorDBReadStartTrigger",
                    {
                        "paginate": paginate,
                        "output_path": output_path,
                        "max_event_bytes": self.max_event_bytes,
                    },
                    start_from_trigger=start_from_trigger,
                    end_from_trigger=end_from_trigger,
                )
        check_written(self, MirrorDBReadOperator)

    def request(self, context: Context, client: GenericMirrorDB) -> MirrorDBRequest:
        return read_of(self, paginate=self.paginate)


class MirrorDBUpdateOperator(_BodyOperator):
    """PUT or PATCH a resource; the task's result is the decoded answer.

    :param data: JSON value for the body, not None; a string is parsed as JSON (templated)
    :param form: as for :class:`MirrorDBCreateOperator` (templated)
    :param files: as for that (templated)
    :param input_path: as for that (templated)
    :param content_type: as for that (templated)
    :param partial: True to PATCH: ``data`` holds only what changes; else the connection's
        ``update_method`` is used, by default PUT (templated)
    :param if_match: entity tag which the resource must still have, as ``"v1"`` (templated)
    :param idempotency_key: as for :class:`MirrorDBCreateOperator`; for a PATCH (templated)
    :param bulk: True if ``data`` is a list of records, each of them a request's, to as many endpoints in
        the list ``endpoint``; else all get the same ``data`` (templated)

    :raises ValueError: as for :class:`MirrorDBCreateOperator`; or if with ``bulk`` several records are to
        replace the resource of one endpoint

    The other arguments are those of :class:`MirrorDBOperator`.
    """

    template_fields: Sequence[str] = (*_BodyOperator.template_fields, "partial", "if_match")

    def __init__(self, *, partial: bool | str = False, if_match: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with naming(self.task_id):
            check_target_argument(self, partial=partial)
        self.partial = partial  # type: ignore[assignment]  # hides a class method that instances have no use for
        self.if_match = if_match
        check_written(self, MirrorDBUpdateOperator)

    def request(self, context: Context, client: GenericMirrorDB) -> MirrorDBRequest:
        partial = parse_argument("partial", self.partial, bool)
        method = client.update_method(payload_of(_body(self)), partial=partial)
        return _write(self, context, client, method, if_match=self.if_match)


class MirrorDBDeleteOperator(MirrorDBOperator):
    """DELETE a resource; the task's result is the decoded answer, usually None.

    :param missing_ok: whether a resource that is not there is a success (templated)
    :param if_match: entity tag which the resource must still have (templated)

    The other arguments are those of :class:`MirrorDBOperator`.
    """

    template_fields: Sequence[str] = (*MirrorDBOperator.template_fields, "missing_ok", "if_match")

    def __init__(self, *, missing_ok: bool | str = False, if_match: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.missing_ok = missing_ok
        self.if_match = if_match
        check_written(self, MirrorDBDeleteOperator)

    def request(self, context: Context, client: GenericMirrorDB) -> MirrorDBRequest:
        missing_ok = parse_argument("missing_ok", self.missing_ok, bool)
        return self._request("DELETE", missing_ok=missing_ok, if_match=self.if_match)


def _body(operator: Any) -> dict[str, Any]:
    """Return what the rendered arguments of an operator say of the body."""
    from airflow_mirrordb.body_arguments import paths_as_text
    from airflow_mirrordb.task.json_data import json_of

    body = {name: getattr(operator, name) for name in BODY_FIELDS}
    files, input_path = paths_as_text(operator.files), paths_as_text(operator.input_path)
    return {**body, "data": json_of(operator.data), "files": files, "input_path": input_path}


def _write(
    operator: Any, context: Context, client: GenericMirrorDB, method: Method, **arguments: Any
) -> MirrorDBRequest:
    """Return a request with a body, under its key, and with the digest of the files that this is made of."""
    body, digest = _body(operator), None
    request = request_of(operator, method, **body, **arguments)
    has_files = operator.files is not None or operator.input_path is not None
    if has_files and not operator.is_many:
        if client.sends_keys and method != "PUT":
            digest = client.prepare(request).read_digest()
        body = {**body, "files": operator.files and sorted(operator.files), "input_path": digest}
    key = key_of(operator, context, client, method, payload_of(body))
    return replace(request, digest=digest, idempotency_key=key)
