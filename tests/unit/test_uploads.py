"""Bodies that are read from files: their bytes, their length, and files that change."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from airflow_mirrordb.client import EndpointRegistry, InputError, InvalidRequestError, MirrorDBConfig
from airflow_mirrordb.client.messages.request import MirrorDBRequest, WireRequest, prepare
from airflow_mirrordb.client.uploads import multipart
from airflow_mirrordb.client.uploads.sources import FileFacts, LocalFile, Source
from airflow_mirrordb.client.uploads.upload import BLOCK, OpenUpload, Upload

Sources = Mapping[str, Source]
CONFIG = MirrorDBConfig(base_url="https://example.com")


class MemoryFile:
    """A source that a test changes.

    :param size: None for a storage that does not tell it
    """

    def __init__(self, path: str, content: bytes, *, tells_size: bool = True) -> None:
        self.path, self.content, self.version, self.tells_size = path, content, "1", tells_size
        self.opened, self.closed = 0, 0
        self.meanwhile: Callable[[], object] = lambda: None
        self.at_close: Callable[[], object] = lambda: None

    def look(self) -> FileFacts:
        return FileFacts(size=len(self.content) if self.tells_size else None, version=self.version)

    def open(self) -> MemoryFile:
        self.opened += 1
        self._at = 0
        return self

    def read(self, size: int, /) -> bytes:
        piece = self.content[self._at : self._at + size]
        self._at += len(piece)
        self.meanwhile()
        return piece

    def close(self) -> None:
        self.closed += 1
        self.at_close()


def prepared(sources: Sources | None = None, /, **arguments: Any) -> WireRequest:
    """A create, prepared; paths name the sources, or files on the disk."""
    request = MirrorDBRequest(method="POST", endpoint="api/files", **arguments)
    found = sources or {}
    return prepare(request, CONFIG, EndpointRegistry(), lambda path: found.get(path) or LocalFile(path))


def upload_of(sources: Sources | None = None, /, **arguments: Any) -> Upload:
    body = prepared(sources, **arguments).body
    assert isinstance(body, Upload)
    return body


async def sent(upload: Upload) -> tuple[bytes, int | None]:
    """The bytes of one attempt, and the length that was told before."""
    opened = await upload.open().begin()
    try:
        pieces = []
        while block := await opened.block():
            assert len(block) <= 3 * BLOCK
            pieces.append(block)
        return b"".join(pieces), opened.length
    finally:
        opened.close()


async def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    """With its length, and with the content type that was said."""
    path = tmp_path / "users.csv"
    path.write_bytes(content := b"a,b\n" * 200_000)
    wire = prepared(input_path=str(path), content_type="text/csv; header=present")
    assert wire.headers["Content-Type"] == "text/csv; header=present"
    assert isinstance(wire.body, Upload)
    assert await sent(wire.body) == (content, len(content))
    assert prepared(input_path=str(path)).headers["Content-Type"] == "application/octet-stream"


def parts_of(wire: WireRequest, body: bytes) -> list[tuple[Any, str | None, str, Any]]:
    """Parse a form as MIME, as its receivers do: field, file name, content type and content of each part."""
    head = f"Content-Type: {wire.headers['Content-Type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    found = []
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        found.append((name, part.get_filename(), part.get_content_type(), content))
    return found


async def test_files_are_parts_of_a_form(tmp_path: Path) -> None:
    """RFC 7578: fields first, each file with its name and type; a list repeats the name."""
    for name, content in (("a.csv", b"a,b\r\n"), ("b.json.gz", b"\x1f\x8b\x00"), ("c", b"--\r\n")):
        (tmp_path / name).write_bytes(content)
    wire = prepared(
        form={"title": "Zwei Ä", "n": [1, 2]},
        files={"one": tmp_path / "a.csv", "more": [str(tmp_path / "b.json.gz"), str(tmp_path / "c")]},
    )
    assert isinstance(wire.body, Upload)
    body, length = await sent(wire.body)
    assert length == len(body)
    assert parts_of(wire, body) == [
        ("title", None, "text/plain", "Zwei Ä".encode()),
        ("n", None, "text/plain", b"1"),
        ("n", None, "text/plain", b"2"),
        ("one", "a.csv", "text/csv", b"a,b\r\n"),
        ("more", "b.json.gz", "application/gzip", b"\x1f\x8b\x00"),
        ("more", "c", "application/octet-stream", b"--\r\n"),
    ]


@pytest.mark.parametrize("tells_size", [True, False])
async def test_one_file_is_open_at_a_time(*, tells_size: bool) -> None:
    """A process may have only so many open (getrlimit(2), RLIMIT_NOFILE): 256 on some systems."""
    files = {f"/{number}": MemoryFile(f"/{number}", b"x" * 9, tells_size=tells_size) for number in range(300)}
    wire = prepared(files, files={"f": list(files)})
    opened = await wire.body.open().begin() if isinstance(wire.body, Upload) else None
    assert opened is not None
    most, body = 0, b""

    def look_around() -> None:
        nonlocal most
        most = max(most, sum(file.opened - file.closed for file in files.values()))

    for file in files.values():
        file.meanwhile = look_around
    while block := await opened.block():
        body += block
    opened.close()
    assert most == 1
    assert {file.opened - file.closed for file in files.values()} == {0}
    assert [content for *_, content in parts_of(wire, body)] == [b"x" * 9] * 300


async def test_a_later_file_that_was_changed_before_its_turn_is_not_sent_whole() -> None:
    """The length was told before the first one went out."""
    files = {name: MemoryFile(name, b"x" * BLOCK) for name in ("/a", "/b")}
    opened = await upload_of(files, files={"f": ["/a", "/b"]}).open().begin()
    files["/b"].version, files["/b"].content = "2", b"y" * BLOCK
    assert len(await opened.block()) < (opened.length or 0) - BLOCK
    with pytest.raises(InputError, match=r"files\['f'\]: '/b' was changed since it was looked at first"):
        await opened.block()
    opened.close()
    assert [file.opened - file.closed for file in files.values()] == [0, 0]


async def test_a_later_file_that_must_not_be_read_is_told_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is not there."""
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").write_bytes(b"x")
    upload = upload_of(files={"f": [tmp_path / "a", tmp_path / "b"]})
    # root may read all files
    monkeypatch.setattr(os, "access", lambda path, *_, **__: not str(path).endswith("b"))
    with pytest.raises(InputError, match="PermissionError") as caught:
        await upload.open().begin()
    assert not caught.value.retryable


def test_a_file_whose_name_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """A form has names in UTF-8 (HTML Standard, "Multipart form data"); Linux has any bytes in one."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv")
    with pytest.raises(
        InvalidRequestError, match=r"files\['f'\]: the name of .*udcff.csv' is not UTF-8"
    ) as caught:
        prepared(files={"f": [path]})
    assert caught.value.field == "files['f']"
    assert "\udcff" not in str(caught.value)


async def test_input_path_may_have_any_name(tmp_path: Path) -> None:
    """It is not sent."""
    path = tmp_path / os.fsdecode(b"\xff.csv")
    path.write_bytes(b"a,b")
    assert await sent(upload_of(input_path=str(path))) == (b"a,b", 3)


def test_names_are_written_as_browsers_do() -> None:
    """HTML Standard, "Multipart form data": in UTF-8, with CR, LF and '"' escaped, and nothing else."""
    head = multipart.file_head("x", 'a"b', 'Jos\u00e9 "1"\r\n\\%22.csv', "text/csv").decode()
    assert head == (
        "--x\r\n"
        'Content-Disposition: form-data; name="a%22b"; filename="José %221%22%0D%0A\\%22.csv"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    )


@settings(max_examples=50)
@given(contents=st.lists(st.binary(max_size=50), min_size=1, max_size=4), told=st.booleans())
def test_the_length_is_that_of_the_bytes(contents: list[bytes], *, told: bool) -> None:
    """Or it is not known before."""
    files: dict[str, Source] = {
        f"/{number}": MemoryFile(f"/{number}", content, tells_size=told)
        for number, content in enumerate(contents)
    }
    wire = prepared(files, files={"f": list(files)}, form={"a": "b"})
    assert isinstance(wire.body, Upload)
    body, length = asyncio.run(sent(wire.body))
    assert length == (len(body) if told else None)
    assert [content for _, name, _, content in parts_of(wire, body) if name is not None] == contents


async def test_each_attempt_reads_the_file_anew() -> None:
    """And lets go of it."""
    file = MemoryFile("/f", b"x" * 10)
    upload = upload_of({"/f": file}, input_path="/f")
    assert await sent(upload) == await sent(upload) == (b"x" * 10, 10)
    assert (file.opened, file.closed) == (2, 2)


async def test_a_file_that_changed_between_attempts_is_refused() -> None:
    """Two attempts of one write must not send two things."""
    file = MemoryFile("/f", b"x" * 10)
    upload = upload_of({"/f": file}, input_path="/f")
    await sent(upload)
    file.version = "2"
    with pytest.raises(
        InputError, match=r"input_path: '/f' was changed since it was looked at first"
    ) as caught:
        await sent(upload)
    assert (caught.value.path, caught.value.retryable) == ("/f", False)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"y" * 2 * BLOCK, "shorter"), (b"y" * 4 * BLOCK, "longer"), (b"y" * 3 * BLOCK, "since it was looked")],
)
async def test_a_file_that_changes_while_it_is_read_is_never_sent_whole(content: bytes, words: str) -> None:
    """Its last bytes are held back until it is known to be what it was."""
    file = MemoryFile("/f", b"x" * 3 * BLOCK)

    def change() -> None:
        file.content, file.version = content, "2"

    file.meanwhile = change
    opened = await upload_of({"/f": file}, files={"f": "/f"}).open().begin()
    received = 0

    async def receive() -> None:
        nonlocal received
        while block := await opened.block():
            received += len(block)

    with pytest.raises(InputError, match=rf"files\['f'\]: '/f' was changed .*{words}"):
        await receive()
    assert opened.length is not None
    assert received < opened.length
    opened.close()


async def test_only_the_content_that_a_key_was_made_of_is_sent() -> None:
    """The name of the file does not count, the names of fields do."""
    files: dict[str, Source] = {name: MemoryFile(name, b"x" * 10) for name in ("/a", "/b")}
    files["/c"] = MemoryFile("/c", b"y" * 10)

    def digest(**arguments: Any) -> str:
        return upload_of(files, **arguments).read_digest()

    digests = [digest(files={"f": path}) for path in ("/a", "/b", "/c")]
    assert digests[0] == digests[1] != digests[2]
    assert digest(files={"g": "/a"}) != digests[0]
    inner = hashlib.sha256(b"x" * 10).hexdigest()
    assert digest(input_path="/a") == hashlib.sha256(f"\0{inner}\n".encode()).hexdigest()
    right = digest(input_path="/a")
    assert await sent(upload_of(files, input_path="/b", digest=right)) == (b"x" * 10, 10)
    with pytest.raises(InputError, match="'/c' was changed since its idempotency key was made"):
        await sent(upload_of(files, input_path="/c", digest=right))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"input_path": "users.csv"}, "input_path: 'users.csv' names no file"),
        ({"input_path": "/data/"}, "input_path: '/data/' names no file"),
        ({"input_path": 7}, "input_path: it must be a path, not int"),
        ({"files": "/a"}, "files: it must be a mapping of names to paths, not str"),
        ({"files": {}}, "files: it has none"),
        ({"files": {"a": []}}, "files: it has none"),
        ({"files": {}, "form": {"a": 1}}, "files: it has none"),
        ({"files": {"a": None}}, r"files\['a'\]: it must be a path, not NoneType"),
        ({"files": {"a": b"/x"}}, r"files\['a'\]: it must be a path, not bytes"),
        ({"files": {"a": "/x"}, "form": {"b": None}}, r"form\['b'\]: a form has no null"),
        (
            {"files": {"a": "/x"}, "headers": {"Content-Type": "multipart/mixed"}},
            "the client says multipart/form",
        ),
        ({"input_path": "/x", "content_type": "csv"}, "content_type: it must be a media type"),
        ({"input_path": "/x", "data": 1}, "several bodies"),
    ],
)
def test_what_cannot_be_a_file_is_named(arguments: dict[str, Any], words: str) -> None:
    """Before anything is opened."""
    with pytest.raises(InvalidRequestError, match=words):
        prepared(**arguments)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_reads_and_deletes_send_no_files(method: Any) -> None:
    """There is no way to say what they would mean (RFC 9110, section 9.3.1)."""
    request = MirrorDBRequest(method=method, endpoint="api/files/1", input_path="/x")
    with pytest.raises(InvalidRequestError, match=f"input_path: a {method} sends none"):
        prepare(request, CONFIG, EndpointRegistry())


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "below a file"])
async def test_a_path_without_a_plain_file_is_final(tmp_path: Path, kind: str) -> None:
    """It is named; a pipe could be read only once."""
    path = tmp_path / "f"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "below a file":
        path.write_bytes(b"")
        path /= "g"
    with pytest.raises(InputError, match=f"input_path: cannot read '{path}'") as caught:
        await upload_of(input_path=str(path)).open().begin()
    assert caught.value.retryable is False


async def test_a_failure_of_the_storage_that_passes_may_be_tried_again() -> None:
    """As a time-out of an object store; what was open is closed."""
    good, bad = MemoryFile("/g", b"x"), MemoryFile("/b", b"x")

    def fail() -> FileFacts:
        raise TimeoutError("slow down")

    bad.look = fail  # type: ignore[method-assign]
    with pytest.raises(InputError, match="TimeoutError: slow down") as caught:
        await upload_of({"/g": good, "/b": bad}, files={"a": "/g", "b": "/b"}).open().begin()
    assert caught.value.retryable is True
    assert (good.opened, good.closed) == (1, 1)


async def test_who_gives_up_waits_for_no_thread() -> None:
    """A storage that hangs holds up no time-out; its file is closed once it answers."""
    file, hang = MemoryFile("/f", b"x" * 10), asyncio.Event()
    loop, reading = asyncio.get_running_loop(), asyncio.Event()

    def wait() -> None:
        loop.call_soon_threadsafe(reading.set)
        asyncio.run_coroutine_threadsafe(hang.wait(), loop).result()

    opened: OpenUpload = await upload_of({"/f": file}, input_path="/f").open().begin()
    file.meanwhile = wait
    block = asyncio.ensure_future(opened.block())
    await reading.wait()
    block.cancel()
    await asyncio.wait([block])
    opened.close()
    assert file.closed == 0
    closed = asyncio.Event()
    file.at_close = lambda: loop.call_soon_threadsafe(closed.set)
    hang.set()
    await closed.wait()
