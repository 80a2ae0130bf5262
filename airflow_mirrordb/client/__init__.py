"""GenericMirrorDB: an async, generic REST client. This layer never imports Airflow."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_mirrordb.client.answers import MirrorDBResponse
    from airflow_mirrordb.client.config import MirrorDBConfig
    from airflow_mirrordb.client.endpoints import EndpointRegistry
    from airflow_mirrordb.client.errors import (
        AmbiguousWriteError,
        AuthenticationError,
        ConfigError,
        ConflictError,
        ConnectError,
        DisconnectedError,
        EndpointNotAllowedError,
        ForbiddenError,
        InvalidDataError,
        InvalidRequestError,
        InvalidResponseError,
        MirrorDBError,
        NotFoundError,
        RateLimitError,
        RequestTimeoutError,
        ResponseError,
        ServerError,
        TLSError,
        TransportError,
    )
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB
    from airflow_mirrordb.client.protocol import MirrorDBRequest, RequestOptions
    from airflow_mirrordb.client.retry import (
        Progress,
        RetryPolicy,
        WaitNeeded,
        retry_with_exponential_backoff,
    )

_MODULES = {
    "answers": ("MirrorDBResponse",),
    "config": ("MirrorDBConfig",),
    "endpoints": ("EndpointRegistry",),
    "errors": (
        "AmbiguousWriteError",
        "AuthenticationError",
        "ConfigError",
        "ConflictError",
        "ConnectError",
        "DisconnectedError",
        "EndpointNotAllowedError",
        "ForbiddenError",
        "InvalidDataError",
        "InvalidRequestError",
        "InvalidResponseError",
        "MirrorDBError",
        "NotFoundError",
        "RateLimitError",
        "RequestTimeoutError",
        "ResponseError",
        "ServerError",
        "TLSError",
        "TransportError",
    ),
    "mirrordb": ("GenericMirrorDB",),
    "protocol": ("MirrorDBRequest", "RequestOptions"),
    "retry": ("Progress", "RetryPolicy", "WaitNeeded", "retry_with_exponential_backoff"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605  # one list of names is enough


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562): most users need few of them."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
