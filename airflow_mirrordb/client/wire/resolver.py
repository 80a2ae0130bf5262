"""The addresses of a host, in a thread that nobody has to wait for.

``getaddrinfo`` cannot be cancelled, and may hang for half a minute or more; see :mod:`threads` for what else
would hang then. aiohttp calls it in the threads of the event loop's executor.
"""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from airflow_mirrordb.client.wire.threads import in_thread

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


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
