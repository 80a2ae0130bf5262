"""Files that answers go to on object stores: where the result says, whole, and with nothing left over."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_mirrordb.client import GenericMirrorDB, InvalidRequestError, MirrorDBRequest, OutputError
from airflow_mirrordb.hooks import storages
from airflow_mirrordb.hooks.input import InputFile
from airflow_mirrordb.hooks.output import PART, OutputFile
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from tests.support.connections import ConfigFor
from tests.support.object_stores import (
    FileServer,
    ObjectStore,
    ServerThatReplacesNothing,
    StoreThatCopiesLater,
    StoreThatMovesIntoFolders,
)
from tests.support.raw_server import RawServer, Reply, json_answer

BODY = b'{"name":"Ada"}'
OLD = b"what was there before"
KEY = "/bucket/daily"
PATH = "memory://objects@bucket/daily"


def attach(store: ObjectStore, scheme: str = "memory") -> None:
    """Let a scheme's connection ``objects`` be that of a store."""
    module = import_module(ObjectStoragePath.__module__)  # each version has it elsewhere
    module.attach(scheme, conn_id="objects", fs=store).fs = store  # also in the place of another one


@pytest.fixture
def save(short_pauses: None, raw_server: RawServer, config_for: ConfigFor) -> Callable[..., Any]:
    """Read an answer into a file, and return its manifest."""

    async def saved(store: ObjectStore, body: bytes = BODY, path: str = PATH) -> Any:
        attach(store)
        raw_server.default = Reply(json_answer(body.decode()))
        async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=1)) as client:
            request = MirrorDBRequest(method="GET", endpoint="api/export")
            return (await client.request(request, sink=OutputFile(path))).data

    return saved


Save = Callable[..., Any]


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look follows the one before at once."""
    monkeypatch.setattr(storages, "LONGEST_PAUSE", 0.0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that is not done at once has had its time."""
    monkeypatch.setattr(storages, "LEAST_TIME", 0.0)


@pytest.mark.parametrize("there", [{}, {KEY: OLD}])
@pytest.mark.parametrize("names", [[f"{KEY}/2026.csv"], []])
async def test_the_file_is_where_the_result_says(
    save: Save, there: dict[str, bytes], names: list[str]
) -> None:
    """Also where its name looks like a folder; an object may have any name (Google Cloud Storage, "Object
    names").
    """
    others = dict.fromkeys(names, OLD)
    store = StoreThatMovesIntoFolders({**there, **others})
    manifest = await save(store)
    assert (manifest["path"], manifest["bytes"]) == (PATH, len(BODY))
    assert store.objects == {KEY: BODY, **others}


async def test_a_copy_that_is_made_later_is_waited_for(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    """What was written is there until then: the copy is made of it (Azure Storage REST API, "Copy Blob")."""
    caplog.set_level(logging.INFO)
    store = StoreThatCopiesLater(2, {KEY: OLD})
    await save(store)
    assert store.objects == {KEY: BODY}
    assert "waiting up to 30 s for the storage to copy it: it has 0 of 14 bytes" in caplog.text


@pytest.mark.usefixtures("impatient")
async def test_a_copy_that_is_never_made_loses_nothing(save: Save) -> None:
    """The task fails, and what it should hold is kept."""
    store = StoreThatCopiesLater(-1, {KEY: OLD})
    with pytest.raises(
        OutputError, match=r"it has 0 of 14 bytes\); what it should hold is in /bucket/"
    ) as failed:
        await save(store)
    assert failed.value.retryable
    kept = str(failed.value).rpartition(" is in ")[2].split()[0].rstrip(";,)")
    assert store.objects[kept] == BODY


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [(TimeoutError("no answer"), True), (ConnectionResetError(), True), (PermissionError("no"), False)],
)
async def test_what_is_copied_is_kept_unless_the_storage_refused(
    save: Save, error: Exception, is_kept: bool
) -> None:
    """A copy whose answer is lost may still be made of it."""
    store = ObjectStore({KEY: OLD})

    def fail(call: str, _key: str) -> None:
        if call == "copy":
            raise error

    store.before = fail
    with pytest.raises(OutputError, match="did not say that" if is_kept else "PermissionError: no") as failed:
        await save(store)
    assert failed.value.retryable is is_kept
    assert store.objects[KEY] == OLD
    assert list(store.objects.values()) == ([OLD, BODY] if is_kept else [OLD])


@pytest.mark.parametrize("call", ["begin", "part", "complete"])
async def test_an_upload_that_fails_is_aborted(save: Save, call: str) -> None:
    """Else its parts are stored, and paid for (Amazon S3 API, "AbortMultipartUpload")."""
    store, calls = ObjectStore({KEY: OLD}), list[str]()

    def fail(name: str, _key: str) -> None:
        calls.append(name)
        if name == call and (name != "part" or calls.count("part") == 2):
            raise OSError("slow down")

    store.before = fail
    with pytest.raises(OutputError, match="slow down"):
        await save(store, b'"%b"' % (b"a" * (2 * PART)))
    assert (store.uploads, store.objects) == ({}, {KEY: OLD})
    assert calls.count("complete") == (call == "complete")  # half a file is not even made for a moment


async def test_a_missing_bucket_is_told_and_no_file_is_left_over(
    save: Save, caplog: pytest.LogCaptureFixture
) -> None:
    """What was never there needs no warning that it is left over."""
    store = ObjectStore()

    def fail(_call: str, _key: str) -> None:
        raise FileNotFoundError("The specified bucket does not exist")

    store.before = fail
    with pytest.raises(OutputError, match="The specified bucket does not exist") as failed:
        await save(store)
    assert (failed.value.retryable, "left over" in caplog.text) == (False, False)


async def test_a_file_server_renames(save: Save) -> None:
    """It has no copies of its own."""
    store = FileServer({KEY: OLD})
    await save(store)
    assert store.objects == {KEY: BODY}
    with pytest.raises(OutputError, match="IsADirectoryError: it is a folder"):
        await save(FileServer({f"{KEY}/2026.csv": OLD}))


async def test_a_server_that_does_not_replace_a_file_is_an_error(save: Save) -> None:
    """Where it says nothing itself; a file that is new is there."""
    store = ServerThatReplacesNothing({KEY: OLD})
    with pytest.raises(OutputError, match="a file of that name, which it does not replace") as failed:
        await save(store)
    assert (store.objects, failed.value.retryable) == ({KEY: OLD}, False)
    store = ServerThatReplacesNothing()
    await save(store)
    assert store.objects == {KEY: BODY}


LOST_NAMES = {
    "s3://objects@bucket/a::b": "has '::'",
    "file:///data/a::b": "has '::'",
    "/data/a\tb": "has a tab or a line break",
    "s3://objects@bucket/a\n": "has a tab or a line break",
    "/data/a?": "ends with '?'",
    "s3://objects@bucket/a#": "ends with '#'",
    " s3://objects@bucket/a": "begins with a blank",
    "/data/": "names no file",
    "": "names no file",
}


@pytest.mark.parametrize("path", LOST_NAMES)
def test_a_name_that_would_be_another_is_refused(path: str) -> None:
    """What urllib and fsspec make of it ("URL chaining") is the name of another file."""
    with pytest.raises(InvalidRequestError, match=LOST_NAMES[path]) as refused:
        OutputFile(path)
    assert refused.value.field == "output_path"
    with pytest.raises(ValueError, match=LOST_NAMES[path]):
        InputFile(path)
    with pytest.raises(ValueError, match=f"output_path: .*{LOST_NAMES[path]}"):
        MirrorDBReadOperator(task_id="t", endpoint="api/users", output_path=path)
    with pytest.raises(ValueError, match=f"input_path: .*{LOST_NAMES[path]}"):
        MirrorDBCreateOperator(task_id="t", endpoint="api/users", input_path=path)
    with pytest.raises(ValueError, match=rf"files\['f'\]: .*{LOST_NAMES[path]}"):
        MirrorDBUpdateOperator(task_id="t", endpoint="api/users/7", files={"f": ["/data/a", path]})


def test_a_template_is_checked_when_it_is_rendered() -> None:
    """As its author cannot know what comes of it."""
    path = "{{ var.value['a::b'] }}"
    assert MirrorDBReadOperator(task_id="t", endpoint="api/users", output_path=path).output_path == path


@pytest.mark.parametrize(
    "name", ["a::b", "a b", "a%20b", "a#b", "a?b", "*", "[1]", "ü", "{x}", "a;b", "a\\b"]
)
async def test_any_other_name_is_that_of_the_file(save: Save, tmp_path: Path, name: str) -> None:
    """On a disk and a store."""
    path = str(tmp_path / name)
    await save(ObjectStore(), path=path)
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208  # a quick look
    with closing(InputFile(path).open()) as file:
        assert file.read(100) == BODY
    if "::" not in name:
        store = ObjectStore()
        await save(store, path=f"memory://objects@bucket/{name}")
        assert store.objects == {f"/bucket/{name}": BODY}
        assert InputFile(f"memory://objects@bucket/{name}").look().size == len(BODY)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
async def test_a_file_that_is_replaced_keeps_its_rights(save: Save, tmp_path: Path, mode: int) -> None:
    """Whoever opens it to write (open(2)) leaves them as they are: what was private stays so."""
    path = tmp_path / "export.json"
    path.write_bytes(OLD)
    path.chmod(mode)
    await save(ObjectStore(), path=str(path))
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (BODY, mode)
