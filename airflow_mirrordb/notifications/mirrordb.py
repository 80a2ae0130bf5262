"""MirrorDBNotifier: what happens in Airflow, told to a backend.

Importing this module loads neither aiohttp nor the client: a DAG file is parsed often, and sends nothing.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseNotifier

from airflow_mirrordb.json_types import NOT_GIVEN, is_list
from airflow_mirrordb.task.checks import (
    check_body_arguments,
    check_endpoint_argument,
    check_names,
    check_values,
    naming,
)
from airflow_mirrordb.task.serialization import whole_text
from airflow_mirrordb.task.templates import RemembersTemplates, has_template

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context

#: Default of ``timeout``, in seconds. Airflow ends a process that reads a DAG file and runs its callbacks
#: after ``[dag_processor] dag_file_processor_timeout``, 50 s by default.
TIMEOUT = 10.0
#: What is written to the log in the place of being raised; anything else ends the process.
FAILURES: type[BaseException] = Exception


class MirrorDBNotifier(RemembersTemplates, BaseNotifier):
    """POST what happened, as the callback of a DAG or a task, or of a deadline (Airflow 3.1 and later).

    ::

        on_failure_callback=MirrorDBNotifier(
            endpoint="api/incidents",
            data={"task": "{{ ti.task_id }}", "run": "{{ run_id }}", "error": "{{ exception }}"},
            mirrordb_conn_id="incidents",
        )

    It is sent as a create of an operator is: again where that is safe, and on a connection with an
    ``idempotency_header`` under a key by which the backend knows it again if Airflow tells of the same event
    twice. It never raises: what could not be sent is one line of level ERROR, with what to do. It ends
    within ``timeout`` and a second, after the connection was looked up.

    What Airflow does not know of an event, as ``ti`` of a DAG, or ``exception`` where the process of a task
    was killed, renders to an empty text in ``data`` and ``form``, since an alert without it is better than
    none. In any other argument it is an error.

    :param endpoint: path relative to the connection's base URL, as ``api/incidents`` (templated)
    :param data: JSON value for the body; a string is parsed as JSON; None, written so, sends none (templated)
    :param mirrordb_conn_id: id of a connection of type ``mirrordb`` (templated)
    :param method_name: label in logs and errors (templated)
    :param form: fields of a form, instead of data (templated)
    :param content_type: what the data is called instead of ``application/json`` (templated)
    :param query: values of the query (templated)
    :param headers: further headers (templated); no secrets
    :param idempotency_key: sent if the connection has an ``idempotency_header``; by default derived from this
        Airflow, the DAG, its run, the task, its map index, the number of its try, and what is written here
        (templated)
    :param timeout: seconds after which no attempt begins, and one under way ends; the settings of the
        connection's backoff hold as far as this allows
    :param context: Airflow's, when it makes the notifier of a deadline
    :raises ValueError: if an argument cannot be meant
    :raises TypeError: if there is no such argument
    """

    template_fields: Sequence[str] = (
        "mirrordb_conn_id",
        "endpoint",
        "data",
        "form",
        "content_type",
        "query",
        "headers",
        "method_name",
        "idempotency_key",
    )
    # what else a task says of its request
    request_timeout: None = None
    accept: None = None
    full_response = False
    #: Templates of the arguments, by name, once they are rendered.
    written: Mapping[str, Any] = {}  # replaced, never changed

    def __init__(
        self,
        *,
        endpoint: str,
        data: Any = NOT_GIVEN,
        mirrordb_conn_id: str = "mirrordb_default",
        method_name: str | None = None,
        form: Mapping[str, Any] | None = None,
        content_type: str | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        timeout: float = TIMEOUT,
        context: Context | None = None,
        **kwargs: Any,
    ) -> None:
        with naming(endpoint, "notifier to"):
            check_names(type(self), kwargs)
            _check(endpoint, data, form, content_type, timeout)
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.data = None if data is NOT_GIVEN else data
        self.mirrordb_conn_id = mirrordb_conn_id
        self.method_name = method_name
        self.form = form
        self.content_type = content_type
        self.query = query
        self.headers = headers
        self.idempotency_key = idempotency_key
        self.timeout = timeout
        self.context: Any = context or {}
        with naming(endpoint, "notifier to"):
            check_values(self)

    def __call__(self, *args: Any) -> None:
        """Render the arguments and send, as the callback of a DAG or a task.

        :param args: Airflow's context; of a missed SLA (Airflow 2) what it consists of
        """
        own = copy(self)  # Airflow renders in place, and the same notifier tells of other events
        with own._telling():  # noqa: SLF001
            super(MirrorDBNotifier, own).__call__(*args)

    def __await__(self) -> Generator[Any, None, None]:
        """Render the arguments and send, in the triggerer, as the callback of a missed deadline."""
        return self._notified().__await__()

    async def _notified(self) -> None:
        own = copy(self)
        with own._telling():  # noqa: SLF001
            own._update_context(own.context)  # noqa: SLF001
            own.render_template_fields(own.context)
            await own.async_notify(own.context)

    def notify(self, context: Context) -> None:
        """Send what the arguments say as they are; it never raises.

        :param context: tells of which event this is
        """
        with self._telling():
            from airflow_mirrordb.notifications.sending import send

            send(self, context)

    async def async_notify(self, context: Context) -> None:
        """Send what the arguments say as they are, in an event loop; it never raises.

        :param context: as for :meth:`notify`
        """
        with self._telling():
            from airflow_mirrordb.notifications.sending import send_async

            await send_async(self, context)

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Render the arguments in place; what is not in the context is an empty text, or None."""
        from jinja2 import ChainableUndefined, StrictUndefined, Undefined

        dag: Any = context.get("dag")
        if not hasattr(dag, "get_template_env"):  # what dag.test() of Airflow 3 tells of a run
            dag = None
        environment = jinja_env or self.get_template_env(dag=dag)
        if environment.undefined in (Undefined, StrictUndefined):  # those of Airflow
            environment.undefined = ChainableUndefined
        super().render_template_fields(context, environment)
        self.written = self._templates
        for name, template in self._templates.items():
            if has_template(template) and getattr(self, name) is template:
                setattr(self, name, "")  # Airflow 2 leaves what renders to nothing as it was
        self.data, self.form = _as_json(self.data), _as_json(self.form)

    def refuse_nothing(self) -> None:
        """Check that nothing of what was given rendered to nothing, but for what is in the body.

        :raises InvalidRequestError: names the argument, the place in it and the template
        """
        whole = {"data", "form"}
        self._templates = {name: template for name, template in self._templates.items() if name not in whole}
        super().refuse_nothing()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Write what is raised to the log, as one line: a callback has nobody to raise it to."""
        try:
            yield
        except FAILURES as error:
            from airflow_mirrordb.notifications.failures import log_failure

            log_failure(self, error)


def _as_json(value: Any) -> Any:
    """Return a rendered value as JSON can hold it: an alert with less in it is better than none.

    What is not known, to which native types render no text, is None. What they leave as it is, as an
    exception, is its text, and half a surrogate pair in a text is U+FFFD.
    """
    from jinja2 import Undefined

    if isinstance(value, Undefined):
        return None
    if isinstance(value, dict):
        return {name: _as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if value is None or isinstance(value, int | float):
        return value
    return whole_text(str(value))


def _check(endpoint: object, data: object, form: object, content_type: object, timeout: Any) -> None:
    """Check what the author of a DAG wrote, but templates.

    :raises ValueError: names the argument
    """
    if is_list(endpoint):
        raise ValueError("endpoint: a notification goes to one, not to a list")
    check_endpoint_argument(endpoint)
    if data is NOT_GIVEN and form is None:
        raise ValueError("data: it is missing; a body is made of data, or of form")
    check_body_arguments(data=data, form=form, content_type=content_type)
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or not 0 < timeout < math.inf:
        raise ValueError(f"timeout: it must be a number of seconds above 0, not {timeout!r:.200}")
