"""Several tries of one task: what the second one knows of the first."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count
from threading import Thread, main_thread
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from typing_extensions import Self

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    ConnectError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.base import MirrorDBOperator
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.task.memory.state import LARGEST, NAME, WriteState
from airflow_mirrordb.task.memory.takeover import NAME as SENT
from tests.integration.test_operators import first_event, restored
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection
from tests.support.task_tries import StateStore

KEYED = {"idempotency_header": "Idempotency-Key"}
since_3_3 = pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="retry policies came with Airflow 3.3")


@pytest.fixture
def tries() -> Tries:
    return Tries()


class Tries:
    """The tries of one task: its state store survives them; ``clear()`` is a user's."""

    def __init__(self) -> None:
        self.store = StateStore()
        self.max_tries = 2

    def clear(self) -> None:
        self.max_tries += 1

    def context(self) -> Any:
        ti = SimpleNamespace(
            dag_id="dag",
            run_id="run",
            task_id="task",
            map_index=-1,
            max_tries=self.max_tries,
            xcom_push=lambda **_: None,
        )
        return {"ti": ti, "task_state_store": self.store}


def create(**arguments: Any) -> MirrorDBCreateOperator:
    return MirrorDBCreateOperator(
        **{"task_id": "task", "endpoint": "api/users", "data": {"n": 1}, **arguments}
    )


def test_retry_repeats_the_write_of_the_first_try(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Data that a template renders anew in each try is sent as it was first, under the same key."""
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    moments = count()
    for status in (500, 201):
        scripted.answer(status, {})
        operator = create(data={"now": next(moments)})
        if status == 500:
            with pytest.raises(ServerError):
                operator.execute(tries.context())
        else:
            operator.execute(tries.context())
    assert scripted.bodies == [b'{"now":0}', b'{"now":0}']
    assert len({headers["Idempotency-Key"] for headers in scripted.headers}) == 1


def large(number: int) -> dict[str, Any]:
    return {"n": number, "long": "x" * LARGEST}


def test_large_data_is_sent_again_under_the_same_key(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """What is too large for Airflow's database is not kept there; its key and its hash are.

    The order of names in an object is no difference (RFC 8259, section 4).
    """
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    for status, data in ((500, large(1)), (201, dict(reversed(large(1).items())))):
        scripted.answer(status, {})
        operator = create(data=data, idempotency_key=f"key-{status}")
        if status == 500:
            with pytest.raises(ServerError):
                operator.execute(tries.context())
        else:
            operator.execute(tries.context())
    assert [headers["Idempotency-Key"] for headers in scripted.headers] == ["key-500"] * 2
    assert len(str(tries.store)) < 300


@pytest.mark.parametrize("change", [{"data": large(2)}, {"endpoint": "api/others"}, {"query": {"a": 1}}])
def test_other_large_data_is_refused_where_the_first_may_have_been_applied(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, change: dict[str, Any]
) -> None:
    """Under the key of the first try the backend would drop it; under its own it would be a second write."""
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    scripted.answer(500)
    with pytest.raises(ServerError):
        create(data=large(1)).execute(tries.context())
    with pytest.raises(AirflowFailException, match=r"other data.*clear the task") as raised:
        create(**{"data": large(1), **change}).execute(tries.context())
    assert isinstance(raised.value.__cause__, InvalidRequestError)
    assert len(scripted.requests) == 1
    tries.clear()
    scripted.answer(201, {})
    create(**{"data": large(1), **change}).execute(tries.context())
    assert len(scripted.requests) == 2


def test_other_large_data_is_sent_where_the_first_was_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """It was not applied, so there is nothing to double; other data has another key."""
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    scripted.answer(429)
    with pytest.raises(RateLimitError):
        create(data=large(1)).execute(tries.context())
    scripted.answer(201, {})
    create(data=large(2)).execute(tries.context())
    assert len({headers["Idempotency-Key"] for headers in scripted.headers}) == 2


def test_clearing_begins_anew(scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries) -> None:
    """After a user cleared the task, the data is that of the new rendering, and so is the key."""
    set_connection(scripted.url, extra=KEYED)
    for number in range(2):
        scripted.answer(201, {})
        create(data={"n": number}).execute(tries.context())
        tries.clear()
    assert scripted.bodies == [b'{"n":0}', b'{"n":1}']
    assert len({headers["Idempotency-Key"] for headers in scripted.headers}) == 2


@pytest.mark.parametrize("with_store", [True, False])
@pytest.mark.parametrize("data", [{"n": 1}, [{"n": 1}, {"n": 2}]])
def test_a_cleared_task_has_other_keys_and_a_retry_the_same(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, data: Any, *, with_store: bool
) -> None:
    """A backend that knows a key replays its first answer, so a cleared task would create nothing.

    Each retry of a task has the ``max_tries`` of its first try, whatever its DAG says of ``retries`` by
    then; clearing sets it to ``try_number + retries`` (``clear_task_instances`` of Airflow 2.11 to 3.3).
    """
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    many = isinstance(data, list)
    number = len(data) if many else 1

    def run(retries: int) -> list[str]:
        for _ in range(number):
            scripted.answer(201, {})
        context = tries.context()
        if not with_store:
            del context["task_state_store"]
        create(data=data, bulk=many, concurrency=1, retries=retries).execute(context)
        return [headers["Idempotency-Key"] for headers in scripted.headers[-number:]]

    first = run(retries=2)
    tries.store.clear()  # or a bulk would know that all is done
    assert run(retries=7) == first
    tries.clear()
    assert not set(run(retries=2)) & set(first)


def test_deferred_write_is_kept_before_it_leaves_the_worker(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """The next try hands the trigger the very same request."""
    set_connection(scripted.url, extra=KEYED)
    requests = []
    for number in range(2):
        with pytest.raises(TaskDeferred) as deferred:
            create(data={"n": number}, deferrable=True, worker_timeout=0).execute(tries.context())
        requests.append(deferred.value.trigger.serialize()[1]["request"])
    assert requests[0] == requests[1]


def killed_in_flight(operator: MirrorDBOperator, tries: Tries, *, repeatable: bool = False) -> None:
    """What a worker has done of a write at the moment it is killed."""
    context = tries.context()
    with MirrorDBHook() as hook:
        request = operator.request(context, hook.get_conn())
    WriteState(context).begin(request, repeatable=repeatable)


@pytest.mark.parametrize(
    "operator",
    [
        create(),
        create(deferrable=True),
        MirrorDBUpdateOperator(task_id="task", endpoint="api/users/1", data={}, if_match='"1"'),
    ],
)
def test_write_of_a_killed_try_is_reported_not_repeated(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    operator: MirrorDBOperator,
) -> None:
    """A try that follows a killed one fails for good and sends nothing; a cleared task sends again."""
    set_connection(scripted.url)
    killed_in_flight(operator, tries)
    with pytest.raises(AirflowFailException, match="an earlier try of this task") as raised:
        operator.execute(tries.context())
    assert isinstance(raised.value.__cause__, AmbiguousWriteError)
    assert scripted.requests == []
    tries.clear()
    scripted.answer(200, {})
    operator.execute(tries.context())
    assert len(scripted.requests) == 1


def test_cleared_task_sends_though_the_killed_try_was_not_reported(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
) -> None:
    """A person who clears a killed task has decided."""
    set_connection(scripted.url)
    killed_in_flight(create(), tries)
    tries.clear()
    scripted.answer(201, {})
    create().execute(tries.context())
    assert len(scripted.requests) == 1


def test_failure_with_a_known_outcome_leaves_no_mark(set_connection: SetConnection, tries: Tries) -> None:
    """A write that surely was not applied may be sent by the next try."""
    set_connection("http://127.0.0.1:1", extra={"max_attempts": 1})
    with pytest.raises(ConnectError):
        create().execute(tries.context())
    assert NAME not in tries.store


# -- whether an earlier try may have applied it --------------------------------------------------


def delete(**arguments: Any) -> MirrorDBDeleteOperator:
    return MirrorDBDeleteOperator(**{"task_id": "task", "endpoint": "api/users/1", **arguments})


def test_a_delete_after_a_killed_one_may_meet_its_404(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """The worker was killed in the middle of the request, which may well have been carried out."""
    set_connection(scripted.url)
    killed_in_flight(delete(), tries, repeatable=True)
    scripted.answer(404)
    assert delete().execute(tries.context()) is None


@pytest.mark.parametrize("case", ["no store", "another id", "cleared"])
def test_a_404_to_a_delete_is_an_error_where_no_earlier_try_can_have_deleted(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, case: str
) -> None:
    """A wrong id is never silently green; before Airflow 3.3 nobody knows of the killed try."""
    set_connection(scripted.url)
    killed_in_flight(delete(), tries, repeatable=True)
    if case == "cleared":
        tries.clear()
    context = tries.context()
    if case == "no store":
        del context["task_state_store"]
    scripted.answer(404)
    with pytest.raises(AirflowFailException) as raised:
        delete(endpoint="api/users/2" if case == "another id" else "api/users/1").execute(context)
    assert isinstance(raised.value.__cause__, NotFoundError)


@pytest.mark.parametrize(
    ("status", "error", "gone"), [(502, ServerError, True), (429, RateLimitError, False)]
)
def test_what_a_try_knows_of_its_delete_is_known_to_the_next(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    status: int,
    error: type[Exception],
    *,
    gone: bool,
) -> None:
    """After a try that may have deleted, a 404 is a success; after one that was only refused, it is not."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    scripted.answer(status)
    with pytest.raises(error):
        delete().execute(tries.context())
    scripted.answer(404)
    if gone:
        assert delete().execute(tries.context()) is None
    else:
        with pytest.raises(AirflowFailException):
            delete().execute(tries.context())


@pytest.mark.parametrize(("status", "waits"), [(500, True), (429, False)])
def test_a_409_to_a_keyed_create_is_waited_out_only_after_a_try_that_may_be_under_way(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, status: int, *, waits: bool
) -> None:
    """The backend is busy with the request of the earlier try; a refused one cannot be what it is busy with.

    (draft-ietf-httpapi-idempotency-key-header-07, section 2.7)
    """
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    scripted.answer(status)
    with pytest.raises(ServerError if waits else RateLimitError):
        create().execute(tries.context())
    set_connection(scripted.url, extra=KEYED)
    scripted.answer(409)
    scripted.answer(201, {"id": 1})
    if waits:
        assert create().execute(tries.context()) == {"id": 1}
    else:
        with pytest.raises(AirflowFailException):
            create().execute(tries.context())


@pytest.mark.parametrize(("scheme", "gone"), [("http", True), ("https", False)])
def test_a_delete_that_a_time_out_cuts_off_was_applied_only_if_it_was_sent(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, scheme: str, *, gone: bool
) -> None:
    """A worker that waits for a TLS handshake has not sent it."""
    with TimedOut() as backend:
        set_connection(f"{scheme}://{backend.host}")
        with pytest.raises(AirflowTaskTimeout):
            delete().execute(tries.context())
    set_connection(scripted.url)
    scripted.answer(404)
    if gone:
        assert delete().execute(tries.context()) is None
    else:
        with pytest.raises(AirflowFailException):
            delete().execute(tries.context())


@pytest.mark.usefixtures("triggerer")
@pytest.mark.parametrize("case", ["failed", "refused", "never came back"])
@pytest.mark.parametrize("first", [delete, create])
def test_what_a_trigger_knows_of_its_write_is_known_to_the_next_try(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    first: Callable[..., MirrorDBOperator],
    case: str,
) -> None:
    """A trigger that Airflow timed out tells nothing: it may have sent the write."""
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    with pytest.raises(TaskDeferred) as deferred:
        first(deferrable=True, worker_timeout=0).execute(tries.context())
    scripted.answer(429 if case == "refused" else 500)
    event = asyncio.run(first_event(restored(deferred.value)))
    if case != "never came back":
        with pytest.raises(RateLimitError if case == "refused" else ServerError):
            first().execute_complete(tries.context(), event)
    memory = WriteState(tries.context())
    context = tries.context()
    with MirrorDBHook() as hook:
        request = first().request(context, hook.get_conn())
    assert memory.begin(request, repeatable=True)[1] is (case != "refused")


@pytest.mark.parametrize(
    ("operator", "noted"),
    [
        (delete(), True),
        (delete(missing_ok=True), False),
        (MirrorDBReadOperator(task_id="task", endpoint="api/users/1"), False),
    ],
)
def test_the_worker_makes_the_note_that_the_trigger_looks_for(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, operator: Any, *, noted: bool
) -> None:
    """Airflow's triggerer logs an error about an XCom that is not there."""
    set_connection(scripted.url)
    pushed: list[dict[str, Any]] = []
    operator.deferrable, operator.worker_timeout = True, 0
    context = tries.context()
    context["ti"].xcom_push = lambda **xcom: pushed.append(xcom)
    with pytest.raises(TaskDeferred):
        operator.execute(context)
    notes = [xcom for xcom in pushed if xcom["key"] == SENT]
    assert notes == ([{"key": SENT, "value": 0}] if noted else [])


def test_what_may_be_repeated_without_a_thought_is_not_noted(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """A PUT, and a DELETE to which a 404 is fine, cost Airflow's supervisor no message."""
    set_connection(scripted.url, extra=KEYED)
    for operator in (
        delete(missing_ok=True),
        MirrorDBUpdateOperator(task_id="t", endpoint="api/x/1", data={}),
    ):
        scripted.answer(200, {})
        operator.execute(tries.context())
    assert tries.store == {}


class TimedOut:
    """Raises Airflow's task time-out in the main thread as soon as a request, or a handshake, arrives."""

    def __init__(self) -> None:
        self.received = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGUSR1, self._raise)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._thread.join()
        self._socket.close()
        signal.signal(signal.SIGUSR1, self._before)

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            self.received = connection.recv(65536)
            signal.pthread_kill(main_thread().ident or 0, signal.SIGUSR1)
            with suppress(ConnectionResetError):  # nothing more of that request is sent
                connection.recv(65536)

    def _raise(self, *_: object) -> None:
        raise AirflowTaskTimeout("Timeout")


@pytest.mark.parametrize("deferrable", [False, True])
def test_time_out_in_flight_is_ambiguous_at_once(
    set_connection: SetConnection, tries: Tries, deferrable: bool
) -> None:
    """A write that a time-out of the task cut off ends the task for good, not only in its next try."""
    with TimedOut() as backend:
        set_connection(f"http://{backend.host}")
        with pytest.raises(AirflowFailException, match=r"may or may not .* AirflowTaskTimeout") as raised:
            create(deferrable=deferrable).execute(tries.context())
    assert backend.received.startswith(b"POST /api/users ")
    ambiguous = raised.value.__cause__
    assert isinstance(ambiguous, AmbiguousWriteError)
    assert (ambiguous.method, ambiguous.endpoint, ambiguous.attempts) == ("POST", "api/users", 1)
    assert isinstance(ambiguous.__cause__, AirflowTaskTimeout)
    with pytest.raises(AirflowFailException, match="an earlier try of this task"):
        create(deferrable=deferrable).execute(tries.context())  # whatever makes another try, it sends nothing


def test_time_out_before_sending_is_a_time_out(set_connection: SetConnection, tries: Tries) -> None:
    """A write that had not left is left to Airflow's retries, and the next try may send it."""
    with TimedOut() as backend:
        set_connection(f"https://{backend.host}")
        with pytest.raises(AirflowTaskTimeout):
            create().execute(tries.context())
    assert backend.received.startswith(b"\x16\x03")  # a TLS handshake
    assert NAME not in tries.store


def test_time_out_of_a_repeatable_write_is_a_time_out(set_connection: SetConnection, tries: Tries) -> None:
    """A keyed create is repeated by the next try, so the time-out stays one."""
    with TimedOut() as backend:
        set_connection(f"http://{backend.host}", extra=KEYED)
        with pytest.raises(AirflowTaskTimeout):
            create().execute(tries.context())
    assert b"Idempotency-Key" in backend.received


def test_interrupted_hook_is_usable_again(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """What interrupts a call of the hook goes on as it is; a write has the ambiguous error as its cause."""
    with TimedOut() as backend, MirrorDBHook() as hook:
        set_connection(f"http://{backend.host}")
        with pytest.raises(AirflowTaskTimeout) as raised:
            hook.create("api/users", {})
        assert isinstance(raised.value.__cause__, AmbiguousWriteError)
        hook._run(hook.get_conn().update_config(base_url=scripted.url))
        scripted.answer(200, "still here")
        assert hook.read("api/users/1") == "still here"


def failing(_data: Any) -> Any:
    raise ValueError("no such field")


def skipping(_data: Any) -> Any:
    raise AirflowSkipException("nothing new")


def timing_out(_data: Any) -> Any:
    raise AirflowTaskTimeout("Timeout")


def refusing(_data: Any) -> Any:
    raise AirflowException("no such field")


@pytest.mark.parametrize("response_filter", [failing, refusing])
def test_filter_that_fails_after_a_write_fails_the_task_for_good(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    response_filter: Callable[[Any], Any],
) -> None:
    """A retry would create again; Airflow retries a plain AirflowException as any other error."""
    set_connection(scripted.url)
    scripted.answer(201, {})
    with pytest.raises(AirflowFailException, match=r"the write was applied, but .*no such field"):
        create(response_filter=response_filter).execute(tries.context())


def test_write_whose_result_could_not_be_stored_is_not_sent_again(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Airflow stores the result after the task, and tries again if its database is away just then."""
    set_connection(scripted.url)
    scripted.answer(201, {})
    create().execute(tries.context())
    with pytest.raises(AirflowFailException, match="an earlier try of this task"):
        create().execute(tries.context())
    assert len(scripted.requests) == 1


def test_filter_may_skip_the_task(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Airflow's own exceptions keep their meaning after a write."""
    set_connection(scripted.url)
    scripted.answer(201, {})
    with pytest.raises(AirflowSkipException):
        create(response_filter=skipping).execute(tries.context())


def test_time_out_between_answer_and_result_is_final(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """The write was applied: the next try must not send it again."""
    set_connection(scripted.url)
    scripted.answer(201, {})
    with pytest.raises(AirflowFailException, match=r"the write was applied, but .* AirflowTaskTimeout"):
        create(response_filter=timing_out).execute(tries.context())
    with pytest.raises(AirflowFailException, match="an earlier try of this task"):
        create().execute(tries.context())
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("method", ["send", "close"])
def test_time_out_right_after_the_answer_is_final(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, method: str
) -> None:
    """Also where no store would tell the next try: Airflow makes none."""
    set_connection(scripted.url)
    scripted.answer(201, {})
    real, context = getattr(MirrorDBHook, method), tries.context()
    del context["task_state_store"]

    def struck(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        raise AirflowTaskTimeout("Timeout")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MirrorDBHook, method, struck)
        with pytest.raises(AirflowFailException, match=r"may or may not .* AirflowTaskTimeout") as raised:
            create().execute(context)
    assert isinstance(raised.value.__cause__, AmbiguousWriteError)
    assert len(scripted.requests) == 1


def test_read_remembers_nothing(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Only writes cost messages to Airflow's supervisor."""
    set_connection(scripted.url, extra=KEYED)
    scripted.answer(200, {})
    MirrorDBReadOperator(task_id="task", endpoint="api/users").execute(tries.context())
    assert tries.store == {}


@since_3_3
def test_rate_limit_is_retried_when_the_backend_said() -> None:
    """Airflow's next try comes exactly after ``retry_after``; other failures follow the task's settings."""
    from airflow.providers.common.compat.sdk import RetryAction

    from airflow_mirrordb.task.outcomes.retry_policy import MirrorDBRetryPolicy

    policy = MirrorDBRetryPolicy()
    limited = policy.evaluate(RateLimitError(message="429", retryable=True, retry_after=90.0), 1, 3)
    assert (limited.action, limited.retry_delay) == (RetryAction.RETRY, timedelta(seconds=90))
    unknown = RateLimitError(message="429", retryable=True)
    for error in (unknown, ConnectError(message="refused"), ValueError("no")):
        assert policy.evaluate(error, 1, 3).action is RetryAction.DEFAULT


@since_3_3
def test_an_absurd_retry_after_does_not_park_a_task(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """A backend is obeyed for a day at most, also by Airflow's own retry."""
    from airflow_mirrordb.task.outcomes.retry_policy import MirrorDBRetryPolicy

    set_connection(scripted.url)
    scripted.answers = [(500, None, {"Retry-After": "99999999"})]
    with pytest.raises(ServerError) as failed:
        MirrorDBReadOperator(task_id="task", endpoint="api/users").execute(tries.context())
    assert MirrorDBRetryPolicy().evaluate(failed.value, 1, 3).retry_delay == timedelta(days=1)


@since_3_3
def test_operators_bring_their_retry_policy() -> None:
    """It is the default, mapped tasks included, and an author's own wins."""
    from airflow_mirrordb.task.outcomes.retry_policy import MirrorDBRetryPolicy

    assert isinstance(create().retry_policy, MirrorDBRetryPolicy)
    mapped = MirrorDBCreateOperator.partial(task_id="t", endpoint="api/users")
    unmapped = mapped.expand(data=[{}]).unmap({"data": {}})
    assert isinstance(unmapped.retry_policy, MirrorDBRetryPolicy)
    own = MirrorDBRetryPolicy()
    assert create(retry_policy=own).retry_policy is own
