"""Object stores in memory, each with what its documentation says of it that others do not do.

They are file systems of fsspec, as the libraries of the stores are, over plain mappings from keys to bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile


class ObjectStore(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Keys that hold bytes. A folder is what the keys that begin with its name and a slash look like.

    A copy is of one object to exactly one key, and whole at once (Amazon S3 API, "CopyObject").
    """

    protocol = "memory"
    root_marker = "/"
    cachable = False

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        super().__init__()
        self.objects = {} if objects is None else objects
        self.calls: list[str] = []
        self.uploads: dict[str, list[bytes]] = {}
        """What was uploaded of files that are neither completed nor aborted, by their keys."""
        self.before: Callable[[str, str], None] = lambda _call, _key: None
        """Is told of each call before it is made; what it raises is the answer."""

    def note(self, call: str, key: str) -> None:
        self.calls.append(call)
        self.before(call, key)

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **_options: Any) -> StoredFile:
        return StoredFile(self, path, mode, block_size or "default")

    def ls(self, path: str, detail: bool = True, **_options: Any) -> list[Any]:
        found = [self.info(key) for key in self.objects if key.startswith(f"{path}/")]
        return found if detail else [entry["name"] for entry in found]

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        self.note("info", path)
        if path in self.objects:
            return {"name": path, "size": len(self.objects[path]), "type": "file"}
        if any(key.startswith(f"{path}/") for key in self.objects):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def cp_file(self, path1: str, path2: str, **_options: Any) -> None:
        self.note("copy", path2)
        self.objects[path2] = self.objects[path1]

    def rm_file(self, path: str) -> None:
        self.note("remove", path)
        if self.objects.pop(path, None) is None:
            raise FileNotFoundError(path)


class StoredFile(AbstractBufferedFile):  # type: ignore[misc]  # as above
    """A file that is uploaded in parts, and appears when they are completed.

    Until then they are kept, unless the upload is aborted (Amazon S3 User Guide, "Uploading and copying
    objects using multipart upload").
    """

    def _initiate_upload(self) -> None:
        self.fs.note("begin", self.path)
        self.fs.uploads[self.path] = []

    def _upload_chunk(self, final: bool = False) -> bool:
        if self.buffer.tell():
            self.fs.note("part", self.path)
            self.fs.uploads[self.path].append(self.buffer.getvalue())
        if final:
            self.fs.note("complete", self.path)
            self.fs.objects[self.path] = b"".join(self.fs.uploads.pop(self.path))
        return True

    def _fetch_range(self, start: int, end: int) -> bytes:
        self.fs.note("read", self.path)
        data: bytes = self.fs.objects[self.path][start:end]
        return data

    def discard(self) -> None:
        self.fs.note("abort", self.path)
        self.fs.uploads.pop(self.path, None)


class StoreThatMovesIntoFolders(ObjectStore):
    """As Google Cloud Storage by gcsfs from 2026 on, which has a ``mv`` of its own.

    A target that names a folder takes the file under its own name (fsspec, "Copying files and directories",
    1e: "File to existing directory").
    """

    def mv(self, path1: str, path2: str, **_options: Any) -> None:
        self.note("move", path2)
        if any(key.startswith(f"{path2}/") for key in self.objects):
            path2 = f"{path2}/{path1.rpartition('/')[2]}"
        self.objects[path2] = self.objects.pop(path1)


@dataclass
class PendingCopy:
    """A copy that is accepted, and made later."""

    source: str
    target: str
    looks: int = field(compare=False)


class StoreThatCopiesLater(ObjectStore):
    """As Azure Blob Storage, whose Copy Blob may answer 202 with ``x-ms-copy-status: pending``.

    The target is empty until it is done, or has failed, as it does if the source is gone (Azure Storage REST
    API, "Copy Blob").

    :param looks: at the target until a copy is made; a negative number if none ever is
    """

    def __init__(self, looks: int, objects: dict[str, bytes] | None = None) -> None:
        super().__init__(objects)
        self.looks = looks
        self.pending: list[PendingCopy] = []

    def cp_file(self, path1: str, path2: str, **_options: Any) -> None:
        self.note("copy", path2)
        self.objects[path2] = b""
        self.pending.append(PendingCopy(path1, path2, self.looks))

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        for copy in [copy for copy in self.pending if copy.target == path]:
            if copy.looks == 0:
                self.pending.remove(copy)
                self.objects[path] = self.objects.get(copy.source, b"")
            copy.looks -= 1
        return super().info(path, **options)


class FileServer(ObjectStore):
    """As one of FTP or SFTP: it has folders and renames, and copies nothing itself."""

    def cp_file(self, path1: str, path2: str, **_options: Any) -> None:
        raise NotImplementedError

    def mv(self, path1: str, path2: str, **_options: Any) -> None:
        self.note("move", path2)
        self.objects[path2] = self.objects.pop(path1)


class ServerThatReplacesNothing(FileServer):
    """As HDFS by WebHDFS: its RENAME answers ``{"boolean": false}`` where there is a file (Hadoop, "WebHDFS
    REST API"; "FileSystem.rename"), which fsspec does not look at.
    """

    def mv(self, path1: str, path2: str, **_options: Any) -> None:
        if path2 not in self.objects:
            super().mv(path1, path2)
