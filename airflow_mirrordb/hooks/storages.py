"""What storages do in ways of their own: copy a file, rename it, throw away one that was begun."""

from __future__ import annotations

import errno
import logging
import os
import time
from pathlib import PurePosixPath
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath
from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem, sync
from fsspec.spec import AbstractBufferedFile

from airflow_mirrordb.client.collections.streams import BYTES_A_SECOND
from airflow_mirrordb.client.uploads.storage_failures import is_answered, words_of
from airflow_mirrordb.compat import has_storage
from airflow_mirrordb.storage_paths import key_of

log = logging.getLogger(__name__)

#: Storages whose files have names of their own, so that a rename replaces exactly one and shows nothing
#: half-written: by the schemes of their paths. Their copies go through a shell, or through this process.
_RENAMING = frozenset({"arrow_hdfs", "dbfs", "ftp", "hdfs", "sftp", "smb", "ssh", "webhdfs"})
#: The providers that know a kind of storage, by the schemes of its paths, with what they need for that.
_PROVIDERS = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "amazon[s3fs]"),
    **dict.fromkeys(("gs", "gcs"), "google"),
    **dict.fromkeys(("abfs", "abfss", "adl"), "microsoft-azure"),
    **dict.fromkeys(("sftp", "ssh"), "sftp[sshfs]"),
}
#: Seconds that a copy within a storage has, and more for more bytes: within those that the end of a file has.
LEAST_TIME = 30.0
#: Seconds between two looks at a copy that is not done; they double, up to the second number.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0


def find(path: str) -> tuple[Any, str]:
    """Return the storage of a path, by its connection, and the path within it.

    :raises ValueError: if another name would come of it, or no provider knows the storage
    """
    check_provider(path)
    place = ObjectStoragePath(path)
    key, found = key_of(path), place.path
    if not found.endswith(key) and str(PurePosixPath(found)) != str(PurePosixPath(key)):
        raise ValueError(f"it would be {found!r} there; give the file another name")
    return place.fs, found


def check_provider(path: str) -> None:
    """Check that Airflow knows the kind of storage of a path; blocks, but asks nobody elsewhere.

    :raises ValueError: names the provider that knows it, as far as that is known
    """
    scheme, has_scheme, _ = path.partition("://")
    if has_scheme and not has_storage(scheme):
        provider = _PROVIDERS.get(scheme)
        remedy = f"; install 'apache-airflow-providers-{provider}'" if provider else ""
        raise ValueError(f"no provider that is installed knows storages of {scheme!r}{remedy}")


def time_for(size: int) -> float:
    """Return how many seconds a storage has to copy a file of so many bytes."""
    return LEAST_TIME + size / BYTES_A_SECOND


def put(storage: Any, scheme: str, source: str, target: str, size: int) -> bool:
    """Give a file its final name, and look that it is there; return whether the one before is there, too.

    No ``mv`` of an object store is asked: it goes into what looks like a folder (fsspec, "Copying files and
    directories"), as do the names of objects that begin like this one.

    :param scheme: of the path
    :param source: the file that was written
    :param target: its final name; what is there is replaced
    :param size: of the file, in bytes
    :raises OSError: if it is not there, or nobody can know; see :class:`UnknownCopyError`
    :raises Exception: what the storage raises
    """
    if scheme not in _RENAMING:
        try:
            _copy(storage, source, target, size)
        except NotImplementedError:  # it has none, as it renames
            pass
        else:
            return True
    _rename(storage, source, target, size)
    return False


class UnknownCopyError(OSError):
    """Nobody knows what became of a copy within a storage: it may go on, and needs its source."""


def discard(file: Any) -> None:
    """Close a file that was begun and must not be, with what a storage keeps of it elsewhere.

    The parts of a multipart upload of Amazon S3 are kept, and paid for, until it is completed or aborted
    (Amazon S3 API, "AbortMultipartUpload").
    """
    has_parts = (
        isinstance(file, AbstractBufferedFile) and type(file).discard is not AbstractBufferedFile.discard
    )
    try:
        if has_parts:
            file.discard()
            file.closed = True  # else its end would upload what it still has
        else:
            file.close()
    except Exception as error:  # noqa: BLE001  # each storage has its own
        if has_parts and not is_answered(error):  # else there is none
            log.warning("%s: what was uploaded of it may be left over: %s", file.path, words_of(error))


def remove(storage: Any, path: str) -> None:
    """Remove a file, if it is there."""
    try:
        storage.rm_file(path)
    except FileNotFoundError:
        pass
    except Exception as error:  # noqa: BLE001  # each storage has its own
        log.warning("%s is left over: %s", path, words_of(error))


def size_of(storage: Any, path: str) -> int | None:
    """Return the size of a file, past what the storage's library remembers of it; None if it does not say.

    :raises OSError: if it is not there, or no file
    """
    storage.invalidate_cache(path)
    facts = storage.info(path)
    if facts.get("type") == "directory":
        raise IsADirectoryError("it is a folder")
    size: int | None = facts.get("size")
    return size


def _copy(storage: Any, source: str, target: str, size: int) -> None:
    seconds = time_for(size)
    end = time.monotonic() + seconds
    try:
        if isinstance(storage, AsyncFileSystem) and type(storage).cp_file is AbstractFileSystem.cp_file:
            sync(storage.loop, storage._cp_file, source, target, timeout=seconds)  # noqa: SLF001  # where its time has an end
        else:
            storage.cp_file(source, target)
    except NotImplementedError:
        raise
    except Exception as error:
        if is_answered(error):
            raise
        raise UnknownCopyError(_unknown(source, target, words_of(error))) from error
    _wait_for_copy(storage, source, target, size, end)


def _wait_for_copy(storage: Any, source: str, target: str, size: int, end: float) -> None:
    """Wait until a file is what was copied to it.

    Azure answers that a copy is accepted, makes it later, and shows an empty file meanwhile (Azure Storage
    REST API, "Copy Blob").
    """
    pause, is_told = min(FIRST_PAUSE, LONGEST_PAUSE), False
    while True:
        try:
            found = _size_of_object(storage, target)
            if found in (size, None):
                return
            state = f"it has {found:,} of {size:,} bytes"
        except FileNotFoundError:
            state = "it is not there"
        except Exception as error:
            raise UnknownCopyError(_unknown(source, target, words_of(error))) from error
        left = end - time.monotonic()
        if left <= 0:
            raise UnknownCopyError(_unknown(source, target, state))
        if not is_told:
            is_told = True
            log.info("%s: waiting up to %.0f s for the storage to copy it: %s", target, left, state)
        time.sleep(min(pause, left))
        pause = min(pause * 2, LONGEST_PAUSE)


def _size_of_object(storage: Any, path: str) -> int | None:
    try:
        return size_of(storage, path)
    except IsADirectoryError:  # there are names that begin with it, too, which some libraries look at first
        with storage.open(path, "rb") as file:
            end: int = file.seek(0, os.SEEK_END)
            return end


def _unknown(source: str, target: str, state: str) -> str:
    return f"the storage did not say that {target} is copied ({state}); what it should hold is in {source}"


def _rename(storage: Any, source: str, target: str, size: int) -> None:
    is_there = storage.exists(target)
    if is_there:
        size_of(storage, target)  # HDFS would move the file into a folder
    storage.mv(source, target)
    storage.invalidate_cache(source)
    if storage.exists(source):  # as WebHDFS leaves it where there is a file already, without an error
        why = ", since there is a file of that name, which it does not replace" if is_there else ""
        raise FileExistsError(f"the storage did not rename it{why}")
    if (found := size_of(storage, target)) not in (size, None):
        raise OSError(errno.EIO, f"it has {found:,} of {size:,} bytes after it was renamed", target)
