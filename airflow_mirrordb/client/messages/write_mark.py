"""What is known of a write by who may be run again from its beginning, and would then make it anew."""

from __future__ import annotations

from abc import ABC, abstractmethod


class WriteMark(ABC):
    """What the next run of a caller finds of a write, if this one is ended before the answer came."""

    @abstractmethod
    async def begin(self) -> bool:
        """Mark the write, which is about to be sent, and return whether an earlier run may have applied it.

        :raises AmbiguousWriteError: if one may have, and the write may not be repeated
        """

    @abstractmethod
    def settle(self) -> None:
        """Take note that the write was applied."""

    @abstractmethod
    async def take_back(self) -> None:
        """Take the mark back: the write was not applied, and the next run may send it."""
