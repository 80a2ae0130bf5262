"""What a trigger stores of a large answer in Airflow's database, as JSON text."""

from __future__ import annotations

import asyncio
import json
import random
import string
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from tests.integration.test_operators import context, first_event, restored
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

MEGABYTE = 10**6
RANDOM = random.Random(1)

ANSWERS: dict[str, Any] = {
    "records": [{"id": number, "name": RANDOM.random(), "tags": ["a", "b"]} for number in range(17_900)],
    "numbers": [RANDOM.randrange(1000) for _ in range(255_000)],
    "letters": "".join(RANDOM.choices(string.ascii_letters + string.digits, k=MEGABYTE - 10)),
    "umlauts": "".join(RANDOM.choices("äöüßéèêñ", k=MEGABYTE // 2 - 5)),
    "ideographs": "".join(chr(RANDOM.randrange(0x4E00, 0x9FFF)) for _ in range(MEGABYTE // 3 - 5)),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_event_is_no_larger_than_the_answer(
    scripted: ScriptedBackend, set_connection: SetConnection, kind: str
) -> None:
    """An answer of a megabyte takes at most 1.02 MB, and the task's result is the answer as it was."""
    body = json.dumps(ANSWERS[kind], separators=(",", ":"), ensure_ascii=False).encode()
    assert 0.8 * MEGABYTE < len(body) <= MEGABYTE
    set_connection(scripted.url)
    scripted.answer(200, body)
    operator = MirrorDBReadOperator(task_id="read", endpoint="api/users", deferrable=True, worker_timeout=0)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context())
    stored = json.dumps(asyncio.run(first_event(restored(deferred.value))))
    assert len(stored) <= 1.02 * MEGABYTE
    assert operator.execute_complete(context(), json.loads(stored)) == ANSWERS[kind]
