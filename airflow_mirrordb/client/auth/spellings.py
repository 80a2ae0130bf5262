"""In which spellings a backend may repeat a secret."""

from __future__ import annotations

import functools
import html
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

#: A shorter secret may be a common word or number, so it is hidden only where it stands alone. Nor is a
#: shorter part of a secret hidden, unless we cut it.
LONG = 8
_TAG = re.compile(r"<[^>]{0,500}>")


@dataclass(frozen=True, slots=True)
class Spelling:
    """One form of a secret.

    :param fold: whether capital letters are the same as small ones, as in the host of a URL
    :param alone: whether it must stand alone
    :param base64: whether it is base64, whose characters at either end hold bits of it
    """

    text: str
    fold: bool = False
    alone: bool = False
    base64: bool = False
    #: The least of its beginning that is hidden where the rest is missing, and of its end.
    first: str = field(init=False)
    last: str = field(init=False)

    def __post_init__(self) -> None:
        least = len(self.text) if self.alone else min(len(self.text), max(LONG, (len(self.text) + 1) // 2))
        object.__setattr__(self, "first", self.text[:least])
        object.__setattr__(self, "last", self.text[-least:])


@functools.lru_cache(maxsize=64)  # for all clients of a connection, as the triggers that fail together
def spellings_of(secret: str) -> tuple[Spelling, ...]:
    """Return the spellings of a secret."""
    return tuple(_forms(secret)) if secret else ()


def _forms(secret: str) -> Iterator[Spelling]:
    for text in _readings(secret):
        alone = len(text) < LONG
        yield Spelling(text if alone else folded(text), fold=not alone, alone=alone)
    for data in _encodings(secret):
        if len(data) < LONG:
            codes = [b64encode(data).rstrip(b"="), b64encode(b"Bearer " + data).rstrip(b"=")]
        else:
            yield Spelling(data.hex(), fold=True)
            codes = [_core(data, before) for before in range(3)]
        for code in codes:
            for text in (code.decode(), code.decode().translate(str.maketrans("+/", "-_"))):
                yield Spelling(text, alone=len(data) < LONG, base64=True)


def _encodings(secret: str) -> set[bytes]:
    """Return the bytes of which base64 may be made; a client secret is percent-encoded before."""
    encodings = {secret.encode(errors="replace"), quote(secret, safe="", errors="replace").encode()}
    with suppress(UnicodeEncodeError):
        encodings.add(secret.encode("latin-1"))
    return encodings


def _core(data: bytes, before: int) -> bytes:
    """Return the base64 of data that follows on other bytes, without the characters that hold bits of others.

    :param before: number of those bytes, modulo 3
    """
    first = -(-before * 8 // 6)
    return b64encode(bytes(before) + data)[first : (before + len(data)) * 8 // 6]


def _readings(secret: str) -> set[str]:
    """Return a secret as servers misread it, and as texts are written that we make of their answers."""
    readings = {
        secret,
        html.unescape(secret),
        _TAG.sub(" ", secret),
        secret.encode(errors="replace").decode("cp1252", errors="replace"),
        secret.encode("latin-1", errors="replace").decode(errors="replace"),
        secret.encode("ascii", errors="replace").decode(),
    }
    readings |= {" ".join(reading.split()) for reading in readings}
    readings |= {reading.replace(" ", "+") for reading in readings}
    readings |= {unquote(reading) for reading in readings}
    # less than half of it is no reading: of a name in other letters only question marks are left
    return {it for it in readings if 2 * len(it.strip("? \ufffd")) >= len(secret)} | {secret}


def folded(text: str) -> str:
    """Return a text in small letters, of the same length."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(small if len(small := character.lower()) == 1 else character for character in text)
