"""What asyncio and the operating system hold of a connection."""

from __future__ import annotations

import asyncio
import fcntl
import select
import socket
import struct
import termios
from contextlib import suppress
from typing import Any

#: Closes a socket at once: the operating system sends nothing more of what it holds (socket(7)).
_NO_LINGERING = struct.pack("ii", 1, 0)


def drop_what_is_held(transport: asyncio.BaseTransport) -> None:
    """Let the operating system send nothing more of what it holds, once the connection is closed."""
    link = transport.get_extra_info("socket")
    if link is not None:  # else it is closed already
        with suppress(OSError):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)


def is_readable(transport: asyncio.BaseTransport) -> bool:
    """Whether anything has come that the event loop has not read yet, be it the end of the connection."""
    link = transport.get_extra_info("socket")
    descriptor = -1 if link is None else link.fileno()
    if descriptor < 0:  # closed here; TLS of Python 3.10 has none any more then
        return True
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(0))


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Return how many bytes asyncio has still to send; TLS hands all of them to the transport below it.

    :param transport: one that is not closing
    """
    tls: Any = getattr(transport, "_ssl_protocol", None)
    if tls is None:
        return transport.get_write_buffer_size()
    below = tls._transport  # noqa: SLF001  # None when the other side has closed it
    return 0 if below is None else transport.get_write_buffer_size() + below.get_write_buffer_size()


def bytes_left(transport: asyncio.Transport) -> int:
    """Return how many bytes the other side has not received: those of :func:`unsent_bytes`, or else those
    that its operating system has not acknowledged.

    Who answers has acknowledged all that it had received before (RFC 9293, section 3.8), so what is left
    when an answer comes was not read before it. Whether what is acknowledged was read nobody can know.

    :param transport: one that is not closing
    """
    return unsent_bytes(transport) or unacknowledged_bytes(transport)


def unacknowledged_bytes(transport: asyncio.BaseTransport) -> int:
    """Return how many bytes the operating system holds for the other side; 0 where it does not tell.

    It is SIOCOUTQ of Linux (tcp(7)), which has the number of TIOCOUTQ.
    """
    link = transport.get_extra_info("socket")
    if link is None or link.fileno() < 0:
        return 0
    try:
        held = fcntl.ioctl(link.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int(struct.unpack("i", held)[0])
