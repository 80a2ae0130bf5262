"""Guards of login endpoints: who gets Login and Password, how often, and what is told of the answers."""

from __future__ import annotations

import math
from typing import Any

from tests.integration import test_login as logins, test_login_answers as answers
from tests.support.guards import ANYTHING, NEVER, Guard, nothing, nothing_to_await
from tests.support.logins import PASSWORD
from tests.unit import test_lifetimes as ends, test_login_settings as settings


def answered(answer: Any, settings: Any, words: str) -> dict[str, Any]:
    arguments = {"answer": answer, "settings": settings, "words": words}
    return {"check": answers.test_an_answer_without_a_token_is_told, "arguments": arguments}


GUARDS: dict[str, Guard] = {
    "redaction of login answers": Guard(
        seam="redaction of errors", without=nothing, **answered(*answers.REFUSED)
    ),
    "secrets of login answers": Guard(without=lambda *_: [], **answered(*answers.REFUSED)),
    "tokens of logins": Guard(without=ANYTHING, **answered(*answers.UNSENDABLE)),
    "tokens that break a cookie": Guard(without=lambda *_: False, **answered(*answers.UNSENDABLE_AS_COOKIE)),
    "headers for another host than the backend": Guard(
        without=lambda _: True, check=logins.test_another_host_gets_the_login_alone
    ),
    "TLS settings of the login endpoint": Guard(
        seam="TLS settings of the token endpoint",
        without=lambda config: config.base_url.startswith("https:"),
        check=logins.test_the_login_endpoint_is_checked_as_the_backend_is,
        arguments={"shared": False},
    ),
    "logins of requests that waited": Guard(
        without=nothing,
        check=logins.test_fifty_requests_send_a_wrong_password_once,
        arguments={"status": 401},
    ),
    "logins after a password was rotated": Guard(
        without=nothing_to_await,
        check=logins.test_a_refused_login_looks_the_password_up_once,
        arguments={"status": 400, "found": PASSWORD},
    ),
    "credentials in the URL of a login": Guard(
        seam="credentials in the URL of the token endpoint",
        without=NEVER,
        check=settings.test_a_setting_that_cannot_be_meant,
        arguments={
            "changes": {"login_url": "login?password=s3cret"},
            "named": "login_url",
            "words": "credentials do not belong in the URL",
        },
    ),
    "settings of logins": Guard(
        without=nothing,
        check=settings.test_a_setting_that_cannot_be_meant,
        arguments={
            "changes": {"auth_type": "bearer"},
            "named": "login_url",
            "words": "it goes with auth_type 'login', and auth_type is 'bearer'",
        },
    ),
    "lifetimes of logins": Guard(
        without=-math.inf,
        check=ends.test_what_cannot_be_meant_counts_as_not_said,
        arguments={"lifetimes": [0, 600], "seconds": 600},
    ),
    "cookies that are deleted": Guard(
        without=lambda *_: None,
        check=ends.test_a_cookie_that_is_deleted_is_none,
        arguments={"line": "session=deleted; Max-Age=0"},
    ),
}
