"""Tasks that send files: the same direct and deferrable, under keys that are made of the content."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, ObjectStoragePath
from airflow.triggers.base import BaseTrigger
from fsspec.implementations.memory import MemoryFileSystem

from airflow_mirrordb.client import AmbiguousWriteError, InputError, InvalidRequestError, ServerError
from airflow_mirrordb.hooks.input import InputFile
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBUpdateOperator
from airflow_mirrordb.triggers.mirrordb import MirrorDBWaitTrigger
from tests.integration.test_operators import KEYED, MODES, run
from tests.integration.test_operators_tries import Tries, tries  # noqa: F401  # a fixture
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

pytestmark = pytest.mark.usefixtures("triggerer")

AWAY = (503, None, {"Retry-After": "0"})


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(MODES[request.param])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users.csv"
    path.write_bytes(b"id;name\n7;Ada\n")
    return path


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    """An object store, through a connection of its own."""
    storage = MemoryFileSystem()
    attach = import_module(ObjectStoragePath.__module__).attach  # each version has it elsewhere
    attach("memory", conn_id="store", fs=storage)
    yield storage
    storage.store.clear()


def create(path: object, **arguments: Any) -> MirrorDBCreateOperator:
    given = {"task_id": "task", "endpoint": "api/files", "input_path": str(path), **arguments}
    return MirrorDBCreateOperator(**given)


def keys(scripted: ScriptedBackend) -> list[str | None]:
    return [headers.get("Idempotency-Key") for headers in scripted.headers]


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("kind", ["create", "update", "partial update"])
def test_a_file_is_sent_by_the_worker_in_every_mode(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    path: Path,
    mode: dict[str, Any],
    kind: str,
    *,
    keyed: bool,
) -> None:
    """A deferrable task waits in the triggerer, and sends on a worker: it is work, and not waiting."""
    set_connection(scripted.url, extra=KEYED if keyed else {})
    scripted.answers = [AWAY, AWAY, (200, {"id": 7}, {})]
    arguments: dict[str, Any] = {"content_type": "text/csv", **mode}
    if kind == "create":
        operator: Any = create(path, **arguments)
    else:
        operator = MirrorDBUpdateOperator(
            task_id="task",
            endpoint="api/files/7",
            input_path=str(path),
            partial=kind == "partial update",
            **arguments,
        )
    deferrals: list[BaseTrigger] = []
    assert run(operator, deferrals=deferrals) == {"id": 7}
    assert [type(trigger) for trigger in deferrals] == [MirrorDBWaitTrigger] * len(deferrals)
    assert bool(deferrals) is mode["deferrable"]
    assert scripted.bodies == [path.read_bytes()] * 3
    assert {headers["Content-Type"] for headers in scripted.headers} == {"text/csv"}
    assert {headers["Content-Length"] for headers in scripted.headers} == {str(path.stat().st_size)}
    assert len(set(keys(scripted))) == 1
    assert (keys(scripted)[0] is not None) is (keyed and kind != "update")


def test_files_of_any_storage_are_sent(
    scripted: ScriptedBackend, set_connection: SetConnection, store: MemoryFileSystem, path: Path
) -> None:
    """The part before '@' is the storage's own connection."""
    set_connection(scripted.url)
    store.pipe_file("/bucket/a/b.csv", b"a,b\n")
    scripted.answers = [(200, None, {})]
    operator = MirrorDBCreateOperator(
        task_id="task",
        endpoint="api/files",
        form={"title": "{{ ds }}"},
        files={"one": "memory://store@bucket/a/{{ name }}.csv", "two": str(path)},
    )
    operator.render_template_fields({"ds": "2026-01-01", "name": "b"})  # type: ignore[typeddict-unknown-key]
    run(operator)
    (body,) = scripted.bodies
    boundary = scripted.headers[0]["Content-Type"].partition("boundary=")[2]
    assert body.decode() == (
        f'--{boundary}\r\nContent-Disposition: form-data; name="title"\r\n\r\n2026-01-01\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="one"; filename="b.csv"\r\n'
        f"Content-Type: text/csv\r\n\r\na,b\n\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="two"; filename="users.csv"\r\n'
        f"Content-Type: text/csv\r\n\r\nid;name\n7;Ada\n\r\n"
        f"--{boundary}--\r\n"
    )


@pytest.mark.parametrize("make", [Path, ObjectStoragePath], ids=["path", "object storage path"])
def test_a_path_may_be_an_object(
    scripted: ScriptedBackend, set_connection: SetConnection, path: Path, mode: dict[str, Any], make: Any
) -> None:
    """Also in what a trigger keeps of the request while it waits."""
    set_connection(scripted.url)
    scripted.answers = [AWAY, (200, None, {}), AWAY, (200, None, {}), (200, None, {})]
    run(create(path, input_path=make(f"file://{path}" if make is ObjectStoragePath else path), **mode))
    run(create(path, input_path=None, files={"f": [make(path)]}, **mode))
    with MirrorDBHook() as hook:
        hook.create("api/files", input_path=make(path))
    assert scripted.bodies[1] == scripted.bodies[4] == path.read_bytes()
    assert path.read_bytes() in scripted.bodies[3]


def test_the_key_is_that_of_the_content(
    scripted: ScriptedBackend, set_connection: SetConnection, tmp_path: Path
) -> None:
    """The same for the same content under another name; another one for other content."""
    set_connection(scripted.url, extra=KEYED)
    scripted.answers = [(201, None, {})] * 5
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
        run(create(tmp_path / name))
    run(create(tmp_path / "a", input_path=None, files={"f": str(tmp_path / "a")}))
    run(create(tmp_path / "a", input_path=None, files={"f": str(tmp_path / "b")}))
    found = keys(scripted)
    assert found[0] == found[1]
    assert found[3] == found[4]
    assert len(set(found)) == 3


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("mode_name", ["worker", "worker first"])
def test_a_file_that_changed_between_attempts_is_not_sent(
    scripted: ScriptedBackend, set_connection: SetConnection, path: Path, mode_name: str, *, keyed: bool
) -> None:
    """Also where another worker goes on after a wait: one write, or one key, must not stand for two."""
    set_connection(scripted.url, extra=KEYED if keyed else {})
    scripted.answers = [AWAY, (201, None, {})]
    answer, size = scripted.next_answer, path.stat().st_size

    def change(_path: str, _sent: bytes) -> Any:
        path.write_bytes(b"x" * size)
        return answer(_path, _sent)

    scripted.next_answer = change  # type: ignore[method-assign]
    with pytest.raises(AirflowFailException, match="was changed since") as raised:
        run(create(path, **MODES[mode_name]))
    assert isinstance(raised.value.__cause__, InputError)
    assert len(scripted.bodies) == 1 or scripted.bodies[1] == b""


def test_a_retry_sends_the_same_content_under_the_same_key(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,  # noqa: F811  # the fixture
    tmp_path: Path,
) -> None:
    """From a file of another name, as each try may make one."""
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    scripted.answers = [(500, None, {}), (201, {"id": 7}, {})]
    for name in ("first", "second"):
        (tmp_path / name).write_bytes(b"1")
    with pytest.raises(ServerError):
        create(tmp_path / "first").execute(tries.context())
    assert create(tmp_path / "second").execute(tries.context()) == {"id": 7}
    assert keys(scripted)[0] == keys(scripted)[1]


def test_a_retry_with_other_content_is_refused_if_the_first_may_be_applied(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,  # noqa: F811  # the fixture
    path: Path,
) -> None:
    """The content is not kept; nothing is sent before a person has looked."""
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    scripted.answers = [(500, None, {})]
    with pytest.raises(ServerError):
        create(path).execute(tries.context())
    path.write_bytes(b"other")
    with pytest.raises(
        AirflowFailException, match="applied a file of other content, and files are not kept"
    ) as raised:
        create(path).execute(tries.context())
    assert isinstance(raised.value.__cause__, InvalidRequestError)
    assert len(scripted.requests) == 1


def test_a_file_is_read_once_where_there_is_no_key(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,  # noqa: F811  # the fixture
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may be large. A retry does not send what may have been applied, whatever the file holds by then."""
    opened, real = list[str](), InputFile.open

    def open_noted(file: InputFile) -> Any:
        opened.append(file.path)
        return real(file)

    monkeypatch.setattr(InputFile, "open", open_noted)
    set_connection(scripted.url)
    scripted.answers = [(502, None, {})]
    with pytest.raises(AirflowFailException, match="may or may not have been applied"):
        create(path).execute(tries.context())
    path.write_bytes(b"other")
    with pytest.raises(AirflowFailException, match="an earlier try of this task"):
        create(path).execute(tries.context())
    assert (opened, len(scripted.requests)) == ([str(path)], 1)


def test_a_create_that_may_be_applied_is_not_repeated(
    scripted: ScriptedBackend, set_connection: SetConnection, path: Path, mode: dict[str, Any]
) -> None:
    """As with any other body."""
    set_connection(scripted.url)
    scripted.answers = [(502, None, {})]
    with pytest.raises(AirflowFailException) as raised:
        run(create(path, **mode))
    assert isinstance(raised.value.__cause__, AmbiguousWriteError)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("keyed", [False, True])
def test_a_missing_file_is_named_and_nothing_is_sent(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tmp_path: Path,
    mode: dict[str, Any],
    *,
    keyed: bool,
) -> None:
    """It fails for good: the next try would not find it either."""
    set_connection(scripted.url, extra=KEYED if keyed else {})
    with pytest.raises(AirflowFailException, match=r"input_path: cannot read .*none.csv") as raised:
        run(create(tmp_path / "none.csv", **mode))
    assert isinstance(raised.value.__cause__, InputError)
    assert scripted.requests == []


@pytest.mark.parametrize(
    "wrong", ["users.csv", "s3://bucket", "memory://store@bucket/folder/", "file:///data/", " "]
)
def test_a_path_that_names_no_file_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, wrong: str
) -> None:
    """A relative one would depend on where a worker happens to run."""
    set_connection(scripted.url)
    with MirrorDBHook() as hook, pytest.raises(InvalidRequestError, match=r"input_path: .* names no file"):
        hook.create("api/files", input_path=wrong)
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"input_path": "{{ none }}"}, "input_path"),
        ({"input_path": None, "files": {"f": "{{ none }}"}}, r"files\['f'\]"),
        ({"content_type": "{{ none }}"}, "content_type"),
    ],
)
def test_what_renders_to_nothing_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, path: Path, arguments: Any, place: str
) -> None:
    """It would be another write."""
    set_connection(scripted.url)
    operator = create(path, **arguments)
    operator.render_template_fields({"none": None})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(AirflowFailException, match=f"{place}: .* rendered to nothing"):
        run(operator)


def test_many_requests_send_no_files(
    scripted: ScriptedBackend, set_connection: SetConnection, path: Path
) -> None:
    """A task is mapped over files; the error says so."""
    set_connection(scripted.url)
    with pytest.raises(AirflowFailException, match=r"input_path: .*\.expand\(\)"):
        run(create(path, endpoint=["api/files", "api/others"]))
    assert scripted.requests == []
