"""What is known of a write by who may be run again from its beginning, and would then make it anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable


class WriteMark(ABC):
    """What the next run of a caller finds of a write, if this one is ended before the answer came."""

    @property
    @abstractmethod
    def tries_before(self) -> int:
        """How many runs of the caller may have sent the write before, under the key that it has now."""

    @abstractmethod
    async def recall(self) -> bool:
        """Return whether an earlier run may have applied the write.

        :raises AmbiguousWriteError: if one may have, and the write may not be repeated
        :raises MirrorDBError: if that cannot be known now
        """

    @abstractmethod
    async def store(self) -> None:
        """Let the next run know that the write may have been applied; called before it goes out, each time.

        :raises MirrorDBError: if that is not possible now; the write is not to be sent then
        """

    @abstractmethod
    def settle(self) -> None:
        """Take note that the write was applied."""

    @abstractmethod
    def take_back(self) -> Awaitable[None]:
        """Let the next run make the write, which was not applied; begun at once, and done when awaited."""
