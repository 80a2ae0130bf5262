"""Entity tags, and the conditions If-Match and If-None-Match (RFC 9110, section 13.1). Pure; no I/O.

A condition that is no entity tag compares with nothing: the guard that its author wanted is not there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from airflow_mirrordb.client.auth.redaction import shortened

# RFC 9110, section 8.8.3, and spaces, which RFC 2616 allowed and some backends send. Letters beyond ASCII are
# sent in UTF-8, whose bytes are the grammar's obs-text.
_TAG = re.compile(r'(?:W/)?"[ !#-~\xa0-\ud7ff\ue000-\U0010ffff]*"')
_LIST = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")
_WITHOUT_QUOTES = re.compile(r"(W/)?([\x21\x23-\x2b\x2d-\x7e]+)")
_NOTHING = re.compile(r'(?:W/)?"?None"?')


def entity_tag(text: str | None) -> str | None:
    """Return a text that is an entity tag, spaces in it allowed; None if it is not one.

    No header can hold what is not: a byte that is no UTF-8, for instance, which was read as half of a
    surrogate pair.
    """
    return text if text is not None and _TAG.fullmatch(text) else None


def entity_tags(text: str) -> str:
    """Return a condition as it is sent: entity tags, as ``"v1"`` and ``W/"v1"``, between commas, or ``*``.

    A tag that lost its quotes, as in a DAG with ``render_template_as_native_obj``, gets them back.

    :raises ValueError: with the reason, if it is none
    """
    text = text.strip(" \t")
    if not text:
        raise ValueError("it is empty, as a missing XCom or an undefined name renders")
    if _NOTHING.fullmatch(text):
        raise ValueError(f"{text!r} is no entity tag, but what a missing XCom or a None renders to")
    if text == "*" or _LIST.fullmatch(text):
        return text
    if bare := _WITHOUT_QUOTES.fullmatch(text):
        return f'{bare[1] or ""}"{bare[2]}"'
    raise ValueError(f'{shortened(text, 100)!r} is no entity tag, as "v1", W/"v1", or * for any')


def joined(tags: Sequence[str]) -> str:
    """Return several tags as one value.

    :raises ValueError: with the reason, if there is none, or one of them is none
    """
    if not tags:
        raise ValueError("it is an empty list")
    return entity_tags(", ".join(entity_tags(tag) for tag in tags))
