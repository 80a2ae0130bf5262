"""Answers that go to a file: whole or not at all, in constant memory, off the event loop."""

from __future__ import annotations

import asyncio
import errno
import gzip
import hashlib
import json
import os
import resource
import socket
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import brotli
import pytest
from aiohttp import web
from airflow.providers.common.compat.sdk import AirflowNotFoundException, ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem

from airflow_mirrordb.client import (
    DisconnectedError,
    GenericMirrorDB,
    InvalidRequestError,
    InvalidResponseError,
    MirrorDBError,
    MirrorDBRequest,
    MirrorDBResponse,
    NotFoundError,
    OutputError,
    RequestTimeoutError,
    ResponseError,
    ServerError,
)
from airflow_mirrordb.client.collections.streams import BLOCK
from airflow_mirrordb.hooks.output import OutputFile
from tests.support.backends import Answering
from tests.support.clocks import TIMEOUT, loop_time, turns, until
from tests.support.connections import ConfigFor
from tests.support.raw_server import RawServer, Reply

MEGABYTE = 2**20
BODY = b'{ "name":"Ada",\n"born": 1815 }\n'
OLD = b"what was there before"
PAGES = {"style": "page", "param": "page"}


def get(**options: Any) -> MirrorDBRequest:
    return MirrorDBRequest(method="GET", endpoint="api/export", **options)


def manifest(path: str, content: bytes, records: int | None = None) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"path": path, "records": records, "bytes": len(content), "sha256": digest}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that exists, alone in its folder."""
    path = tmp_path / "out" / "export.json"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def measured(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


# -- what is written -----------------------------------------------------------------------------

LARGE = b"".join(b"%d,row %d\n" % (number, number) for number in range(200_000))
ANSWERS = {
    "as it is": (measured(BODY), BODY),
    "chunked": (chunked(BODY[:7], BODY[7:]), BODY),
    "gzip": (measured(gzip.compress(BODY), "Content-Encoding: gzip"), BODY),
    "deflate": (measured(zlib.compress(BODY), "Content-Encoding: deflate"), BODY),
    "no JSON": (measured(b"id;name\n7;Ad\xe9\n", "Content-Type: text/csv"), b"id;name\n7;Ad\xe9\n"),
    "of several blocks": (measured(gzip.compress(LARGE), "Content-Encoding: gzip"), LARGE),
    "empty": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_body_is_written_as_it_is(
    raw_server: RawServer, config_for: ConfigFor, target: Path, name: str
) -> None:
    """Byte for byte after decompression, be it JSON or not, in the place of what was there."""
    answer, content = ANSWERS[name]
    raw_server.default = Reply(answer)
    async with GenericMirrorDB(config_for(raw_server.base_url, max_response_bytes=1000)) as client:
        response = await client.request(get(), sink=OutputFile(f"file://{target}"))
    assert contents(target.parent) == {target.name: content}
    assert response.data == manifest(f"file://{target}", content)
    assert (response.body, response.size, response.attempts) == (None, 0, 1)


async def test_folders_are_made(raw_server: RawServer, config_for: ConfigFor, tmp_path: Path) -> None:
    """As on an object store, which has none."""
    raw_server.default = Reply(measured(BODY))
    path = tmp_path / "2026-01-01" / "users" / "export.json"
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        await client.request(get(), sink=OutputFile(str(path)))
    assert path.read_bytes() == BODY


async def test_an_answer_without_change_changes_nothing(
    answering: Answering, config_for: ConfigFor, target: Path
) -> None:
    """A 304 has no body to write: the file stays, and there is no manifest."""
    backend = await answering(web.Response(status=304), web.Response(status=304))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        for paginate in (None, PAGES):
            request = get(if_none_match='"7"', paginate=paginate)
            response = await client.request(request, sink=OutputFile(str(target)))
            assert (response.status, response.data or None) == (304, None)
    assert contents(target.parent) == {target.name: OLD}


@pytest.mark.parametrize("paginate", [None, PAGES])
async def test_what_was_not_asked_is_no_answer(
    answering: Answering, config_for: ConfigFor, target: Path, paginate: dict[str, Any] | None
) -> None:
    """A 304 to a read without a condition (RFC 9110, section 15.4.5): the file may be as old as ever."""
    backend = await answering(web.Response(status=304))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(ResponseError, match="304 Not Modified"):
            await client.request(get(paginate=paginate), sink=OutputFile(str(target)))
    assert contents(target.parent) == {target.name: OLD}


def page(*records: Any) -> web.Response:
    return web.json_response(records)


async def test_what_is_missing_changes_nothing(
    answering: Answering, config_for: ConfigFor, target: Path
) -> None:
    """Where that is no error, there is no body, and so no file."""
    backend = await answering(web.Response(status=404, text="nothing here"))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        response = await client.request(get(missing_ok=True), sink=OutputFile(str(target)))
    assert (response.status, response.data) == (404, None)
    assert contents(target.parent) == {target.name: OLD}


async def test_pages_become_lines(answering: Answering, config_for: ConfigFor, target: Path) -> None:
    """Each record is a line of its own whatever is in it; a page that breaks is read again, and not twice."""
    odd: list[Any] = [
        {"text": "line\nbreak \u2028 \u00e9"},
        {"half a pair": "\ud83d"},
        7,
        None,
        [1, {"a": 2.5}],
    ]
    backend = await answering(page(*odd[:3]), web.Response(status=503), page(*odd[3:]), page())
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        response = await client.request(get(paginate=PAGES), sink=OutputFile(str(target)))
    content = contents(target.parent)[target.name]
    assert [json.loads(line) for line in content.splitlines()] == odd
    assert response.data == manifest(str(target), content, records=5)
    assert (response.attempts, response.size) == (4, 0)


async def test_a_record_that_is_no_json_is_no_file(
    answering: Answering, config_for: ConfigFor, target: Path
) -> None:
    """An expression can make an infinite number of a text, which JSON does not have (RFC 8259, section 6)."""
    backend = await answering(web.json_response({"rows": [{"v": "1e999"}]}))
    paginate = {"style": "link", "records": "rows[].{v: to_number(v)}"}
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(OutputError, match="a record is no JSON: Out of range float") as caught:
            await client.request(get(paginate=paginate), sink=OutputFile(str(target)))
    assert not caught.value.retryable
    assert contents(target.parent) == {target.name: OLD}


async def test_no_records_are_an_empty_file(
    answering: Answering, config_for: ConfigFor, target: Path
) -> None:
    """It tells that there are none, where no file would leave the old ones."""
    backend = await answering(page())
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        response = await client.request(get(paginate=PAGES), sink=OutputFile(str(target)))
    assert response.data == manifest(str(target), b"", records=0)
    assert contents(target.parent) == {target.name: b""}


# -- what is not ---------------------------------------------------------------------------------

BROKEN = {
    "shorter than it says": Reply(measured(BODY * 1000, length=10**6), "close"),
    "ends within a chunk": Reply(chunked(BODY, end=b"64\r\nabc"), "close"),
    "ends without the last chunk": Reply(chunked(BODY, BODY * 1000, end=b""), "close"),
    "is reset": Reply(measured(BODY, length=10**6), "reset"),
    "has chunks of no size": Reply(chunked(BODY, end=b"no size\r\n"), "close"),
    "is half a gzip": Reply(measured(gzip.compress(LARGE)[:-99], "Content-Encoding: gzip"), "close"),
    "is half a brotli": Reply(measured(brotli.compress(LARGE)[:-9], "Content-Encoding: br"), "close"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_is_no_file(
    raw_server: RawServer, config_for: ConfigFor, target: Path, name: str
) -> None:
    """The next attempt begins the file anew; without one, what was there is untouched and alone."""
    raw_server.replies = [BROKEN[name], BROKEN[name]]
    raw_server.default = Reply(measured(BODY))
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=1)) as client:
        with pytest.raises(DisconnectedError):
            await client.request(get(), sink=OutputFile(str(target)))
        assert contents(target.parent) == {target.name: OLD}
        await client.update_config(max_attempts=2)
        response = await client.request(get(), sink=OutputFile(str(target)))
    assert contents(target.parent) == {target.name: BODY}
    assert (response.data, response.attempts) == (manifest(str(target), BODY), 2)


async def test_an_error_is_no_file(answering: Answering, config_for: ConfigFor, target: Path) -> None:
    """Its body is read as ever, and the store is not even looked at; pages that came before are removed."""
    gone = web.json_response({"detail": "no such export"}, status=404)
    gone.enable_compression(web.ContentCoding.gzip)
    backend = await answering(gone, page(1, 2), *[web.Response(status=500) for _ in range(5)])
    folder = target.parent
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(NotFoundError, match="no such export"):
            await client.request(get(), sink=OutputFile(f"{folder}/new/export.json"))
        assert contents(folder) == {target.name: OLD}
        with pytest.raises(ServerError):
            await client.request(get(paginate=PAGES), sink=OutputFile(str(target)))
    assert contents(folder) == {target.name: OLD}


async def test_a_page_stays_bounded(answering: Answering, config_for: ConfigFor, target: Path) -> None:
    """Pages are read into memory one by one, so that max_response_bytes holds for each."""
    backend = await answering(page("x" * 100), page("x" * 1000))
    async with GenericMirrorDB(config_for(backend.base_url, max_response_bytes=500)) as client:
        with pytest.raises(
            InvalidResponseError,
            match=r"max_response_bytes \(500 bytes\): ask .* write a read to an output_path, or to a sink",
        ):
            await client.request(get(paginate=PAGES), sink=OutputFile(str(target)))
    assert contents(target.parent) == {target.name: OLD}


def has_a_block(folder: Path) -> bool:
    """True if something has been written, under another name."""
    return any(path.stat().st_size >= BLOCK for path in folder.glob(".mirrordb-*.part"))


Ending = Callable[[GenericMirrorDB, "asyncio.Task[MirrorDBResponse]"], Any]


async def _cancel(_client: GenericMirrorDB, task: asyncio.Task[MirrorDBResponse]) -> None:
    task.cancel()


async def _disconnect(client: GenericMirrorDB, _task: asyncio.Task[MirrorDBResponse]) -> None:
    await client.disconnect()


async def _time_out(_client: GenericMirrorDB, _task: asyncio.Task[MirrorDBResponse]) -> None:
    loop_time.advance(TIMEOUT)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (_cancel, asyncio.CancelledError),
        (_disconnect, DisconnectedError),
        (_time_out, (RequestTimeoutError, OutputError)),  # whether a block is just being written
    ],
)
async def test_what_is_ended_in_the_middle_leaves_nothing(
    raw_server: RawServer,
    config_for: ConfigFor,
    target: Path,
    end: Ending,
    error: type[BaseException] | tuple[type[BaseException], ...],
) -> None:
    """Cancelled, disconnected or out of time after half of the body: the file is the old one, and alone."""
    half = bytes(2 * BLOCK)
    raw_server.default = Reply(measured(half, length=2 * len(half)), "silence")
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=1)) as client:
        task = asyncio.create_task(client.request(get(), sink=OutputFile(str(target))))
        await until(lambda: has_a_block(target.parent))
        await end(client, task)
        with pytest.raises(error):
            await task
    assert contents(target.parent) == {target.name: OLD}


async def test_only_what_a_get_brings_is_written(
    answering: Answering, config_for: ConfigFor, target: Path
) -> None:
    """Losing what a write answers because a disk is full would lose whether it was applied."""
    backend = await answering()
    request = MirrorDBRequest(method="POST", endpoint="api/export", data={})
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidRequestError, match="sink: only the answer to a read"):
            await client.request(request, sink=OutputFile(str(target)))
    assert backend.requests == []


# -- stores --------------------------------------------------------------------------------------


@contextmanager
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond a megabyte, and pytest may write to one that has."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_file_that_grows_too_large_is_a_clear_error(
    raw_server: RawServer, config_for: ConfigFor, target: Path
) -> None:
    """The next attempt would bring no less; what was written is removed."""
    raw_server.default = Reply(measured(bytes(5 * BLOCK)))
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=2)) as client:
        message = rf"cannot write to {target}: OSError: .*File too large"
        with small_files(), pytest.raises(OutputError, match=message) as large:
            await client.request(get(), sink=OutputFile(str(target)))
    assert (large.value.attempts, large.value.retryable, large.value.path) == (1, False, str(target))
    assert (large.value.method, large.value.endpoint) == ("GET", "api/export")
    assert contents(target.parent) == {target.name: OLD}


class Failing:
    """A sink that cannot take what it gets."""

    path = "s3://conn_id@bucket/export.json"

    def __init__(self, error: BaseException) -> None:
        self.error, self.begun = error, 0

    def begin(self) -> None:
        self.begun += 1

    def write(self, _data: bytes) -> None:
        raise self.error

    def finish(self) -> None:
        raise AssertionError("nothing was written")

    def abort(self) -> None:
        pass


class ClientError(Exception):
    """As botocore has it: https://docs.aws.amazon.com/boto3/latest/guide/error-handling.html."""

    def __init__(self, status: object) -> None:
        super().__init__("An error occurred when calling the PutObject operation")
        self.response = {"Error": {"Code": "Denied"}, "ResponseMetadata": {"HTTPStatusCode": status}}


def with_facts(**facts: Any) -> Exception:
    error = Exception("the store said no")
    vars(error).update(facts)
    return error


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


FINAL = {
    "EROFS": OSError(errno.EROFS, "Read-only file system"),
    "ENAMETOOLONG": OSError(errno.ENAMETOOLONG, "File name too long"),
    "ENOTDIR": OSError(errno.ENOTDIR, "Not a directory"),
    "EACCES": OSError(errno.EACCES, "Permission denied"),
    "EPERM": OSError(errno.EPERM, "Operation not permitted"),
    "ENOENT": OSError(errno.ENOENT, "No such file or directory"),
    "ELOOP": OSError(errno.ELOOP, "Too many levels of symbolic links"),
    "EFBIG": OSError(errno.EFBIG, "File too large"),
    "no such library": ImportError("No module named 's3fs'"),
    "no such kind": ValueError("Protocol not known: nosuch"),
    "wrong certificate": ssl.SSLCertVerificationError(1, "certificate verify failed"),
    "botocore 403": ClientError(403),
    "botocore 404": ClientError(404),
    "s3fs 403": caused(OSError(errno.EIO, "Denied"), ClientError(403)),
    "azure-core 403": with_facts(status_code=403),
    "google-api-core 403": with_facts(code=HTTPStatus.FORBIDDEN),
    "requests 401": with_facts(response=SimpleNamespace(status_code=401)),
    "aiohttp 404": with_facts(status=404),
    "no such connection": AirflowNotFoundException("The conn_id `conn_id` isn't defined"),
}
PASSING = {
    "ENOSPC": OSError(errno.ENOSPC, "No space left on device"),
    "EDQUOT": OSError(errno.EDQUOT, "Disk quota exceeded"),
    "EIO": OSError(errno.EIO, "Input/output error"),
    "ETIMEDOUT": OSError(errno.ETIMEDOUT, "Connection timed out"),
    "ECONNRESET": ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    "time-out": TimeoutError(),
    "botocore 503": ClientError(503),
    "botocore 400": ClientError(400),
    "botocore without a status": ClientError(None),
    "botocore in another way": with_facts(response={"ResponseMetadata": None}),
    "s3fs 503": caused(OSError(errno.EBUSY, "SlowDown"), ClientError(503)),
    "google-api-core 429": with_facts(code=HTTPStatus.TOO_MANY_REQUESTS),
    "a code that is none": with_facts(code="403"),
    "unknown": Exception("who knows"),
}


@pytest.mark.parametrize("name", FINAL | PASSING)
async def test_a_failure_of_a_store_is_final_if_it_cannot_pass(
    raw_server: RawServer, config_for: ConfigFor, name: str
) -> None:
    """By errno(3), or by the HTTP status that the library of the store tells."""
    raw_server.default = Reply(measured(bytes(BLOCK)))
    sink = Failing((FINAL | PASSING)[name])
    attempts = 1 if name in FINAL else 2
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=2)) as client:
        with pytest.raises(OutputError, match=f"cannot write to {sink.path}: ") as failed:
            await client.request(get(), sink=sink)
    assert (failed.value.retryable, failed.value.attempts) == (name in PASSING, attempts)
    assert (sink.begun, len(raw_server.requests)) == (attempts, attempts)


async def test_a_ring_of_causes_has_an_end(raw_server: RawServer, config_for: ConfigFor) -> None:
    """And the last bytes of an answer, which are written when it has ended, fail with its attempts."""
    first, second = Exception("first"), Exception("second")
    first.__cause__, second.__cause__ = second, first
    raw_server.default = Reply(measured(BODY))
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=1)) as client:
        with pytest.raises(OutputError, match="Exception: first") as failed:
            await client.request(get(), sink=Failing(first))
    assert failed.value.attempts == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("{folder}", "IsADirectoryError: it is a folder"),
        ("{file}/export.json", "FileExistsError|NotADirectoryError"),
        ("nosuch://bucket/export.json", "ValueError: no provider .*nosuch"),
        ("{folder}/" + "a" * 300 + "/export.json", "OSError: .*File name too long"),
    ],
)
async def test_a_place_that_cannot_be_written_to_is_a_final_error(
    raw_server: RawServer, config_for: ConfigFor, target: Path, path: str, words: str
) -> None:
    """It says what is wrong with the place, and does not send the request again."""
    raw_server.default = Reply(measured(BODY))
    place = path.format(folder=target.parent, file=target)
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(OutputError, match=words) as wrong:
            await client.request(get(), sink=OutputFile(place))
    assert (wrong.value.attempts, wrong.value.retryable) == (1, False)
    assert len(raw_server.requests) == 1
    assert contents(target.parent) == {target.name: OLD}


@pytest.mark.parametrize("exists", [True, False])
async def test_a_link_stays_and_leads_to_the_answer(
    raw_server: RawServer, config_for: ConfigFor, tmp_path: Path, exists: bool
) -> None:
    """As it does for whoever opens it to write (open(2)); a link may lead to another disk."""
    raw_server.default = Reply(measured(BODY))
    folder = tmp_path / uuid4().hex
    target, link = folder / "real" / "export.json", folder / "latest.json"
    target.parent.mkdir(parents=True)
    if exists:
        target.write_bytes(OLD)
    link.symlink_to(Path("real") / "export.json")
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        response = await client.request(get(), sink=OutputFile(str(link)))
    assert link.is_symlink()
    assert contents(target.parent) == {target.name: BODY}
    assert response.data == manifest(str(link), BODY)


@pytest.mark.parametrize("by_link", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_what_is_no_plain_file_is_not_replaced(
    raw_server: RawServer, config_for: ConfigFor, tmp_path: Path, kind: str, by_link: bool
) -> None:
    """Somebody reads from it; a device would be gone for all (POSIX, rename())."""
    raw_server.default = Reply(measured(BODY))
    folder = tmp_path / uuid4().hex
    folder.mkdir()
    place, link = folder / kind, folder / "link"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(place))
    link.symlink_to(place)
    before = place.lstat()
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(OutputError, match="FileExistsError: it is no plain file") as refused:
            await client.request(get(), sink=OutputFile(str(link if by_link else place)))
    assert (refused.value.retryable, len(raw_server.requests)) == (False, 1)
    assert (place.lstat().st_mode, place.lstat().st_ino) == (before.st_mode, before.st_ino)
    assert names(folder) == {kind, "link"}


async def test_links_in_a_ring_are_a_final_error(
    raw_server: RawServer, config_for: ConfigFor, tmp_path: Path
) -> None:
    """They lead nowhere, and stay."""
    raw_server.default = Reply(measured(BODY))
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(OutputError, match="Too many levels of symbolic links") as refused:
            await client.request(get(), sink=OutputFile(str(tmp_path / "a")))
    assert (refused.value.retryable, (tmp_path / "a").is_symlink()) == (False, True)


@pytest.mark.parametrize("path", ["", " ", "export.json", "s3://bucket/folder/", "s3://conn@bucket", None, 7])
def test_a_path_that_names_no_file_is_refused(path: Any) -> None:
    """Before anything is sent; as what a missing XCom renders to."""
    with pytest.raises(InvalidRequestError, match=r"output_path: .* names no file") as refused:
        OutputFile(path)
    assert refused.value.field == "output_path"


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    """An object store, through a connection of its own: no renames, no folders."""
    storage = MemoryFileSystem()
    attach = import_module(ObjectStoragePath.__module__).attach  # each version has it elsewhere
    attach("memory", conn_id="store", fs=storage)
    yield storage
    storage.store.clear()


async def test_an_object_store_shows_nothing_but_the_whole(
    raw_server: RawServer, config_for: ConfigFor, store: MemoryFileSystem
) -> None:
    """Not even where the name is that of a folder as well; an attempt that broke leaves nothing."""
    store.pipe_file("/bucket/export/part", OLD)
    path = "memory://store@bucket/export"
    raw_server.replies = [BROKEN["is reset"], BROKEN["is reset"]]
    raw_server.default = Reply(measured(LARGE))
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=1)) as client:
        with pytest.raises(DisconnectedError):
            await client.request(get(), sink=OutputFile(path))
        assert list(store.store) == ["/bucket/export/part"]
        await client.update_config(max_attempts=2)
        response = await client.request(get(), sink=OutputFile(path))
    assert sorted(store.store) == ["/bucket/export", "/bucket/export/part"]
    assert store.store["/bucket/export"].getvalue() == LARGE
    assert response.data == manifest(path, LARGE)


# -- memory and the event loop -------------------------------------------------------------------


class Recording:
    """A sink that is held up by the first write, and tells what was called."""

    path = "nowhere"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.held_up, self.go_on = threading.Event(), threading.Event()

    def begin(self) -> None:
        self.calls.append("begin")

    def write(self, data: bytes) -> None:
        self.held_up.set()
        self.go_on.wait(60)
        self.calls.append(f"write {len(data)}")

    def finish(self) -> None:
        self.calls.append("finish")

    def abort(self) -> None:
        self.calls.append("abort")


async def test_the_event_loop_does_not_wait_for_a_store(raw_server: RawServer, config_for: ConfigFor) -> None:
    """While a write hangs, others are served; small pieces become few writes."""
    sink = Recording()
    raw_server.default = Reply(measured(bytes(BLOCK + 1)))
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        task = asyncio.create_task(client.request(get(), sink=sink))
        assert await asyncio.to_thread(sink.held_up.wait, 60)
        raw_server.default = Reply(measured(BODY))
        assert await client.read_function("other", "api/users") == json.loads(BODY)
        sink.go_on.set()
        response = await task
    assert response.data["bytes"] == BLOCK + 1
    assert sink.calls[:2] == ["abort", "begin"]
    assert sink.calls[-2:] == ["finish", "abort"]
    assert len(sink.calls) <= 6


async def test_a_cancelled_write_is_over_before_its_file_is_removed(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """A thread cannot be cancelled, and must not find its file gone, or bring it back."""
    sink = Recording()
    raw_server.default = Reply(measured(bytes(BLOCK)))
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        task = asyncio.create_task(client.request(get(), sink=sink))
        assert await asyncio.to_thread(sink.held_up.wait, 60)
        task.cancel()
        await turns()
        assert sink.calls == ["abort", "begin"]
        sink.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert sink.calls[2].startswith("write")
    assert sink.calls[3:] == ["abort"]


async def _twenty_megabytes(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    if "Accept-Encoding" in request.headers:
        response.enable_compression()
    await response.prepare(request)
    for _ in range(320):
        await response.write(bytes(65536))
    await response.write_eof()
    return response


async def _thousand_records(request: web.Request) -> web.StreamResponse:
    number = int(request.query["page"])
    return web.json_response([{"id": f"{number}-{index}"} for index in range(1000 if number <= 20 else 0)])


async def test_memory_does_not_follow_the_answer(
    answering: Answering, config_for: ConfigFor, target: Path
) -> None:
    """Twenty megabytes, or twenty thousand records in pages, never stand in memory."""
    backend = await answering(_twenty_megabytes, *[_thousand_records] * 21)
    peaks: list[int] = []
    tracemalloc.start()
    try:
        async with GenericMirrorDB(config_for(backend.base_url)) as client:
            for paginate in (None, PAGES):
                tracemalloc.reset_peak()
                before, _ = tracemalloc.get_traced_memory()
                response = await client.request(get(paginate=paginate), sink=OutputFile(str(target)))
                peaks.append(tracemalloc.get_traced_memory()[1] - before)
                assert response.data["bytes"] == len(contents(target.parent)[target.name])
    finally:
        tracemalloc.stop()
    assert (response.data["records"], len(backend.requests)) == (20_000, 22)
    assert max(peaks) < 4 * MEGABYTE, peaks


def test_errors_of_a_file_reach_the_task_as_themselves() -> None:
    """Also from the triggerer, as plain JSON."""
    error = OutputError(message="cannot write", path="s3://b/k", retryable=True)
    arrived = MirrorDBError.from_dict(json.loads(json.dumps(error.to_dict())))
    assert isinstance(arrived, OutputError)
    assert (arrived.path, arrived.retryable) == ("s3://b/k", True)
