"""What a client says of its requests, in errors and in logs: of which connection, and without secrets."""

from __future__ import annotations

from types import TracebackType

from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.errors import MirrorDBError, named
from airflow_mirrordb.client.messages.request import MirrorDBRequest


class Reporting:
    """Tells of the requests of one client.

    As a context it hides the secrets in the errors that leave it, and writes into them which connection they
    are of.

    :param redaction: hides the secrets of the client
    :param conn_id: id of its Airflow connection, if it has one
    """

    __slots__ = ("_redaction", "conn_id")

    def __init__(self, redaction: Redaction, conn_id: str | None = None) -> None:
        self._redaction, self.conn_id = redaction, conn_id

    def name_of(self, request: MirrorDBRequest) -> str:
        """Return the name of a request in logs, as ``GET api/users [list] through connection crm``."""
        endpoint = self.text(request.endpoint)  # a link may have brought a secret
        return named(request.method, endpoint, request.method_name, self.conn_id)

    def text(self, text: str) -> str:
        """Return a text with ``***`` in the place of each secret."""
        return self._redaction.text(text)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if error is not None:
            if isinstance(error, MirrorDBError):
                error.conn_id = error.conn_id or self.conn_id
            self._redaction.error(error)
