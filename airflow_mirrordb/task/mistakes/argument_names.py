"""What is said of an argument that an operator, a sensor or a trigger does not have."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from airflow_mirrordb.client.calls.argument_names import meant_by, remedy_for

_METHODS = ("method", "http_method", "verb", "request_method")
#: What each class sends; of several that send the same the first is named.
_SENDS: dict[str, str] = {
    "MirrorDBReadOperator": "GET",
    "MirrorDBCreateOperator": "POST",
    "MirrorDBUpdateOperator": "PUT",
    "MirrorDBDeleteOperator": "DELETE",
    "MirrorDBJobOperator": "POST",
    "MirrorDBNotifier": "POST",
    "MirrorDBSensor": "GET",
    "MirrorDBEventTrigger": "GET",
}
#: What sends each method, for who is used to one operator for all.
_SENT_BY: Mapping[str, str] = {
    **{method: name for name, method in reversed(_SENDS.items())},
    "PATCH": "MirrorDBUpdateOperator with partial=True",
}
#: Arguments that only some classes have, and which; a test holds it against their constructors.
_OF_SOME: Mapping[str, str] = {
    name: classes
    for classes, names in {
        "MirrorDBCreateOperator, MirrorDBUpdateOperator and MirrorDBJobOperator": "form files input_path"
        " content_type idempotency_key",
        "MirrorDBCreateOperator and MirrorDBUpdateOperator": "bulk",
        "MirrorDBReadOperator and MirrorDBJobOperator": "paginate output_path",
        "MirrorDBUpdateOperator": "partial",
        "MirrorDBUpdateOperator and MirrorDBDeleteOperator": "if_match",
        "MirrorDBDeleteOperator": "missing_ok",
        "MirrorDBSensor": "field equals is_in changed condition not_yet gone",
        "MirrorDBSensor and MirrorDBJobOperator": "failed max_failures",
        "MirrorDBJobOperator": "job state succeeded running error progress result cancel poll_interval"
        " timeout cancel_on_kill durable",
    }.items()
    for name in names.split()
}
_WORDS: Mapping[str, str] = {
    "data": "a DELETE has no body; what is deleted is said by 'endpoint' and 'query'",
    "poll_interval": "it asks once; MirrorDBSensor waits for a resource, MirrorDBJobOperator for a job",
    "etag": "the entity tag of an answer is in the result of full_response=True",
    "id": "it is a part of the endpoint, as endpoint='users/7'",
    "token_from": "a token that a task before made lies in XCom in clear text; let the connection fetch it"
    " (auth_type), or keep it in a connection (auth_conn_id)",
    "log_response": "an answer is not logged, it is the task's result",
}
_SAME_WORDS = {
    "interval": "poll_interval",
    "poke_interval": "poll_interval",
    "mode": "poll_interval",
    "resource_id": "id",
    "record_id": "id",
}


def unknown_argument(
    kind: type, name: str, value: object, *, own: Collection[str], others: Collection[str] = ()
) -> str:
    """Return what is said of an argument that a class does not have, and of what was meant.

    :param kind: an operator, a sensor or a trigger
    :param value: that was given; None if it is not known
    :param own: the arguments of our constructors
    :param others: those of Airflow's
    """
    told = f"{getattr(kind, 'custom_operator_name', kind.__name__)} has no argument {name!r}"
    if name in _METHODS and (sends := _sends(kind)):
        return f"{told}: {_method(sends, value)}"
    words = _WORDS.get(_SAME_WORDS.get(name, name), "")
    if remedy := remedy_for(name, own, others, words=words, lists=False):
        return f"{told}{'; ' if remedy.startswith('did you') else ': '}{remedy}"
    if ours := next((ours for ours in (name, *meant_by(name)) if ours in _OF_SOME), None):
        return f"{told}: {ours!r} is an argument of {_OF_SOME[ours]}"
    return f"{told}; it has {', '.join(own)}, and those of Airflow's {_base(kind)}"


def _sends(kind: type) -> str:
    return next((_SENDS[base.__name__] for base in kind.__mro__ if base.__name__ in _SENDS), "")


def _method(sends: str, value: object) -> str:
    """Return what sends a method, where one operator sends only one.

    :param value: that was given; None if it is not known
    """
    wanted = str(value).upper()
    if value is None or sends == wanted:
        return f"it always sends {sends}"
    if sends == "PUT" and wanted == "PATCH":
        return "for PATCH say partial=True"
    sent_by = _SENT_BY.get(wanted)
    other = f"{wanted} is sent by {sent_by}" if sent_by else f"there are operators for {', '.join(_SENT_BY)}"
    return f"it sends {sends}; {other}"


def _base(kind: type) -> str:
    return next(base.__name__ for base in kind.__mro__ if not base.__module__.startswith("airflow_mirrordb."))
