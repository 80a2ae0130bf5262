"""Which MirrorDB error an exception stands for that a user, or a library, raised in its place."""

from __future__ import annotations

from airflow_mirrordb.client.errors import DisconnectedError, MirrorDBError


def errors_behind(exception: BaseException) -> list[MirrorDBError]:
    """Return the MirrorDB errors that an exception stands for; none if it is about something else.

    It is the exception itself, or the first one on the way that a traceback tells: from an exception to its
    cause (``raise ... from error``), or, without one, to the exception that was being handled
    ("Exception Chaining" in the tutorial of Python, and PEP 3134). A suppressed context
    (``raise ... from None``) ends the way. Of a group (PEP 654, or the package ``exceptiongroup``) each
    member has a way of its own; the group's own goes on only if none of them leads to an error. What was
    passed already, as on a way that leads in a circle, is not passed again.

    What interrupts a task, as its time-out, is no consequence of what it happened to strike, nor of the
    request that it ended itself. It stands for another error only where that is its cause, as that a write
    may have been applied.

    :return: several only of a group
    """
    return _errors_behind(exception, set())


def _errors_behind(exception: BaseException | None, passed: set[int]) -> list[MirrorDBError]:
    while exception is not None and id(exception) not in passed:
        passed.add(id(exception))
        if isinstance(exception, MirrorDBError):
            return [exception]
        members, cause = _members(exception), exception.__cause__
        found = [error for member in members for error in _errors_behind(member, passed)]
        if found:
            return found
        if isinstance(exception, Exception) or members:
            exception = cause or (None if exception.__suppress_context__ else exception.__context__)
        else:  # an interruption
            exception = None if isinstance(cause, DisconnectedError) else cause
    return []


def _members(exception: BaseException) -> list[BaseException]:
    """Return the exceptions of a group, also of one that another package than Python's has."""
    members = getattr(exception, "exceptions", None)
    if not isinstance(members, list | tuple):
        return []
    return [member for member in members if isinstance(member, BaseException)]
