"""Repeats of a write get the first answer again.

Follows draft-ietf-httpapi-idempotency-key-header; the key is taken as it is sent, quoted or not.
"""

import hashlib
import re
from collections.abc import Callable

from aiohttp import web

from airflow_mirrordb.devserver.answer import Answer, RefusedError, refusal
from airflow_mirrordb.devserver.store import RequestIdentity, Store

HEADER = "Idempotency-Key"


def answer_once(
    store: Store, request: web.Request, payload: bytes, operation: Callable[[], Answer]
) -> tuple[Answer, bool]:
    """Carry out the operation unless this request was answered before.

    To be called inside the transaction of the operation, so that its writes and the stored answer are
    kept together or not at all. An operation that raises anything but RefusedError (an answer of 500)
    is not stored.

    :return: the answer, and whether it is a stored one
    :raises RefusedError: 400 for a malformed key, 422 for a key that belongs to another request
    """
    key = request.headers.get(HEADER)
    if key is None or request.method not in {"POST", "PATCH"}:
        return _answer(operation), False
    if not re.fullmatch("[ -~]{1,255}", key):
        raise RefusedError(400, f"{HEADER} must be 1 to 255 printable ASCII characters")
    identity = RequestIdentity(
        method=request.method, path=request.raw_path, payload_sha256=hashlib.sha256(payload).hexdigest()
    )
    known = store.recall(key)
    if known is None:
        answer = _answer(operation)
        store.remember(key, identity, answer)
        return answer, False
    first_identity, first_answer = known
    if first_identity != identity:
        raise RefusedError(422, f"this {HEADER} was used for another request")
    return first_answer, True


def _answer(operation: Callable[[], Answer]) -> Answer:
    try:
        return operation()
    except RefusedError as error:
        return refusal(error)
