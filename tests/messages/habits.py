"""Mistakes of who knows another client or operator, and takes its arguments, values or methods for ours."""

from __future__ import annotations

from tests.messages.mistakes import Mistake, extra, reads

#: What ``HttpOperator`` and ``HttpHook`` of Airflow's HTTP provider take, and requests or httpx.
OTHER_CLIENTS = {
    "parameters of a GET as its data": Mistake(
        does=reads("users", data={"limit": 1}),
        connection=extra(endpoints="users"),
        says=("data of a read is its body", "query={'limit': 20}", "'QUERY users'", "extra 'endpoints'"),
    ),
}

HABITS: dict[str, dict[str, Mistake]] = {"Habits of other clients": OTHER_CLIENTS}
