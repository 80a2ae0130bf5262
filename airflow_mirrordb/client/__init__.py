"""GenericMirrorDB: an async, generic REST client. This layer never imports Airflow."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # 'as' tells type checkers that a name is exported
    from airflow_mirrordb.client.calls.call import Attempt as Attempt
    from airflow_mirrordb.client.clock import Clock as Clock
    from airflow_mirrordb.client.collections.bulk import BulkOptions as BulkOptions
    from airflow_mirrordb.client.collections.bulk_report import (
        BulkRecord as BulkRecord,
        BulkReport as BulkReport,
    )
    from airflow_mirrordb.client.collections.pages.pagination import Pagination as Pagination
    from airflow_mirrordb.client.collections.streams import Manifest as Manifest, Sink as Sink
    from airflow_mirrordb.client.config import MirrorDBConfig as MirrorDBConfig
    from airflow_mirrordb.client.endpoints.registry import EndpointRegistry as EndpointRegistry
    from airflow_mirrordb.client.errors import (
        AmbiguousWriteError as AmbiguousWriteError,
        AuthenticationError as AuthenticationError,
        BulkError as BulkError,
        ConfigError as ConfigError,
        ConflictError as ConflictError,
        ConnectError as ConnectError,
        DisconnectedError as DisconnectedError,
        EndpointNotAllowedError as EndpointNotAllowedError,
        FailedStateError as FailedStateError,
        ForbiddenError as ForbiddenError,
        InputError as InputError,
        InstallationError as InstallationError,
        InvalidDataError as InvalidDataError,
        InvalidRequestError as InvalidRequestError,
        InvalidResponseError as InvalidResponseError,
        JobFailedError as JobFailedError,
        JobTimeoutError as JobTimeoutError,
        MirrorDBError as MirrorDBError,
        NotFoundError as NotFoundError,
        NotReadyError as NotReadyError,
        OutputError as OutputError,
        RateLimitError as RateLimitError,
        RefusedError as RefusedError,
        RequestTimeoutError as RequestTimeoutError,
        ResponseError as ResponseError,
        ServerError as ServerError,
        TLSError as TLSError,
        TransportError as TransportError,
    )
    from airflow_mirrordb.client.jobs.options import JobOptions as JobOptions
    from airflow_mirrordb.client.messages.full_response import FullResponse as FullResponse
    from airflow_mirrordb.client.messages.request import (
        BodyOptions as BodyOptions,
        MirrorDBRequest as MirrorDBRequest,
        PreparedRequest as PreparedRequest,
        RequestOptions as RequestOptions,
    )
    from airflow_mirrordb.client.messages.response import MirrorDBResponse as MirrorDBResponse
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB as GenericMirrorDB
    from airflow_mirrordb.client.retries.retry import (
        Progress as Progress,
        RetryPolicy as RetryPolicy,
        WaitNeeded as WaitNeeded,
        retry_with_exponential_backoff as retry_with_exponential_backoff,
    )
    from airflow_mirrordb.client.uploads.sources import (
        FileFacts as FileFacts,
        LocalFile as LocalFile,
        Reader as Reader,
        Source as Source,
    )

_MODULES = {
    "messages.response": ("MirrorDBResponse",),
    "collections.bulk": ("BulkOptions", "BulkRecord", "BulkReport"),
    "clock": ("Clock",),
    "config": ("MirrorDBConfig",),
    "endpoints.registry": ("EndpointRegistry",),
    "errors": (
        "AmbiguousWriteError",
        "AuthenticationError",
        "BulkError",
        "ConfigError",
        "ConflictError",
        "ConnectError",
        "DisconnectedError",
        "EndpointNotAllowedError",
        "FailedStateError",
        "ForbiddenError",
        "InputError",
        "InstallationError",
        "InvalidDataError",
        "InvalidRequestError",
        "InvalidResponseError",
        "JobFailedError",
        "JobTimeoutError",
        "MirrorDBError",
        "NotFoundError",
        "NotReadyError",
        "OutputError",
        "RateLimitError",
        "RefusedError",
        "RequestTimeoutError",
        "ResponseError",
        "ServerError",
        "TLSError",
        "TransportError",
    ),
    "calls.call": ("Attempt",),
    "jobs.options": ("JobOptions",),
    "messages.full_response": ("FullResponse",),
    "mirrordb": ("GenericMirrorDB",),
    "collections.pages.pagination": ("Pagination",),
    "messages.request": ("BodyOptions", "MirrorDBRequest", "PreparedRequest", "RequestOptions"),
    "retries.retry": ("Progress", "RetryPolicy", "WaitNeeded", "retry_with_exponential_backoff"),
    "collections.streams": ("Manifest", "Sink"),
    "uploads.sources": ("FileFacts", "LocalFile", "Reader", "Source"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605  # one list of names is enough


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562): most users need few of them."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
