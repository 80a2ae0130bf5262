"""What the operating system knows of a connection and asyncio has not seen yet."""

from __future__ import annotations

import asyncio
import select


def is_readable(transport: asyncio.BaseTransport) -> bool:
    """Whether anything has come that the event loop has not read yet, be it the end of the connection."""
    socket = transport.get_extra_info("socket")
    if socket is None or socket.fileno() < 0:  # closed here; TLS of Python 3.10 has none any more then
        return True
    waiting = select.poll()
    waiting.register(socket, select.POLLIN)
    return bool(waiting.poll(0))
