"""Bodies that count how often somebody looks into them: that is bounded, whatever time it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Looks:
    """How many items were handed out."""

    def __init__(self) -> None:
        self.number = 0

    def of(self, items: Any) -> Iterator[Any]:
        for item in items:
            self.number += 1
            yield item


class CountedDict(dict[str, Any]):
    """An object that counts its items when they are looked at, one by one or all of them."""

    def __init__(self, items: dict[str, Any], looks: Looks) -> None:
        super().__init__(items)
        self._looks = looks

    def __iter__(self) -> Iterator[str]:
        return self._looks.of(super().__iter__())

    def items(self) -> Any:
        return self._looks.of(super().items())

    def values(self) -> Any:
        return self._looks.of(super().values())


class CountedList(list[Any]):
    """A list that does the same."""

    def __init__(self, items: list[Any], looks: Looks) -> None:
        super().__init__(items)
        self._looks = looks

    def __iter__(self) -> Iterator[Any]:
        return self._looks.of(super().__iter__())

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        self._looks.number += len(found) if isinstance(place, slice) else 1
        return found


def counted(value: Any, looks: Looks) -> Any:
    """Return a value whose lists and objects count; what it shares with itself counts each time."""
    made: dict[int, Any] = {}

    def of(inner: Any) -> Any:
        if not isinstance(inner, dict | list):
            return inner
        if id(inner) not in made:
            if isinstance(inner, dict):
                made[id(inner)] = CountedDict({key: of(item) for key, item in inner.items()}, looks)
            else:
                made[id(inner)] = CountedList([of(item) for item in inner], looks)
        return made[id(inner)]

    return of(value)
