"""What a client says of its requests, in errors and in logs: of which connection, and without secrets."""

from __future__ import annotations

import logging
from itertools import islice
from types import TracebackType

from airflow_mirrordb.client.auth.redaction import Redaction, shortened
from airflow_mirrordb.client.bodies.missing import MOST_NAMES
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import MirrorDBError, named
from airflow_mirrordb.client.messages.request import MirrorDBRequest
from airflow_mirrordb.client.messages.response import MirrorDBResponse

log = logging.getLogger(__name__)

#: Where a body tells of an error that says ``false`` in ``ok``, as Slack's ("Using the Slack Web API"), or in
#: ``success``, as Cloudflare's ("Make API calls").
_ERRORS = ("error", "errors")


class Reporting:
    """Tells of the requests of one client.

    As a context it hides the secrets in the errors that leave it, and writes into them which connection they
    are of.

    :param redaction: hides the secrets of the client
    :param conn_id: id of its Airflow connection, if it has one
    """

    __slots__ = ("_redaction", "_told", "conn_id")

    def __init__(self, redaction: Redaction, conn_id: str | None = None) -> None:
        self._redaction, self.conn_id = redaction, conn_id
        self._told = set[str]()

    def name_of(self, request: MirrorDBRequest) -> str:
        """Return the name of a request in logs, as ``GET api/users [list] through connection crm``."""
        endpoint = self.text(request.endpoint)  # a link may have brought a secret
        return named(request.method, endpoint, request.method_name, self.conn_id)

    def text(self, text: str) -> str:
        """Return a text with ``***`` in the place of each secret."""
        return self._redaction.text(text)

    def of_settings(
        self, request: MirrorDBRequest, response: MirrorDBResponse, config: MirrorDBConfig
    ) -> None:
        """Write, once each, what a success shows of settings that are missing, or find nothing."""
        body = response.body
        if not isinstance(body, dict):
            return
        if (body.get("ok") is False or body.get("success") is False) and config.error_path is None:
            self._of_error(request, response)
        if config.response_envelope and response.data is body and self._is_new("response_envelope"):
            log.info(  # not every answer has one
                "%s: there is nothing at response_envelope (%r) of the answer, which has %s; it is returned"
                " as a whole",
                self.name_of(request),
                config.response_envelope,
                self.text(shortened(", ".join(map(str, islice(body, MOST_NAMES))), 200)) or "no keys",
            )

    def _of_error(self, request: MirrorDBRequest, response: MirrorDBResponse) -> None:
        place = next((name for name in _ERRORS if response.body.get(name)), None)
        if place is not None and self._is_new("error_path"):
            log.warning(
                "%s: %d, but the body says of itself that it is no success, and has an %r. If that is an"
                " error of the request, the extra 'error_path' of the connection makes one of it: %r",
                self.name_of(request),
                response.status,
                place,
                place,
            )

    def _is_new(self, matter: str) -> bool:
        is_new = matter not in self._told
        self._told.add(matter)
        return is_new

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if error is not None:
            if isinstance(error, MirrorDBError):
                error.conn_id = error.conn_id or self.conn_id
            self._redaction.error(error)
