"""Texts that an encoding can hold."""

from __future__ import annotations

HALF_A_PAIR = "it holds half of a surrogate pair, which no encoding can send"


def is_unicode(text: str) -> bool:
    """Whether text can be encoded, as UTF-8 for instance."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
