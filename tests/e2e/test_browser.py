"""The connection form of a running Airflow, in a browser: what is typed, saved, shown again, and tested."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet
from playwright.sync_api import Page, expect

from airflow_mirrordb.client import MirrorDBConfig
from airflow_mirrordb.get_provider_info import get_provider_info
from airflow_mirrordb.hooks.connections.config import config_from
from tests.support.airflow_home import AirflowHome
from tests.support.backend_process import BackendProcess
from tests.support.backends import ScriptedBackend
from tests.support.browser import ConnectionForm, ConnectionList, signed_in, task_page

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

FORM: dict[str, dict[str, Any]] = get_provider_info()["connection-types"][0]["conn-fields"]
SECRET = secrets.token_urlsafe(24)

#: What is typed into each field that takes text, and the setting that it means.
TYPED: dict[str, tuple[str, Any]] = {
    "endpoints": ("api/users\nDELETE api/cache\n", ["api/users", "DELETE api/cache"]),
    "test_endpoint": ("api/users", "api/users"),
    "key_name": ("key", "key"),
    "key_prefix": ("Token", "Token"),
    "secret_headers": (f'{{"X-Second": "{SECRET}"}}', {"X-Second": SECRET}),
    "auth_statuses": ("401, 403", [401, 403]),
    "auth_conn_id": ("the_token", "the_token"),
    "oauth_url": ("https://login.example.com/token", "https://login.example.com/token"),
    "scope": ("read write", "read write"),
    "timeout": ("2.5", 2.5),
    "rate_limit": ("1234.5", 1234.5),
    "adaptive_rate": ("false", False),
    "max_concurrency": ("7", 7),
    "max_response_bytes": ("2000000", 2_000_000),
    "max_attempts": ("3", 3),
    "initial_delay": ("0.25", 0.25),
    "backoff_factor": ("1.5", 1.5),
    "max_delay": ("9", 9),
    "max_elapsed": ("99", 99),
    "redirect_hosts": ("*.files.example.com\ncdn.example.com\n", ["*.files.example.com", "cdn.example.com"]),
    "retry_statuses": ("502, 503", [502, 503]),
    "pending_statuses": ("none", "none"),
    "not_applied_statuses": ("425, 429, 503", [425, 429, 503]),
    "error_path": ("errors", "errors"),
    "idempotency_header": ("Idempotency-Key", "Idempotency-Key"),
    "request_envelope": ("data", "data"),
    "response_envelope": ("result.data", "result.data"),
    "verify": ("false", False),
    "client_cert": ("/etc/ssl/client.pem", "/etc/ssl/client.pem"),
    "client_key": ("/etc/ssl/client.key", "/etc/ssl/client.key"),
    "client_key_passphrase": (SECRET, SECRET),
    "proxy": (f"http://user:{SECRET}@127.0.0.1:3128", f"http://user:{SECRET}@127.0.0.1:3128"),
}
CHOSEN = {"auth_type": "api_key", "key_in": "query", "update_method": "PATCH", "query_method": "QUERY"}
HEADERS = {"X-Tenant": "acme"}
OF_TOKENS = "OAuth 2.0 and login"
#: Fields that are not filled in: most of them go with one grant of OAuth 2.0, or with login, alone.
LEFT = {name for name, field in FORM.items() if field["schema"]["section"] == OF_TOKENS} - {*TYPED}


@pytest.fixture(scope="module")
def page(airflow: AirflowHome) -> Iterator[Page]:
    with signed_in(airflow) as page:
        yield page


@pytest.fixture
def connections(airflow: AirflowHome, page: Page) -> ConnectionList:
    return ConnectionList(airflow, page)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures of the form go: ``MIRRORDB_PICTURES``, or a folder of the test's own."""
    folder = Path(os.environ.get("MIRRORDB_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def stored(airflow: AirflowHome, conn_id: str) -> MirrorDBConfig:
    """Return what a connection in Airflow's database means, with its real secrets."""
    key = Fernet(airflow.environment["AIRFLOW__CORE__FERNET_KEY"].encode())
    with closing(sqlite3.connect(airflow.database)) as database:
        row = database.execute(
            "SELECT host, schema, login, port, password, extra FROM connection WHERE conn_id = ?", (conn_id,)
        ).fetchone()
    host, schema, login, port, password, extra = row
    password, extra = (key.decrypt(text.encode()).decode() if text else None for text in (password, extra))
    return config_from(
        SimpleNamespace(host=host, schema=schema, login=login, port=port, password=password, extra=extra)
    )


def sections() -> list[str]:
    return list(dict.fromkeys(field["schema"]["section"] for field in FORM.values()))


# -- filling in and saving -----------------------------------------------------------------------


def test_untouched_form_means_the_defaults(airflow: AirflowHome, connections: ConnectionList) -> None:
    """With nothing but a host, a connection is configured as one that has no extra at all."""
    form = connections.add("untouched")
    form.standard("host").fill("backend.example.com")
    for section in sections():  # looking into a section changes nothing
        form.open(section)
    form.save()

    assert stored(airflow, "untouched") == MirrorDBConfig(base_url="https://backend.example.com")


def test_form_says_what_goes_where(connections: ConnectionList) -> None:
    """Each field has its label, help text and section; the key's field is hidden and says what it takes."""
    form = connections.add("looked_at")
    for label in (
        "Host or base URL",
        "Login / client id",
        "API key / token / secret",
        "Schema (http, https)",
    ):
        expect(form.dialog.get_by_text(label, exact=True)).to_be_visible()
    expect(form.standard("host")).to_have_attribute(
        "placeholder", "https://backend.example.com/v1 or backend.example.com"
    )
    expect(form.standard("password")).to_have_attribute("type", "password")
    for section in sections():
        form.open(section)
        for field in FORM.values():
            if field["schema"]["section"] == section:
                expect(form.dialog.get_by_text(field["description"], exact=True)).to_be_visible()
    for name, field in FORM.items():
        if field["schema"].get("format") == "password":
            expect(form.extra(name)).to_have_attribute("type", "password")


def test_the_first_section_has_what_nearly_all_need(connections: ConnectionList) -> None:
    """How the key is sent comes first, as Login and key depend on it, then what may be requested."""
    form = connections.add("first_section")
    for name in sections():
        expect(form.dialog.get_by_role("button", name=name, exact=True)).to_be_visible()
    sections_shown = form.dialog.get_by_role("button", expanded=False).all_inner_texts()
    assert [name for name in sections_shown if name in sections()] == sections()
    form.open(sections()[0])
    labels = [FORM[name]["label"] for name in ("auth_type", "key_name", "endpoints", "test_endpoint")]
    for label in labels:
        expect(form.dialog.get_by_text(label, exact=True)).to_be_visible()

    def measured() -> list[float]:
        places = [form.dialog.get_by_text(label, exact=True).bounding_box() for label in labels]
        return [place["y"] for place in places if place is not None]

    heights = list[float]()
    while heights != (heights := measured()):  # the section opens slowly
        pass
    assert len(heights) == len(labels)
    assert heights == sorted(heights)


def test_a_picture_of_each_section(connections: ConnectionList, pictures: Path) -> None:
    """For people to look at; no field of text asks to start typing to see options that it does not have."""
    form = connections.add("pictured")
    size = connections.page.viewport_size
    connections.page.set_viewport_size({"width": 1100, "height": 2400})  # all of the longest section
    for section in ("Standard Fields", *sections()):
        form.open(section)
        shown = form.dialog.locator("input:visible, textarea:visible")
        hints = shown.evaluate_all("fields => fields.map(field => field.placeholder)")
        assert [hint for hint in hints if hint.startswith("Start typing")] == []
        name = section.lower().replace(" ", "_")
        form.dialog.screenshot(path=pictures / f"{name}.png", animations="disabled")
    assert len(list(pictures.glob("*.png"))) == 1 + len(sections())
    if size is not None:
        connections.page.set_viewport_size(size)


def test_every_field_is_saved_shown_again_and_edited(
    airflow: AirflowHome, connections: ConnectionList
) -> None:
    """What is typed is what is configured, and shown when the form is opened again; secrets only as ***.

    An edit of one field later, or clearing it, changes that one alone, and keeps the secrets.
    """
    assert {*TYPED, *CHOSEN, "headers", "trailing_slash"} == FORM.keys() - LEFT
    form = connections.add("filled")
    form.standard("host").fill("backend.example.com")
    form.standard("port").fill("8443")
    form.standard("login").fill("ada")
    form.standard("password").fill(SECRET)
    for section in sections():
        form.open(section)
        fill_section(form, section)
    form.save()

    expected = MirrorDBConfig.model_validate(
        {
            **{name: value for name, (_, value) in TYPED.items()},
            **CHOSEN,
            "headers": HEADERS,
            "trailing_slash": True,
            "base_url": "https://backend.example.com:8443",
            "login": "ada",
            "api_key": SECRET,
        }
    )
    assert stored(airflow, "filled") == expected

    form = connections.edit("filled")
    hidden = {"client_key_passphrase", "proxy", "secret_headers"}  # Airflow goes by the name
    for name, (text, _) in TYPED.items():
        expect(form.extra(name)).to_have_value("***" if name in hidden else text)
    expect(form.standard("password")).to_have_value("***")
    assert SECRET not in connections.page.content()
    form.open("Backoff")
    form.fill("max_attempts", "4")
    form.save()
    assert stored(airflow, "filled") == expected.changed({"max_attempts": 4})

    form = connections.edit("filled")
    form.open("Backoff")
    form.fill("max_attempts", "")
    form.open("Authentication and endpoints")
    for name in ("auth_type", "key_in"):
        form.choose(name, FORM[name]["schema"]["values_display"]["null"])
    for name in ("key_name", "key_prefix"):  # which go with the kinds that use them
        form.fill(name, "")
    form.open(OF_TOKENS)
    for name in ("oauth_url", "scope"):
        form.fill(name, "")
    form.save()
    nothing = dict.fromkeys(
        ("max_attempts", "auth_type", "key_in", "key_name", "key_prefix", "oauth_url", "scope")
    )
    assert stored(airflow, "filled") == expected.changed(nothing)
    assert airflow.columns_with(SECRET) == []


def fill_section(form: ConnectionForm, section: str) -> None:
    for name, field in FORM.items():
        if field["schema"]["section"] != section or name in LEFT:
            continue
        if name in TYPED:
            form.fill(name, TYPED[name][0])
        elif name in CHOSEN:
            form.choose(name, field["schema"]["values_display"].get(CHOSEN[name], CHOSEN[name]))
        elif name == "headers":
            form.write_json(name, json.dumps(HEADERS))
        else:
            form.switch(name)


def test_connection_from_the_command_line_is_edited(
    airflow: AirflowHome, connections: ConnectionList
) -> None:
    """Lists are shown whether they were stored as lists or as text, and an edit leaves them as they are."""
    extra = {
        "endpoints": ["api/users", "api/orders"],
        "retry_statuses": "502 503",
        "headers": HEADERS,
        "verify": False,
        "proxy": f"http://{SECRET}@127.0.0.1:3128",
        "timeout": "12",
    }
    save(airflow, "from_elsewhere", "https://backend.example.com", extra)
    before = stored(airflow, "from_elsewhere")
    connections.page.reload()

    form = connections.edit("from_elsewhere")
    expect(form.extra("endpoints")).to_have_value("api/users,api/orders")
    expect(form.extra("retry_statuses")).to_have_value("502 503")
    expect(form.extra("verify")).to_have_value("false")
    form.open("Limits")
    form.fill("timeout", "15")
    form.save()
    assert stored(airflow, "from_elsewhere") == before.changed({"timeout": 15})

    form = connections.edit("from_elsewhere")
    form.open("Authentication and endpoints")
    form.fill("endpoints", "api/users,api/orders,api/totals")
    form.save()
    endpoints = ["api/users", "api/orders", "api/totals"]
    assert stored(airflow, "from_elsewhere") == before.changed({"timeout": 15, "endpoints": endpoints})


def save(airflow: AirflowHome, conn_id: str, url: str, extra: dict[str, Any], key: str = SECRET) -> None:
    """Save a connection without the form; with a port, without which Airflow 3.3.2 tests none."""
    port = urlsplit(url).port or (443 if url.startswith("https") else 80)
    connection = {
        "connection_id": conn_id,
        "conn_type": "mirrordb",
        "host": url,
        "port": port,
        "password": key,
        "extra": json.dumps(extra),
    }
    airflow.rest("POST", "connections", connection)


# -- the Test button -----------------------------------------------------------------------------


def test_button_after_the_form(
    airflow: AirflowHome, backend: BackendProcess, connections: ConnectionList
) -> None:
    """A connection filled in by hand passes its test, also after an edit that did not touch the key."""
    where = urlsplit(backend.url)
    form = connections.add("tested")
    form.standard("host").fill(str(where.hostname))
    form.standard("port").fill(str(where.port))
    form.standard("schema").fill("http")
    form.standard("password").fill(backend.key)
    form.open("Authentication and endpoints")
    form.fill("test_endpoint", "api/browser")
    form.save()
    words = f"GET {backend.url}/api/browser answered 200, authentication: bearer"
    expect(connections.test("tested")).to_contain_text(words)

    form = connections.edit("tested")
    form.open("Limits")
    form.fill("timeout", "5")
    form.save()
    connections.page.reload()
    expect(connections.test("tested")).to_contain_text(words)
    assert backend.requests("/api/browser") == ["GET /api/browser 200"] * 2


def test_button_without_a_port(
    airflow: AirflowHome, backend: BackendProcess, connections: ConnectionList
) -> None:
    """With 0, which the form advises, the port in Host holds, and Airflow tests the connection.

    Airflow 3.3.1 and 3.3.2 send 0 for no port, and refuse it as another one:
    https://github.com/apache/airflow/pull/73298.
    """
    form = connections.add("portless")
    expect(form.standard("port")).to_have_attribute(
        "placeholder", "that in Host, or 443, 80; if Test says Bad Request, type 0"
    )
    form.standard("host").fill(backend.url)
    form.standard("port").fill("0")
    form.standard("password").fill(backend.key)
    form.save()

    expect(connections.test("portless")).to_contain_text(
        f"Reached, key not checked: set Test endpoint to one of Allowed endpoints that a GET answers with"
        f" JSON. (GET {backend.url} answered 200)"
    )


@pytest.fixture(scope="module")
def failing(backend: BackendProcess, server_tls: ssl.SSLContext) -> Iterator[dict[str, str]]:
    """An address for each failure: nobody's, nothing there, an unknown authority, a server that fails."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

    overloaded = ScriptedBackend()
    overloaded.start()
    overloaded.answer(503, {"detail": "closed for today"})
    untrusted = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    untrusted.socket = server_tls.wrap_socket(untrusted.socket, server_side=True)
    thread = Thread(target=untrusted.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        yield {
            "name": "https://nosuch.invalid",
            "refused": f"http://127.0.0.1:{dead.getsockname()[1]}",
            "certificate": f"https://localhost:{untrusted.server_address[1]}",
            "key": backend.url,
            "endpoint": backend.url,
            "server": overloaded.url,
        }
    untrusted.shutdown()
    thread.join()
    untrusted.server_close()
    overloaded.stop()


@pytest.mark.parametrize(
    ("failure", "words", "reason"),
    [
        ("name", "Name not found: check the spelling of Host.", "nosuch.invalid"),
        (
            "refused",
            "Refused: nothing listens there. Check Host and port",
            "cannot connect to http://127.0.0.1",
        ),
        ("certificate", "TLS failed.", "set the extra 'verify' (Verify certificate in the form) to"),
        ("key", "Key rejected: check API key / token / secret", "401 Unauthorized"),
        (
            "endpoint",
            "Test endpoint not found: the backend is there, but has no api/browser/7.",
            "404 Not Found",
        ),
        ("server", "The backend itself fails: it was reached", "503 Service Unavailable: closed for today"),
    ],
)
def test_button_says_what_is_wrong(
    airflow: AirflowHome,
    backend: BackendProcess,
    failing: dict[str, str],
    page: Page,
    failure: str,
    words: str,
    reason: str,
) -> None:
    """The user reads what failed and what to check, with the reason; the key is not in it."""
    key = SECRET if failure == "key" else backend.key
    extra = {"test_endpoint": "api/browser/7"} if failure == "endpoint" else {}
    save(airflow, f"fails_{failure}", failing[failure], extra, key)
    outcome = ConnectionList(airflow, page).test(f"fails_{failure}")

    expect(outcome).to_contain_text("Test Connection Failed")
    expect(outcome).to_contain_text(words)
    expect(outcome).to_contain_text(reason)
    assert key not in outcome.inner_text()


def test_task_leads_to_its_resource(airflow: AirflowHome, backend: BackendProcess, page: Page) -> None:
    """A task's details have a button to the URL that was read, though the triggerer read it."""
    airflow.wait_for_dags("linked")
    run_id = airflow.trigger("linked")
    assert airflow.wait_for_run("linked", run_id) == "success"
    page.goto(task_page(airflow, "linked", run_id, "read"))

    expect(page.get_by_role("link", name="Resource")).to_have_attribute("href", f"{backend.url}/api/orders")
