"""The connection form of Airflow 2.11 to 3.1; that of newer versions is in tests/e2e."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytest

from airflow_mirrordb.client import MirrorDBConfig
from airflow_mirrordb.client.auth.oauth.settings import OAUTH_SETTINGS
from airflow_mirrordb.get_provider_info import get_provider_info
from airflow_mirrordb.hooks.connections.config import config_from
from airflow_mirrordb.hooks.connections.form import KEPT
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

wtforms = pytest.importorskip("wtforms", reason="the form of Airflow below 3.2 needs wtforms")

CONNECTION_TYPE: dict[str, Any] = get_provider_info()["connection-types"][0]
DECLARED: dict[str, dict[str, Any]] = CONNECTION_TYPE["conn-fields"]
STANDARD_FIELDS = {"host", "schema", "login", "password", "port", "description"}
SECRETS = {
    "client_key_passphrase": "secret-passphrase",
    "proxy": "user:secret",
    "secret_headers": "a-secret-of-nobody",
    "client_secret": "secret-of-a-client",
}

#: One value for each setting, none of them its default, as the command line stores them.
STORED: dict[str, Any] = {
    "endpoints": ["api/users", "DELETE api/cache"],
    "test_endpoint": "api/users",
    "redirect_hosts": ["*.s3.amazonaws.com", "files.example.com:8443"],
    "trailing_slash": True,
    "auth_type": "api_key",
    "key_in": "query",
    "key_name": "api_key",
    "key_prefix": "Token ",
    "secret_headers": {"X-Second": "a-secret-of-nobody"},
    "auth_statuses": [401, 403],
    "auth_conn_id": "the_token",
    "oauth_url": "https://login.example.com/token",
    "scope": "read write",
    "grant_type": "password",
    "refresh_token_variable": "crm_refresh_token",
    "token_params": {"audience": "https://api.example.com"},
    "token_endpoint_auth_method": "client_secret_post",
    "client_id": "client-7",
    "client_secret": "secret-of-a-client",
    "private_key_file": "/etc/ssl/key.pem",
    "jwt_claims": {"sub": "etl"},
    "jwt_headers": {"kid": "7"},
    "timeout": 2.5,
    "rate_limit": 10,
    "adaptive_rate": False,
    "max_concurrency": 7,
    "max_response_bytes": 2_000_000,
    "max_attempts": 3,
    "initial_delay": 0.5,
    "backoff_factor": 1.5,
    "max_delay": 9,
    "max_elapsed": 99,
    "retry_statuses": [502, 503],
    "pending_statuses": [202, 203],
    "idempotency_header": "Idempotency-Key",
    "not_applied_statuses": [425, 429, 503],
    "error_path": "errors",
    "update_method": "PATCH",
    "query_method": "QUERY",
    "request_envelope": "data",
    "response_envelope": "result.data",
    "verify": "/etc/ssl/ca.pem",
    "client_cert": "/etc/ssl/client.pem",
    "client_key": "/etc/ssl/client.key",
    "client_key_passphrase": "secret-passphrase",
    "proxy": "http://user:secret@proxy.example.com:3128",
    "headers": {"X-Tenant": "acme", "X-Say": 'a "word"'},
}

#: The same of login endpoints, which no other kind of authentication has.
LOGIN: dict[str, Any] = {
    "auth_type": "login",
    "login_url": "https://login.example.com/login",
    "login_body": {"pin": "{password}", "device": {"name": "airflow", "trusted": True}},
    "login_content_type": "application/x-www-form-urlencoded",
    "token_path": "data.access_token",
    "token_cookie": "session",
    "token_expires": "data.expires",
}
STORED_LOGINS = [
    {name: value for name, value in LOGIN.items() if name not in ("login_content_type", left_out)}
    for left_out in ("token_path", "token_cookie")
]
STORED_LOGINS.append({**STORED_LOGINS[0], "login_body": {"pin": "{password}"}, "token_expires": 600})
STORED_LOGINS[-1]["login_content_type"] = LOGIN["login_content_type"]

#: What has no use without a field, and is refused.
NEED = {
    "client_cert": {"client_key"},
    "auth_type": {"key_in", "key_name", "key_prefix", *OAUTH_SETTINGS},
    "key_name": {"key_in"},
}


@dataclass
class Stored:
    """A connection as the database holds it."""

    extra: str
    host: str | None = "https://backend.example.com"
    schema: str | None = None
    login: str | None = None
    password: str | None = "key"
    port: int | None = None
    conn_id: str = "crm"
    conn_type: str = "mirrordb"


class Sent(dict[str, str]):
    """What a browser sends; as WTForms wants to be given it."""

    def getlist(self, name: str) -> list[str]:
        return [self[name]] if name in self else []


def form_of(extra: Mapping[str, Any], sent: Sent | None = None) -> Any:
    """Return the form for a stored extra, or what it holds when it is sent."""
    form = type("ConnectionForm", (wtforms.Form,), MirrorDBHook.get_connection_form_widgets())(sent)
    for name, value in extra.items():
        form[name].data = value
    return form


def shown(form: Any) -> Sent:
    """Return what a browser sends that shows this form, and whose user changes nothing."""
    sent = Sent()
    for field in form:
        text = str(field())
        if 'type="checkbox"' not in text:
            value = re.search(r'value="([^"]*)"', text)
            sent[field.name] = html.unescape(value[1]) if value else ""
        elif " checked " in text:
            sent[field.name] = "y"
    return sent


def saved(sent: Sent, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the extra that Airflow 2 saves: its own text for a secret stands for the stored one."""
    form = form_of({}, sent)
    assert form.validate(), form.errors
    extra = {name: value for name, value in form.data.items() if value != ""}
    return {name: stored[name] if value == KEPT else value for name, value in extra.items()}


def config(extra: Mapping[str, Any], login: str | None = None) -> MirrorDBConfig:
    return config_from(Stored(json.dumps(extra), login=login))


def test_form_has_every_setting() -> None:
    """Each setting is a field, in the same order, with the label, section and help text of newer forms."""
    form = form_of({})
    assert [field.name for field in form] == list(DECLARED)
    for field in form:
        declared = DECLARED[field.name]
        assert field.label.text == f"{declared['schema']['section']}: {declared['label']}"
        assert field.description.startswith(declared["description"])
        for choice in declared["schema"].get("enum", []):
            assert choice is None or choice in field.description


def test_form_takes_no_more_than_airflow_does() -> None:
    """Airflow drops a hook with other kinds of fields; secrets are hidden, and no switch is on by itself."""
    for name, widget in MirrorDBHook.get_connection_form_widgets().items():
        allowed = (wtforms.IntegerField, wtforms.PasswordField, wtforms.StringField, wtforms.BooleanField)
        assert widget.field_class in allowed
        assert (widget.field_class is wtforms.PasswordField) is (name in SECRETS)
        if widget.field_class is wtforms.BooleanField:
            assert MirrorDBConfig.model_fields[name].default is False
            assert "default" not in widget.kwargs


def test_untouched_form_means_the_defaults() -> None:
    """A new connection whose fields are all left empty is configured as one without any extra."""
    assert config(saved(shown(form_of({})), {})) == config({})


def test_untouched_form_keeps_every_setting() -> None:
    """What was stored on the command line is the same after its form was saved; secrets were not shown."""
    assert STORED.keys() | LOGIN.keys() == DECLARED.keys()
    form = form_of(STORED)
    page = "".join(str(field()) for field in form)

    assert config(saved(shown(form), STORED)) == config(STORED)
    assert not [name for name, text in SECRETS.items() if text in page]


@pytest.mark.parametrize("stored", STORED_LOGINS)
def test_untouched_form_keeps_a_login(stored: dict[str, Any]) -> None:
    """JSON within, texts that may be numbers, and a choice."""
    assert config(saved(shown(form_of(stored)), stored)) == config(stored) != config({})


@pytest.mark.parametrize("name", STORED)
def test_one_field_may_be_changed_later(name: str) -> None:
    """Clearing one field gives its default and leaves the others alone."""
    needed = NEED.get(name, set())
    sent = shown(form_of(STORED))
    for cleared in {name, *needed}:
        sent[cleared] = ""
    rest = {other: value for other, value in STORED.items() if other not in {name, *needed}}
    assert config(saved(sent, STORED)) == config(rest)


def test_new_secret_survives_a_form_that_is_refused() -> None:
    """A secret just typed comes back when another field is wrong; it does not count as stored."""
    sent = Sent(proxy="http://new.example.com", max_attempts="many")
    form = form_of({}, sent)
    assert not form.validate()
    assert shown(form)["proxy"] == "http://new.example.com"


def test_standard_fields() -> None:
    """Labels and examples of the standard fields are those of newer forms; each example has its field."""
    behaviour = MirrorDBHook.get_ui_field_behaviour()
    declared = CONNECTION_TYPE["ui-field-behaviour"]
    assert behaviour == {
        "hidden_fields": declared["hidden-fields"],
        "relabeling": declared["relabeling"],
        "placeholders": declared["placeholders"],
    }
    assert behaviour["relabeling"]["password"] == "API key / token / secret"
    assert behaviour["placeholders"].keys() <= STANDARD_FIELDS | DECLARED.keys()
    assert behaviour["relabeling"].keys() <= STANDARD_FIELDS


def test_examples_are_valid() -> None:
    """What an empty field shows as an example may be typed into it."""
    examples = CONNECTION_TYPE["ui-field-behaviour"]["placeholders"]
    extra = {name: text for name, text in examples.items() if name in DECLARED}
    login = {name: extra.pop(name) for name in list(extra) if name in LOGIN}
    assert config({"auth_type": "none", **extra}) != config({})
    for left_out in ("token_path", "token_cookie"):
        assert config({**login, "auth_type": "login", left_out: None}, login="ada").login_url is not None
    for name, field in DECLARED.items():
        for example in cast("list[str]", field["schema"].get("examples", [])):
            assert config({name: example}) is not None


def test_kept_is_the_text_of_airflow() -> None:
    """Airflow 2 knows the text that stands for a stored secret."""
    views = pytest.importorskip("airflow.www.views", reason="this Airflow has no form of its own for it")
    assert views.SENSITIVE_FIELD_PLACEHOLDER == KEPT
