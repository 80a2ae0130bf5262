"""What an author says of a job: where it is, what its states mean, how it is cancelled. Pure, and light."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_mirrordb.conditions import Condition, check_path, same
from airflow_mirrordb.json_types import texts_in
from airflow_mirrordb.paths import ABSENT, Path, parse_path

if TYPE_CHECKING:
    from airflow_mirrordb.client.endpoints.patterns import Method

#: Default of ``poll_interval``, in seconds.
POLL_INTERVAL = 30.0
#: Default of ``timeout``, in seconds: a day.
TIMEOUT = 86_400.0
#: Default of ``max_failures``.
MAX_FAILURES = 5
#: What the answer to a submit may say of the job in a header, the first of them that is there: the monitor of
#: Azure's guidelines and of its Resource Manager, then RFC 9110 (section 10.2.2 and 8.7).
MONITORS = ("Operation-Location", "Azure-AsyncOperation")
LOCATIONS = (*MONITORS, "Location", "Content-Location")

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_HEADER, _SEGMENTS = "header:", ":path"
_METHODS = ("POST", "DELETE", "PUT", "PATCH")
_NAMES = {
    "job": ("endpoint", "query"),
    "result": ("endpoint", "query", "accept"),
    "cancel": ("method", "endpoint", "query", "data"),
}


class Placeholder(NamedTuple):
    """What stands between braces in an endpoint.

    :param path: into a body
    :param header: name of a header of the answer to the submit instead
    :param is_segments: whether the value may be several segments
    """

    path: Path | None
    header: str | None
    is_segments: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A request about a job, with placeholders; plain values.

    :param method: of a cancel
    :param endpoint: None is the job's own
    :param query: values of the query
    :param data: JSON value for the body of a cancel
    :param accept: media types that a result shall have
    """

    method: Method = "GET"
    endpoint: str | None = None
    query: Mapping[str, Any] | None = None
    data: Any = None
    accept: str | None = None

    @property
    def placeholders(self) -> list[str]:
        """The texts between braces in all that is said here."""
        return [
            found
            for text in texts_in([self.endpoint, self.query, self.data])
            for found in PLACEHOLDER.findall(text)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobArguments:
    """How a job is followed from its submit to its result; plain values, for a trigger as well.

    A request is an endpoint, or a mapping of ``endpoint``, ``query`` and more. In braces stand paths into the
    answer to the submit, for ``result`` and ``cancel`` also into the job's body, as ``api/jobs/{id}``: the
    value is one segment, with ``{name:path}`` several; ``{header:Location}`` is a header of the answer to the
    submit. An endpoint that is one placeholder and nothing else is a URL of the backend's, or what of one
    lies under the base URL. In ``query`` and ``data`` such a text becomes the value as it is.

    :param job: the request of a poll; by default the URL in a header of the answer to the submit:
        Operation-Location, Azure-AsyncOperation, Location or Content-Location. If that has none of them
        either, a 2xx other than 202 says that the job is done, and is its result
    :param state: path of the state in the job's body. Without it a 202 says that it runs, and another 2xx
        that it is done; but a job at Operation-Location or Azure-AsyncOperation has the states of Azure's
    :param succeeded: states of a success; texts are compared in any case
    :param failed: states of a failure
    :param running: states with which the job still runs, if all others are failures
    :param error: path of the words of a failure in the job's body. Where ``succeeded`` has true, which only
        says that it is over, the job failed if something is there (Google's AIP-151)
    :param progress: path of what is logged while it runs
    :param result: the request of the result; by default the job's body is the result
    :param paginate: how the result goes on in further pages, see ``read_function``
    :param cancel: the request that cancels the job, as ``POST api/jobs/{id}/cancel``; a method alone, as
        ``DELETE``, goes to the job itself
    :param poll_interval: shortest wait between two polls, in seconds
    :param timeout: seconds from the submit to the last poll, after which the job is cancelled
    :param max_failures: passing failures of polls in a row that are too many
    :param rendered: names of those of the states that templates made, so that a number may be its text
    :raises ValueError: if they contradict each other, or one cannot be meant; begins with its name
    """

    job: str | Mapping[str, Any] | None = None
    state: str | None = None
    succeeded: Sequence[Any] | None = None
    failed: Sequence[Any] | None = None
    running: Sequence[Any] | None = None
    error: str | None = None
    progress: str | None = None
    result: str | Mapping[str, Any] | None = None
    paginate: Mapping[str, Any] | None = None
    cancel: str | Mapping[str, Any] | None = None
    poll_interval: float = POLL_INTERVAL
    timeout: float = TIMEOUT
    max_failures: int = MAX_FAILURES
    rendered: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("job", "result", "cancel"):
            job_request_of(name, getattr(self, name))
        for name in ("state", "error", "progress"):
            if (path := getattr(self, name)) is not None:
                check_path(name, path)
        check_states(self.state, self.succeeded, self.failed, self.running)
        for name in ("poll_interval", "timeout", "max_failures"):
            check_number(name, getattr(self, name))
        if self.paginate is not None and self.result is None:
            raise ValueError("paginate: it goes with result, whose pages it reads")
        self.condition  # noqa: B018  # which refuses states that are no JSON

    @property
    def condition(self) -> Condition:
        """What a poll waits for."""
        if self.state is None:
            return Condition()
        return Condition(
            field=self.state,
            is_in=self.succeeded,
            failed=self.failed,
            running=self.running,
            ignore_case=True,
            rendered=["is_in" if name == "succeeded" else name for name in self.rendered],
        )

    @property
    def error_decides(self) -> bool:
        """Whether something at ``error`` says that a job which is over has failed."""
        return self.error is not None and any(
            str(state).casefold() == "true" for state in self.succeeded or ()
        )


#: The arguments that say how a job is followed, as its author gives them.
JOB_FIELDS = tuple(field.name for field in fields(JobArguments) if field.name != "rendered")
#: How a status monitor of Azure's tells its state (Microsoft REST API Guidelines, "Long-Running Operations").
AZURE: Mapping[str, Any] = {
    "state": "status",
    "succeeded": ["Succeeded"],
    "failed": ["Failed", "Canceled", "Cancelled"],
    "error": "error.message",
}


def job_request_of(name: str, given: str | Mapping[str, Any] | None) -> JobRequest | None:
    """Return what ``job``, ``result`` or ``cancel`` says; None if it says nothing.

    :raises ValueError: if it cannot be meant; begins with the name
    """
    if given is None:
        return None
    said: Any = _said(given, by_method=name == "cancel") if isinstance(given, str) else given
    wanted = f"it must be an endpoint, or a mapping of {', '.join(_NAMES[name])}"
    if not isinstance(said, Mapping):
        raise ValueError(f"{name}: {wanted}, not {given!r:.200}")  # noqa: TRY004  # one error for all
    if unknown := [key for key in said if key not in _NAMES[name]]:
        raise ValueError(f"{name}: {wanted}; there is no {unknown[0]!r}")
    _check_kinds(name, said)
    request = JobRequest(**{**said, "method": str(said.get("method", "GET")).upper()})
    if name != "cancel" and not request.endpoint:
        raise ValueError(f"{name}: it names no endpoint, as 'api/jobs/{{id}}'")
    if name == "cancel" and request.method not in _METHODS:
        raise ValueError(
            f"cancel: it begins with a method, as 'POST api/jobs/{{id}}/cancel', not {given!r:.200}"
        )
    if any(brace in PLACEHOLDER.sub("", request.endpoint or "") for brace in "{}"):
        raise ValueError(
            f"{name}: a brace stands alone in {request.endpoint!r:.200}; a path stands in {{braces}}"
        )
    for text in request.placeholders:
        try:
            placeholder(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return request


def _check_kinds(name: str, said: Mapping[str, Any]) -> None:
    """Check the types of what a mapping says, but ``data``, which may be any JSON value.

    :raises ValueError: names one that is of another
    """
    texts: dict[str, tuple[Any, str]] = dict.fromkeys(("method", "endpoint", "accept"), (str, "a text"))
    for key, (kind, wanted) in {**texts, "query": (Mapping, "a mapping, as {'id': '{id}'}")}.items():
        if not isinstance(said.get(key), kind | None):
            raise ValueError(f"{name}: {key} must be {wanted}, not {said[key]!r:.200}")  # noqa: TRY004  # one error


def placeholder(text: str) -> Placeholder:
    """Return what stands between braces.

    :raises ValueError: if it is no path, nor a header
    """
    if text.startswith(_HEADER):
        return Placeholder(None, text.removeprefix(_HEADER).strip(), is_segments=False)
    is_segments = text.endswith(_SEGMENTS)
    return Placeholder(parse_path(text.removesuffix(_SEGMENTS)), None, is_segments)


def check_states(state: object, succeeded: object, failed: object, running: object) -> None:
    """Check what is said of the states of a job.

    :raises ValueError: names what is wrong
    """
    lists = {"succeeded": succeeded, "failed": failed, "running": running}
    given = {name: states for name, states in lists.items() if states is not None}
    if state is None and given:
        raise ValueError(f"{next(iter(given))}: say where the state is, as state='status'")
    if state is not None and "succeeded" not in given:
        raise ValueError("succeeded: say which states are a success, as ['succeeded']")
    seen: list[tuple[str, Any]] = []
    for name, states in given.items():
        if not isinstance(states, (list, tuple)):
            wanted = f"it must be a list, as [{states!r:.200}]"
            raise ValueError(f"{name}: {wanted}, not {states!r:.200}")  # noqa: TRY004  # one error for all
        if not states:
            raise ValueError(f"{name}: it is empty")
        for value in states:
            if name != "running" and value is None:
                raise ValueError(f"{name}: null is also what is not there, and that is a job which runs")
            for other, known in seen:
                if same(_folded(known), _folded(value)):
                    raise ValueError(f"{name}: {value!r} is also one of {other}")
        seen += [(name, value) for value in states]


def check_number(name: str, value: object) -> None:
    """Check a number of seconds or failures.

    :raises ValueError: if it is none above 0
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < float("inf"):  # type: ignore[operator]
        what = "number" if name == "max_failures" else "number of seconds"
        raise ValueError(f"{name}: it must be a {what} above 0, not {value!r}")


def is_empty(value: object) -> bool:
    """Whether what is at ``error`` tells of no failure."""
    return value is ABSENT or value in (None, False, "", {}, [])


def _said(text: str, *, by_method: bool) -> dict[str, Any]:
    if not by_method:
        return {"endpoint": text}
    method, _, endpoint = text.strip().partition(" ")
    return {"method": method.upper(), "endpoint": endpoint.strip() or None}


def _folded(value: object) -> object:
    return value.casefold() if isinstance(value, str) else value
