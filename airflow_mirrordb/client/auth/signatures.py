"""What must not be seen of the URLs that a backend gives, as those of files or of next pages. Pure.

Such a URL may be a credential: who has it may read what it leads to. A backend repeats it in errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from yarl import URL

if TYPE_CHECKING:
    from airflow_mirrordb.client.messages.request import WireRequest

#: Characters of a value in the query of a URL that may be a part of its signature.
_LEAST = 8
#: From so many characters on a value without a secret's name may be one, if nobody could have thought of it.
_LEAST_OF_RANDOM = 16
#: In the names of values that are secrets: of presigned URLs (AWS, Google, Azure, Akamai), and of Airflow's.
_SECRET_NAME = re.compile(
    r"sig|token|secret|passw|passphrase|pwd|credential|hmac|hdn|jwt|session|policy|auth(?!or)|hash|api.?key"
    r"|access.?key|private.?key|^(?:key|code|st|se|sas)$",
    re.IGNORECASE,
)
#: In names of tokens that tell only where a collection goes on.
GOES_ON = re.compile(r"continuation|next|page|cursor|skip|delta|sync[-_]?token|scroll", re.IGNORECASE)
#: A name and a value behind the path of a URL.
_PAIR = re.compile(r"(?<=[?&#;])([^=&#;?]+)=([^&#;]+)")
#: URLs in a text, and references in it that have a query or fragment. Each run of characters is read once.
_REFERENCE = re.compile(
    r"""(?<![A-Za-z0-9+.-])(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^\s<>"'\\]*[^\s<>"'\\.,;]"""
    r"""|(?<![^\s<>"'\\;,=?#])[^\s<>"'\\;,=?#]*[?#][^\s<>"'\\]*[^\s<>"'\\.,;]"""
)
_RANDOM = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_+/=~.-]*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].*)?")


def signatures_of(sent: WireRequest, known: Collection[str] = ()) -> list[str]:
    """Return what of a request's URL must not be seen, where the backend gave that URL.

    At another host these are all values of the query that are long enough; at the backend itself those that
    are called, or look, like secrets.

    :param known: values that the author of the request gave
    """
    if sent.anonymous:
        return list(_parts(value for value in sent.url.query.values() if len(value) >= _LEAST))
    return signatures_in(sent.url, known) if sent.is_linked else []


def signatures_in(url: URL, known: Collection[str] = ()) -> list[str]:
    """Return the values in the query of a URL that are called, or look, like secrets."""
    values = (value for name, value in url.query.items() if value not in known and _is_secret(name, value))
    return list(_parts(values))


def _parts(values: Iterator[str]) -> Iterator[str]:
    """Yield values whole and in the parts that a file server's error may repeat."""
    for value in values:
        yield from {part for part in {value, *value.split("/")} if len(part) >= _LEAST}


def _is_secret(name: str, value: str) -> bool:
    if len(value) < _LEAST:
        return False
    looks_random = len(value) >= _LEAST_OF_RANDOM and _RANDOM.fullmatch(value) and not _DATE.fullmatch(value)
    return bool(_SECRET_NAME.search(name) or looks_random)


def without_signatures(reference: str) -> str:
    """Return a URL, or a reference, with ``…`` in the place of the values in it that are called secrets."""

    def hidden(pair: re.Match[str]) -> str:
        name, value = unquote(pair[1]), pair[2]
        is_secret = len(value) >= _LEAST and _SECRET_NAME.search(name) and not GOES_ON.search(name)
        return f"{pair[1]}=…" if is_secret else pair[0]

    return _PAIR.sub(hidden, reference)


def in_references(text: str, public: Callable[[str], str]) -> str:
    """Return a text with what may be told of each URL in it, and of each reference that has a query.

    :param public: returns what may be told of one
    """
    if "?" not in text and "#" not in text and "//" not in text:
        return text
    return _REFERENCE.sub(lambda found: public(found[0]), text)
