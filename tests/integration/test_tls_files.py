"""Files of certificates that change on disk: connections that are opened later use what is there then."""

from __future__ import annotations

import asyncio
import functools
import logging
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiohttp import web

from airflow_mirrordb.client import ConnectError, GenericMirrorDB, MirrorDBConfig, TLSError
from airflow_mirrordb.client.wire.aiohttp.private import Connector
from airflow_mirrordb.client.wire.tls import certificates as certificate_files
from airflow_mirrordb.client.wire.tls.certificates import Certificates
from airflow_mirrordb.client.wire.tls.contexts import tls_context
from tests.support.backends import Crowd
from tests.support.client_certificates import WAYS, Files, asking, name_in, write
from tests.support.clocks import TIMEOUT, loop_time

if TYPE_CHECKING:
    from tests.support.backends import Answering, Serve
    from tests.support.connections import ConfigFor


@dataclass
class Naming:
    """A backend that answers with the name in the certificate which the client shows on the connection."""

    serve: Serve
    authority: trustme.CA
    build: Callable[[str], MirrorDBConfig]
    folder: Path
    files: Files = field(init=False)
    """Those of the client; they name ``one.example`` when it starts."""
    crowd: Crowd | None = None
    """Requests that are answered together."""
    closes: bool = False
    """Whether it closes each connection after one answer."""

    async def start(self, way: str = "in place", *, closes: bool = False) -> MirrorDBConfig:
        """Begin anew, and return the settings of a client that shows the certificate.

        :param way: how its files are replaced
        """
        certificate_files.certificates.cache_clear()
        self.folder = self.folder / "of another start"
        self.folder.mkdir()
        self.files, self.crowd, self.closes = WAYS[way](self.folder, self.authority), None, closes
        self.files.replace("one.example")
        app = web.Application()
        app.router.add_route("*", "/api/users", self._answer)
        url = await self.serve(app, ssl_context=asking(self.authority))
        return self.build(url).changed(self.files.settings)

    async def _answer(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        if self.crowd is not None:
            await self.crowd.answer(request)
        response = web.json_response(name_in(request.transport.get_extra_info("peercert")))
        if self.closes:
            response.force_close()
        return response


@pytest.fixture
def naming(
    serve: Serve, authority: trustme.CA, config_for: ConfigFor, ca_file: str, tmp_path: Path
) -> Iterator[Naming]:
    yield Naming(serve, authority, functools.partial(config_for, verify=ca_file), tmp_path)
    certificate_files.certificates.cache_clear()


async def shown(client: GenericMirrorDB) -> Any:
    """Return which certificate the backend was shown by a read."""
    return await client.read_function("read", "api/users")


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("way", WAYS)
async def test_a_renewed_certificate_is_shown_by_the_next_connection(
    naming: Naming, way: str, shared: bool
) -> None:
    """However its files are replaced, by the same client, which nobody told of it."""
    config = await naming.start(way, closes=True)
    async with GenericMirrorDB(config, share_connections=shared) as client:
        assert await shown(client) == "one.example"
        for name in ("two.example", "three.example"):
            naming.files.replace(name)
            assert [await shown(client), await shown(client)] == [name, name]


async def test_an_open_connection_is_used_until_another_one_is_opened(naming: Naming) -> None:
    """A request on it looks at no file, and ends as it would when the change is noticed meanwhile."""
    async with GenericMirrorDB(await naming.start()) as client:
        assert await shown(client) == "one.example"
        naming.files.replace("two.example")
        assert await shown(client) == "one.example"
        naming.crowd = Crowd(2)
        assert sorted(await asyncio.gather(shown(client), shown(client))) == ["one.example", "two.example"]
        assert {*await asyncio.gather(shown(client), shown(client))} == {"two.example"}


async def test_idle_connections_of_before_are_closed(naming: Naming) -> None:
    """Also those that are kept for other requests than the one which opens a connection."""
    async with GenericMirrorDB(await naming.start()) as client:
        assert await shown(client) == "one.example"
        naming.files.replace("two.example")
        assert await client.create_function("create", "api/users", {}) == "two.example"
        assert await shown(client) == "two.example"


async def test_a_connection_that_is_opened_while_the_files_change(
    naming: Naming, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is used for the request that began it, and for no other one."""
    loop, noticed, others = asyncio.get_running_loop(), asyncio.Event(), list[asyncio.Task[Any]]()
    connect, open_with = loop.create_connection, Connector.open_with

    def note(self: Connector, context: ssl.SSLContext) -> None:
        open_with(self, context)
        noticed.set()

    async def connect_late(*args: Any, **options: Any) -> Any:
        if not others:
            await asyncio.to_thread(naming.files.replace, "two.example")
            others.append(asyncio.create_task(shown(client)))
            await noticed.wait()
        return await connect(*args, **options)

    config, naming.crowd = await naming.start(), Crowd(2)
    monkeypatch.setattr(Connector, "open_with", note)
    monkeypatch.setattr(loop, "create_connection", connect_late)
    async with GenericMirrorDB(config) as client:
        assert [await shown(client), await others[0]] == ["one.example", "two.example"]
        assert {*await asyncio.gather(shown(client), shown(client))} == {"two.example"}


def other_key(files: Files) -> None:
    write(files.cert, files.issue("two.example")[0])


def empty_certificate(files: Files) -> None:
    write(files.cert, b"")


def no_key(files: Files) -> None:
    files.key.unlink()


@pytest.mark.parametrize(
    ("half", "words"),
    [
        (other_key, "client_key: the key in '{key}' is not that of the certificate; it changed on disk"),
        (empty_certificate, "client_cert: '{cert}' holds no certificate in PEM format; it changed"),
        (no_key, "client_key: '{key}' cannot be read here: No such file or directory; it changed"),
    ],
)
async def test_half_a_pair_changes_nothing(
    naming: Naming, caplog: pytest.LogCaptureFixture, half: Callable[[Files], None], words: str
) -> None:
    """The pair of before stays in use, with one warning, until there is a whole one."""
    caplog.set_level(logging.INFO)
    config = await naming.start(closes=True)
    pair = naming.files
    async with GenericMirrorDB(config) as client:
        assert await shown(client) == "one.example"
        half(pair)
        assert [await shown(client) for _ in range(3)] == ["one.example"] * 3
        (warning,) = (record for record in caplog.records if record.levelno >= logging.WARNING)
        assert warning.getMessage().startswith(words.format(cert=pair.cert, key=pair.key))
        assert "changed on disk, and new connections use" not in caplog.text
        pair.replace("three.example")
        assert await shown(client) == "three.example"
    names = f"'{pair.cert}' and '{pair.key}'"
    assert caplog.text.count(f"TLS: {names} changed on disk, and new connections use what is there now") == 1
    assert [record.levelname for record in caplog.records if record.levelno > logging.INFO] == ["WARNING"]


async def test_files_that_are_written_while_they_are_read(
    naming: Naming, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first time they are read again. Later what was read before stays in use until they rest."""
    config = await naming.start(closes=True)
    pair = naming.files
    read, names = tls_context, iter(["two.example", None, "four.example"])

    def read_while_written(**settings: Any) -> ssl.SSLContext:
        try:
            return read(**settings)
        finally:
            if name := next(names, None):
                pair.replace(name)

    monkeypatch.setattr(certificate_files, "tls_context", read_while_written)
    write(pair.key, pair.issue("half.example")[1])
    async with GenericMirrorDB(config) as client:
        assert await shown(client) == "two.example"
        pair.replace("three.example")
        assert [await shown(client) for _ in range(2)] == ["two.example", "four.example"]


@pytest.mark.parametrize("place", ["file", "folder"])
async def test_authorities_that_change(
    answering: Answering, config_for: ConfigFor, tmp_path: Path, place: str
) -> None:
    """One that is taken out is trusted no more, and one that comes is trusted, also under the same name."""
    old, new = (trustme.CA(organization_name="Example", organization_unit_name="Root") for _ in range(2))
    path = trusted = tmp_path / "ca.pem"
    write(path, old.cert_pem.bytes())
    if place == "folder":
        path, trusted = in_folder(path)
    answers = [web.json_response(place, headers={"Connection": "close"}) for _ in range(2)]
    backends = []
    for authority, answer in zip((old, new), answers, strict=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        backends.append(await answering(answer, ssl_context=context))
    async with (
        GenericMirrorDB(config_for(backends[0].base_url, verify=str(trusted))) as of_old,
        GenericMirrorDB(config_for(backends[1].base_url, verify=str(trusted))) as of_new,
    ):
        assert await shown(of_old) == place
        with pytest.raises(TLSError):
            await shown(of_new)
        write(path, new.cert_pem.bytes())
        assert await shown(of_new) == place
        with pytest.raises(TLSError):
            await shown(of_old)


def in_folder(path: Path) -> tuple[Path, Path]:
    """Move the file of an authority into a folder of its own, as ``openssl rehash`` names it; return both."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    asked = [openssl, "x509", "-noout", "-subject_hash", "-in", str(path)]
    name = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    folder = path.parent / "authorities"
    folder.mkdir()
    (folder / "README").touch()
    (folder / "deadbeef.0").symlink_to("nowhere")
    return path.rename(folder / f"{name}.0"), folder


def test_other_files_of_a_folder_are_nothing_new(tmp_path: Path) -> None:
    """OpenSSL does not read them (X509_LOOKUP_hash_dir(3)): no connection has to be closed for them."""
    found = Certificates(verify=str(tmp_path))
    context = found.context
    write(tmp_path / "log.txt", b"")
    found.refresh()
    assert found.context is context
    write(tmp_path / "0123abcd.0", b"")
    found.refresh()
    assert found.context is not context


async def test_one_look_serves_all_who_open_connections(
    naming: Naming, answering: Answering, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a thread, and many connections may be opened at once; without files there is none."""
    looks, refresh = list[None](), Certificates.refresh

    def counted(self: Certificates) -> None:
        looks.append(None)
        refresh(self)

    monkeypatch.setattr(Certificates, "refresh", counted)
    config, naming.crowd = await naming.start(), Crowd(20)
    async with GenericMirrorDB(config) as client:
        assert set(await asyncio.gather(*(shown(client) for _ in range(20)))) == {"one.example"}
        assert len(looks) == 1
    other = await answering(web.json_response({}), ssl_context=server_tls)
    without = {"base_url": other.base_url, "verify": False, "client_cert": None, "client_key": None}
    async with GenericMirrorDB(config.changed(without)) as client:
        assert await shown(client) == {}
    assert len(looks) == 1


async def test_files_that_cannot_be_read_in_time(naming: Naming, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk of the network may hang: the event loop does not, and the words say what was waited for."""
    end = threading.Event()

    def hang(_self: Certificates) -> None:
        loop_time.advance(TIMEOUT)
        end.wait(60)

    config = await naming.start()
    monkeypatch.setattr(Certificates, "refresh", hang)
    try:
        async with GenericMirrorDB(config.changed({"max_attempts": 1})) as client:
            with pytest.raises(ConnectError, match="the files of its certificates were not read"):
                await shown(client)
    finally:
        end.set()
