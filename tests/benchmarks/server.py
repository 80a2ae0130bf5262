"""An application that runs in a process of its own, so that it takes no time of the client's."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe

from aiohttp import web

MakeApp = Callable[[], web.Application]


async def _serve(make_app: MakeApp, certificate: str | None, ready: Pipe) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    runner = web.AppRunner(make_app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls, backlog=1024).start()
    ready.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def _process(make_app: MakeApp, certificate: str | None, ready: Pipe) -> None:
    asyncio.run(_serve(make_app, certificate, ready))


@contextmanager
def running(make_app: MakeApp, certificate: str | None = None) -> Iterator[str]:
    """Run an application and return its URL.

    :param make_app: function of a module, which makes it in the other process
    :param certificate: path of a certificate for ``localhost`` with its key, in PEM format; None for http
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_process, args=(make_app, certificate, sender), daemon=True)
    process.start()
    try:
        port = receiver.recv()
        yield f"https://localhost:{port}" if certificate else f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.join()
