"""Files that are sent, on any storage that Airflow reaches."""

from __future__ import annotations

from fsspec.implementations.local import LocalFileSystem

from airflow_mirrordb.client.uploads.sources import FileFacts, LocalFile, Reader
from airflow_mirrordb.hooks import storages
from airflow_mirrordb.storage_paths import fault_of

#: What storages tell of a file that changes with it, by names in lower case and without underlines: entity
#: tags, moments and versions, as s3fs, gcsfs, adlfs and sftp call them.
_VERSIONS = ("etag", "generation", "lastmodified", "modified", "mtime", "updated", "versionid")


class InputFile:
    """A file to be sent.

    The methods block; the first one looks the storage's connection up.

    :param path: as ``ObjectStoragePath`` takes it: ``s3://conn_id@bucket/key``, or a whole path on a disk
    :raises ValueError: if it names no file
    """

    def __init__(self, path: str) -> None:
        if fault := fault_of(path):
            raise ValueError(f"{path!r} {fault}")
        self.path = path

    def look(self) -> FileFacts:
        """Look at the file, past what the storage's library remembers of it.

        :raises OSError: if it is not there, or no file
        """
        storage, path = storages.find(self.path)
        if isinstance(storage, LocalFileSystem):
            return LocalFile(path).look()
        storage.invalidate_cache(path)
        facts = storage.info(path)
        if facts.get("type") == "directory":
            raise IsADirectoryError("it is a folder")
        named = {str(name).lower().replace("_", ""): value for name, value in facts.items()}
        version = " ".join(str(named[name]) for name in _VERSIONS if name in named)
        return FileFacts(size=facts.get("size"), version=version)

    def open(self) -> Reader:
        """Open it."""
        storage, path = storages.find(self.path)
        if isinstance(storage, LocalFileSystem):
            return LocalFile(path).open()
        reader: Reader = storage.open(path, "rb")
        return reader
