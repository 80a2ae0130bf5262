"""The line that tells of a notification which could not be sent; loaded only with the first of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.errors import MirrorDBError, named, one_line

if TYPE_CHECKING:
    from airflow_mirrordb.notifications.mirrordb import MirrorDBNotifier

log = logging.getLogger(__name__)

#: Characters of an error that is not the client's own.
MAX_WORDS = 500


def log_failure(notifier: MirrorDBNotifier, error: BaseException) -> None:
    """Write one line with the request, its connection, what failed and what to do; the rest at DEBUG."""
    log.debug("Where the error comes from", exc_info=error)
    log.error("%s", failure(notifier, error))


def failure(notifier: MirrorDBNotifier, error: BaseException) -> str:
    """Return that line."""
    if not isinstance(error, MirrorDBError):
        error = MirrorDBError(message=shortened(_words(error), MAX_WORDS))
    conn_id, request = str(notifier.mirrordb_conn_id), ""
    if error.method is None:  # it came before there was a request
        request = f"{named('POST', str(notifier.endpoint), notifier.method_name, conn_id)}: "
    else:
        error.conn_id = conn_id
    outcome = "may or may not have been sent" if error.maybe_applied else "was not sent"
    return one_line(f"The notification {outcome}: {request}{error}; {_advice(notifier, error)}")


def _words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  # of an author's exception that cannot be printed
        return type(error).__name__


def _advice(notifier: MirrorDBNotifier, error: MirrorDBError) -> str:
    if error.maybe_applied:
        return "look there before you tell of it by hand: Airflow does not call the notifier again"
    if error.retryable:
        return (
            f"it may pass, but did not within timeout={notifier.timeout:g}, and Airflow does not call the"
            " notifier again: tell of it by hand; a backend that is slow needs a longer timeout"
        )
    return "mend that, and tell of it by hand: Airflow does not call the notifier again"
