"""What JSON says of an error, whatever its shape: sentences with their places, and a code. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any, Literal

from airflow_mirrordb.client.bodies.errors import keys
from airflow_mirrordb.client.bodies.errors.texts import is_bare, words_of_page, words_of_text

#: What lies deeper is not looked at.
MAX_DEPTH = 20
#: Values that are looked at.
MAX_NODES = 1000
#: Sentences that are told.
MAX_RECORDS = 20
#: Characters of a place.
MAX_PLACE = 200

_UPPER = re.compile(r"[A-Z][A-Z0-9_]+|[A-Za-z]+(?:Error|Exception|Fault)")
_URL_OF_STATUS = re.compile(r"https?://(?:\w+\.)?(?:ietf|rfc-editor|httpstatuses)\.", re.IGNORECASE)
_NO_LETTERS = re.compile(r"[\W_]+")


#: What a value may hold: an error; what is wrong with each field; that or facts; data, among which may be
#: errors; what is below a name that we do not know, beside words; or the words of a key of words.
Kind = Literal["error", "fields", "details", "data", "unknown", "words"]


def code_of(value: Any, status: int = 0, depth: int = 0) -> str | None:
    """Return the machine-readable code of an error: one word, and never the status again.

    :param status: the HTTP status
    """
    if isinstance(value, list):
        value = next((item for item in value[:MAX_RECORDS] if isinstance(item, Mapping)), None)
    if not isinstance(value, Mapping) or depth > MAX_DEPTH:
        return None
    named = _named(value)
    if isinstance(aws := value.get("__type"), str):
        named["type"] = aws.rpartition("#")[2]  # before which AWS puts the name of its service
    for name in keys.CODES:
        found = named.get(name)
        if (
            isinstance(found, str | int)
            and not isinstance(found, bool)
            and _is_code(name, str(found), status)
        ):
            return str(found).strip()
    below = [named[name] for name in keys.WITH_CODE if name in named]
    if isinstance(named.get("detail"), list):  # FastAPI's: each item has a type of what is wrong
        below.remove(named["detail"])
    return next((code for item in below if (code := code_of(item, status, depth + 1))), None)


def _is_code(key: str, text: str, status: int) -> bool:
    text = text.strip()
    if text.lower() in keys.NO_CODES or len(text.split()) > 1 or text == str(status):
        return False
    if key in ("name", "status"):
        return _UPPER.fullmatch(text) is not None
    if key == "type" and text.startswith("error."):  # of a list of errors, as Intercom says
        return False
    return not _URL_OF_STATUS.match(text) and not (key == "error" and is_bare(text))


def words_of(value: Any, status: int = 0) -> str:
    """Return what JSON says of an error in words, "" if it says nothing.

    :param status: the HTTP status
    """
    reader = Reader(status)
    reader.read(value, "", 0, "error")
    return str(reader) or reader.bare or reader.facts(value)


class _Record:
    """A sentence of an error, and the place that it is about."""

    __slots__ = ("folded", "place", "told", "words")

    def __init__(self, place: str, words: str) -> None:
        place = " ".join(place.split())
        self.place, self.words = place, words
        self.told = words if not place or _is_named(place, words) else f"{place}: {words}"
        self.folded = self.told.casefold()


class Reader:
    """Collects the sentences of one body; its text is all of them.

    :param status: the HTTP status, which is no code
    """

    def __init__(self, status: int = 0) -> None:
        self._status = status
        self.records: list[_Record] = []
        self.bare, self._nodes, self._untold = "", 0, 0

    def __str__(self) -> str:
        told = [record.told for record in self.records] + (
            [f"and {self._untold} more"] if self._untold else []
        )
        return "; ".join([*(_without_stop(text) for text in told[:-1]), *told[-1:]])

    def read(self, value: Any, place: str, depth: int, kind: Kind, *, is_item: bool = False) -> None:
        """Collect what a value says.

        :param place: what it is about; "" if nothing is known of that
        :param kind: what may be in it
        :param is_item: whether it is one error of several
        """
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            return
        if isinstance(value, str):
            if kind != "unknown":
                self._add(place, self._words_in(value, place, depth))
        elif isinstance(value, list):
            for index, item in enumerate(value[:MAX_NODES]):
                is_nested = place and isinstance(item, Mapping) and not _has_words(_named(item), keys.WORDS)
                inside = f"{place}.{index}" if is_nested else place
                self.read(item, inside, depth + 1, kind, is_item=True)
        elif isinstance(value, Mapping):
            self._read_mapping(value, place, depth, kind, is_item=is_item)

    def _read_mapping(
        self, value: Mapping[str, Any], place: str, depth: int, kind: Kind, *, is_item: bool
    ) -> None:
        named, before, prose, word = _named(value), len(self.records), "", ""
        has_words = kind != "unknown" and _has_words(named, _names_of_words(kind, is_item=is_item))
        if has_words or is_item:
            place = _joined_place(place, _place(named, keys.PLACES if is_item else keys.PLACES_OF_ALL))
        if kind != "unknown" and (has_words or kind != "fields"):
            prose, word = self._own_words(named, place, depth, kind)
            self._add(place, prose)
        for key, item in islice(value.items(), MAX_NODES):
            name = name_of(key)
            if name in keys.NEVER:
                continue
            if isinstance(item, Mapping | list) and (inside := _kind_below(name, item, kind)):
                self.read(item, place, depth + 1, inside)
            elif not has_words and _is_of_field(name, item, kind, depth):
                below: Kind = "fields" if kind == "fields" else "details"
                self.read(item, _joined_place(place, key), depth + 1, below)
            elif isinstance(item, Mapping | list) and kind != "words":
                self.read(item, place, depth + 1, "unknown")
        if len(self.records) == before and not prose:
            is_error = is_item or (kind == "error" and depth)
            code = code_of(value, self._status, depth) if is_error else None
            self._add(place, word or code or "")
        if has_words:
            self._add_telling(value, place, prose or word)

    def _add_telling(self, value: Mapping[str, Any], place: str, words: str) -> None:
        """Collect what an error needs or misses, unless its words name all of it."""
        named = _named(value)
        inner = named.get(keys.WITH_TELLING)
        for key, item in [*value.items(), *(inner.items() if isinstance(inner, Mapping) else ())][:MAX_NODES]:
            if name_of(key) in keys.TELLING:
                texts = [item] if isinstance(item, str) else item if isinstance(item, list) else []
                told = [words_of_text(text) for text in texts[:MAX_RECORDS] if isinstance(text, str)]
                if any(not _is_named(text, words) for text in told):
                    self._add(_joined_place(place, key), ", ".join(told))

    def _own_words(self, named: Mapping[str, Any], place: str, depth: int, kind: Kind) -> tuple[str, str]:
        """Return what a mapping says itself, and a single word that may be all that it says."""
        prose: list[str] = []
        word = ""
        for key in (*keys.WORDS, *keys.WORDS_INSIDE.get(kind, ())):
            text = named.get(key)
            if not isinstance(text, str) or not (text := self._words_in(text, place, depth)):
                continue
            if is_bare(text):
                self.bare = self.bare or text
            elif key in keys.RATHER_CODES and " " not in text:
                word = text
            else:
                prose.append(text)
        return _joined(prose), word

    def _words_in(self, text: str, place: str, depth: int) -> str:
        """Return a text of a body as words; JSON and HTML within it are read as such."""
        start = text.lstrip()[:1]
        if start in ("{", "[") and depth < MAX_DEPTH:
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                pass
            else:
                before = len(self.records)
                self.read(value, place, depth + 1, "error")
                return "" if len(self.records) > before else words_of_text(text)
        return words_of_page(text.lstrip())[1] if start == "<" else words_of_text(text)

    def _add(self, place: str, words: str) -> None:
        """Keep a sentence, unless another one says the same already."""
        if not words:
            return
        record = _Record(place=place, words=words)
        for index, other in enumerate(self.records):
            if record.folded in other.folded and _is_named(record.told, other.told):
                return
            if (
                other.place in ("", record.place)
                and other.words.casefold() in record.folded
                and _is_named(other.words, record.told)
            ):
                self.records[index] = record
                return
        if len(self.records) < MAX_RECORDS:
            self.records.append(record)
        else:
            self._untold += 1

    def facts(self, value: Any) -> str:
        """Return what single values there are, where nothing is known to be words."""
        waiting = [("", value, 0)]
        for place, item, depth in waiting:  # which grows on the way
            if isinstance(item, Mapping | list) and depth < MAX_DEPTH and len(waiting) < MAX_NODES:
                pairs = item.items() if isinstance(item, Mapping) else enumerate(item)
                for key, inside in list(pairs)[:MAX_RECORDS]:
                    if name_of(str(key)) not in keys.FACTS | keys.NEVER:
                        waiting.append((_joined_place(place, str(key)), inside, depth + 1))
            elif isinstance(item, str | int | float) and not isinstance(item, bool):
                self._add(place, words_of_text(str(item)))
        return str(self)


def _without_stop(text: str) -> str:
    return text if text.endswith("..") else text.removesuffix(".")


def _named(value: Mapping[str, Any]) -> dict[str, Any]:
    pairs = list(islice(value.items(), MAX_NODES))
    return {name_of(key): item for key, item in reversed(pairs) if not key.startswith("@")}


def name_of(key: str) -> str:
    """Return a key as :mod:`~airflow_mirrordb.client.bodies.errors.keys` writes it."""
    return _NO_LETTERS.sub("", key).lower()


def _has_words(named: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Return whether a mapping tells of an error itself, and not what is wrong with each of its fields."""
    return isinstance(named.get("message"), Mapping) or any(
        isinstance(named.get(name), str) for name in names
    )


def _names_of_words(kind: Kind, *, is_item: bool) -> tuple[str, ...]:
    if kind != "fields":
        return keys.WORDS
    return keys.SURE_WORDS_OF_ITEM if is_item else keys.SURE_WORDS


def _kind_below(name: str, item: Any, kind: Kind) -> Kind | None:
    """Return what may be in a list or a mapping below a key that says so; None if the key does not."""
    if kind == "unknown" and name not in keys.SURE:
        return None
    if isinstance(item, list):
        return "error" if name in keys.LISTS else "data" if name in keys.DATA and kind != "fields" else None
    if kind == "fields" and name in keys.ALSO_FIELDS:
        return None
    if name in keys.DATA and _are_of_fields(item):
        return "fields"
    kinds: tuple[tuple[Kind, Collection[str]], ...] = (
        ("fields", keys.FIELDS),
        ("error", keys.ERRORS),
        ("details", keys.DETAILS),
        ("data", keys.DATA),
    )
    found = next((below for below, names in kinds if name in names), None)
    may_be_field = kind in ("fields", "data") and name not in keys.SURE_WORDS
    if found is None and name in keys.WORDS and not may_be_field:
        inner = (*keys.WORDS, *keys.WORDS_INSIDE["words"])
        return "words" if name == "text" or _has_words(_named(item), inner) else "fields"
    return found


def _are_of_fields(item: Mapping[str, Any]) -> bool:
    """Return whether each value of a mapping tells what is wrong with a field, as in PocketBase.

    Fields may lie in groups, at any depth, where what is told has a code as well: all else there may be data.
    """
    values = list(islice(item.values(), MAX_NODES))
    if values and all(_is_told(value) for value in values):
        return True
    waiting = [(value, 1) for value in values]
    for value, depth in waiting:  # which grows on the way
        if not isinstance(value, Mapping) or not value or depth > MAX_DEPTH or len(waiting) > MAX_NODES:
            return False
        if not (_is_told(value) and "code" in value):
            waiting += [(inner, depth + 1) for inner in islice(value.values(), MAX_NODES)]
    return bool(values)


def _is_told(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("message"), str)


def _is_of_field(name: str, item: Any, kind: Kind, depth: int) -> bool:
    """Return whether a value below a key that we do not know tells of the field of that name."""
    if kind == "unknown":
        return False
    if isinstance(item, str):
        is_prose = (
            " " in item.strip() and name not in keys.FACTS and name not in keys.WORDS_INSIDE.get(kind, ())
        )
        return kind == "fields" or (depth > 0 and kind in ("error", "details") and is_prose)
    if kind == "data":  # which is told of only where it is an error without doubt, as PocketBase's
        named = _named(item) if isinstance(item, Mapping) else {}
        return "code" in named and _has_words(named, keys.SURE_WORDS)
    return kind in ("error", "fields", "details") and isinstance(item, Mapping | list)


def _place(named: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        place = named.get(name)
        if isinstance(place, Mapping) and name in keys.WITH_PLACE:
            place = _place(
                _named(place), tuple(inner for inner in keys.PLACES if inner not in keys.WITH_PLACE)
            )
        if isinstance(place, list):
            parts = [str(part) for part in place if isinstance(part, str | int)]
            place = (", " if name in keys.SEVERAL else ".").join(parts)
        if isinstance(place, str) and place.strip() and len(place) <= MAX_PLACE and "://" not in place:
            return place.strip()
    return ""


def _joined_place(place: str, inside: str) -> str:
    """Return a place inside another."""
    if not place or not inside:
        return place or inside
    return inside if inside.startswith((f"{place}.", f"{place}[")) else f"{place}.{inside}"


def _joined(texts: list[str]) -> str:
    """Return several texts as one, without what another one says already."""
    told = ""
    for text in texts:
        if text.casefold() in told.casefold():
            continue
        if told.casefold() in text.casefold():
            told = text
        else:
            told += f" {text}" if told.endswith((".", "!", "?", ":", ";")) else f": {text}"
    return told


def _is_named(place: str, words: str) -> bool:
    """Return whether words name a place themselves."""
    place, words = place.casefold(), words.casefold()
    at = words.find(place)
    while at >= 0:
        around = words[max(0, at - 1) : at] + words[at + len(place) : at + len(place) + 1]
        if not any(letter.isalnum() or letter == "_" for letter in around):
            return True
        at = words.find(place, at + 1)
    return False
