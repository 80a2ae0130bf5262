"""What blocks and may hang, as the look-up of a host name, in threads that nobody has to wait for.

``getaddrinfo`` cannot be cancelled, and may hang for half a minute or more. In the threads of an event
loop's executor, where aiohttp has it, it would hold up all else that needs them, ``asyncio.run`` at its end,
and the end of the process.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

from aiohttp.abc import AbstractResolver, ResolveResult

P = ParamSpec("P")
T = TypeVar("T")

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


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


class Resolver(AbstractResolver):
    """Asks the operating system for the addresses of a host."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        :raises OSError: if there are none, or it is not known
        """
        return await in_thread(addresses, host, port, family)

    async def close(self) -> None:
        """Do nothing: what is asked for ends by itself."""


def addresses(host: str, port: int, family: int) -> list[ResolveResult]:
    """Return the addresses of a host; blocks.

    :raises OSError: if there are none, or it is not known
    """
    found: list[ResolveResult] = []
    known = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG)
    for kind, _, protocol, _, address in known:
        numeric, number = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        found.append(
            ResolveResult(
                hostname=host, host=numeric, port=int(number), family=kind, proto=protocol, flags=_NUMERIC
            )
        )
    return found
