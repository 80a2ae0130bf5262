"""What statuses are called, which does not depend on the version of Python. Pure."""

from __future__ import annotations

from http import HTTPStatus

#: Statuses that have been called otherwise: the name of RFC 9110, section 15.5, which Python has since 3.13,
#: then those of RFC 7231, RFC 4918 and RFC 2616 and of nginx, which servers still say.
_RENAMED = {
    413: ("Content Too Large", "Payload Too Large", "Request Entity Too Large"),
    414: ("URI Too Long", "Request-URI Too Long", "Request-URI Too Large"),
    416: ("Range Not Satisfiable", "Requested Range Not Satisfiable"),
    422: ("Unprocessable Content", "Unprocessable Entity"),
}
#: By status, the current name first.
REASON_PHRASES = {status.value: (status.phrase,) for status in HTTPStatus} | _RENAMED


def named_status(status: int) -> str:
    """Return a status with its name, as ``404 Not Found``, if it has one."""
    return " ".join((str(status), *REASON_PHRASES.get(status, ())[:1]))
