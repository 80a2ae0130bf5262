"""What blocks and may hang, in threads that nobody has to wait for.

In the threads of an event loop's executor it would hold up all else that needs them, ``asyncio.run`` at its
end, and the end of the process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread of its own, which is left to itself when the caller gives up.

    As :func:`asyncio.to_thread`, but neither the event loop nor the process waits for such a thread.

    :raises BaseException: what the function raises
    """
    loop, context = asyncio.get_running_loop(), copy_context()
    result: asyncio.Future[T] = loop.create_future()

    def settle(settle: Callable[[Any], None], value: object) -> None:
        if not result.done():  # the caller may have given up
            settle(value)

    def run() -> None:
        try:
            outcome: tuple[Any, Any] = (result.set_result, context.run(function, *args, **kwargs))
        except BaseException as error:  # noqa: BLE001  # the caller gets it
            outcome = (result.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name=f"mirrordb-{function.__name__}", daemon=True).start()
    return await result
