"""Whether a failure of a disk or an object store passes by itself, and what it says. Pure."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping

#: Failures of a store that do not pass by themselves: no such place, or something else in it; no right; its
#: kind is not known or not installed; a wrong option, or its certificate is refused (a ValueError as well).
_FINAL = (
    FileExistsError,
    FileNotFoundError,
    ImportError,
    IsADirectoryError,
    NotADirectoryError,
    NotImplementedError,
    PermissionError,
    TypeError,
    ValueError,
)
#: Those of a file system that have no class (errno(3)). All others pass: a disk or quota that is full
#: (ENOSPC, EDQUOT) has room when other tasks have removed what they wrote; EIO, EBUSY and ESTALE come from
#: a network.
_FINAL_ERRNOS = frozenset(
    {
        errno.EROFS,  # mounted to be read only
        errno.ENAMETOOLONG,
        errno.EINVAL,  # as a character that the file system has in no name
        errno.ELOOP,  # of links
        errno.ENODEV,
        errno.ENXIO,
        errno.EOPNOTSUPP,
        errno.EFBIG,  # more than a file, or one of this process, may have
    }
)
#: Statuses by which a store says so over HTTP: no or wrong credentials, no right, no such bucket, no such
#: request, too large. 400 is not among them: S3 answers it to a request that took too long.
_FINAL_STATUSES = frozenset({401, 403, 404, 405, 413})


def is_final(error: Exception) -> bool:
    """Whether a failure of a store comes again whenever the same is written."""
    if isinstance(error, _FINAL) or (isinstance(error, OSError) and error.errno in _FINAL_ERRNOS):
        return True
    return any(status in _FINAL_STATUSES for status in _statuses(error))


def is_answered(error: Exception) -> bool:
    """Whether a store said itself that it failed, rather than said nothing, as after a time-out."""
    return is_final(error) or any(_statuses(error))


def _statuses(error: BaseException) -> Iterator[object]:
    """Yield the HTTP statuses of an error and its causes."""
    link: BaseException | None = error
    for _ in range(10):  # s3fs hides botocore's error behind an OSError; causes may be a ring
        if link is None:
            return
        yield _status(link)
        link = link.__cause__


def _status(error: BaseException) -> object:
    """Return the HTTP status that an error of a store's library tells, or None.

    Each has it at another place: ``status`` (aiohttp), ``status_code`` (azure-core; Airflow, where it does
    not know the connection), ``code`` (gcsfs, google-api-core), ``response.status_code`` (requests), and
    ``response["ResponseMetadata"]["HTTPStatusCode"]`` (botocore).
    """
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        metadata = response.get("ResponseMetadata")
        return metadata.get("HTTPStatusCode") if isinstance(metadata, Mapping) else None
    places = ((error, "status"), (error, "status_code"), (error, "code"), (response, "status_code"))
    found = (getattr(place, name, None) for place, name in places)
    return next((status for status in found if isinstance(status, int)), None)


def words_of(error: Exception) -> str:
    """Return what an error of a store says, with its class."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def no_answer(seconds: float) -> str:
    """Return what is told of a store that was waited for when some seconds were over."""
    return f"its storage did not answer within {seconds:g} s"
