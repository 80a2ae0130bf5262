"""Guards of notifications: each event told once, as itself, and in little time."""

from __future__ import annotations

from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.integration import test_notifier as notifiers
from tests.support.guards import Guard, NeverRaisedError, as_it_is

GUARDS: dict[str, Guard] = {
    "keys of events": Guard(
        without=lambda *_: None,
        check=notifiers.test_the_same_event_has_the_same_key,
    ),
    "events of a notifier": Guard(
        without=as_it_is,
        check=notifiers.test_the_same_notifier_tells_of_several_events,
    ),
    "time of notifications": Guard(
        without=MirrorDBHook._with_user_agent,
        check=notifiers.test_a_wait_that_is_too_long_is_not_begun,
        arguments={"asked": 400},  # beyond what the connection allows: nobody waits, with or without
    ),
    "failures of notifications": Guard(
        without=NeverRaisedError,
        check=notifiers.test_what_cannot_be_sent_is_one_line,
        arguments={"name": "no such endpoint"},
    ),
}
