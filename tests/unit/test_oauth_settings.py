"""Which settings of OAuth 2.0 belong together, and what a request for a token says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import airflow_mirrordb
from airflow_mirrordb.client import ConfigError, MirrorDBConfig
from airflow_mirrordb.client.auth.oauth.grants import Proofs, token_form
from airflow_mirrordb.client.auth.schemes import client_headers, secrets

TOKENS = "https://login.example.com/token"


def config(**settings: Any) -> MirrorDBConfig:
    own = {"base_url": "https://api.example.com", "auth_type": "oauth2", "oauth_url": TOKENS}
    return MirrorDBConfig.model_validate({**own, **settings}, context={"api_key": "Password"})


def problem(**settings: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config(**settings)
    assert caught.value.message.startswith(f"{caught.value.field}: ")
    return caught.value.message


def form_of(config: MirrorDBConfig) -> list[tuple[str, str]]:
    return token_form(config, Proofs())


CLIENT = {"login": "id", "api_key": "s3cret-of-client"}
USER = {"grant_type": "password", "login": "ada", "api_key": "s3cret-of-ada"}


# -- what is sent --------------------------------------------------------------------------------


def test_a_secret_goes_into_a_header_or_the_body_but_never_both() -> None:
    """RFC 6749, section 2.3: a client must not use more than one method in a request."""
    by_header, by_body = config(**CLIENT), config(**CLIENT, token_endpoint_auth_method="client_secret_post")
    assert form_of(by_header) == [("grant_type", "client_credentials")]
    assert client_headers(by_header) == {"Authorization": "Basic aWQ6czNjcmV0LW9mLWNsaWVudA=="}
    assert dict(form_of(by_body)) == {
        "grant_type": "client_credentials",
        "client_id": "id",
        "client_secret": "s3cret-of-client",
    }
    assert client_headers(by_body) == {}


def test_a_user_of_a_server_that_knows_no_clients() -> None:
    """As those of FastAPI ("Simple OAuth2 with Password and Bearer"): username and password."""
    form = {"grant_type": "password", "username": "ada", "password": "s3cret-of-ada"}
    assert dict(form_of(config(**USER))) == form
    assert client_headers(config(**USER)) == {}
    assert dict(form_of(config(**USER, client_id="app"))) == {**form, "client_id": "app"}


def test_a_user_and_a_client() -> None:
    """RFC 6749, section 4.3.2: a confidential client authenticates as well."""
    by_header = config(**USER, client_id="app", client_secret="s3cret-of-app")
    assert dict(form_of(by_header)).keys() == {"grant_type", "username", "password"}
    assert client_headers(by_header) == {"Authorization": "Basic YXBwOnMzY3JldC1vZi1hcHA="}
    by_body = by_header.changed({"token_endpoint_auth_method": "client_secret_post"})
    assert dict(form_of(by_body))["client_secret"] == "s3cret-of-app"
    assert {"s3cret-of-ada", "s3cret-of-app"} <= set(secrets(by_body))


def test_further_parameters() -> None:
    """Auth0 wants an audience; a resource may be there several times (RFC 8707, section 2)."""
    form = form_of(
        config(**CLIENT, token_params='{"audience": "https://a/", "resource": ["b", "c"], "n": 7}')
    )
    further = [("audience", "https://a/"), ("resource", "b"), ("resource", "c"), ("n", "7")]
    assert form == [("grant_type", "client_credentials"), *further]


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("client_secret", "the password, or client_secret says it"),
        ("scope", "scope says it"),
        ("Username", "Login, with grant_type 'password' says it"),
        ("refresh_token", "refresh_token_variable says it"),
        ("client_assertion", "private_key_file says it"),
        ("security_token", "a secret of the client's belongs in the password, or client_secret"),
        ("api-key", "belongs in the password, or client_secret"),
    ],
)
def test_a_parameter_with_a_setting_of_its_own(name: str, says: str) -> None:
    """Secrets too: ``get_config`` and Airflow's form show these parameters."""
    error = problem(**CLIENT, token_params={name: "c4nary"})
    assert says in error
    assert "c4nary" not in error


@pytest.mark.parametrize("name", ["requested_token_type", "token_format", "requested_token_use"])
def test_a_parameter_that_only_speaks_of_tokens(name: str) -> None:
    """RFC 8693, Cloud Foundry's UAA and Microsoft Entra have these."""
    assert config(**CLIENT, token_params={name: "jwt"}).token_params == {name: ("jwt",)}


@pytest.mark.parametrize("value", [True, None, {"a": "b"}, [["a"]], "a\r\nb"])
def test_a_parameter_that_is_no_text(value: Any) -> None:
    """Nothing could tell how to send it."""
    assert problem(**CLIENT, token_params={"audience": value}).startswith("token_params: 'audience': it ")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"login": "ada", "grant_type": "password"},
            "api_key: it is missing, and grant_type 'password' needs it",
        ),
        ({**USER, "client_secret": "s"}, "client_id: it is missing, and auth_type 'oauth2' needs it"),
        (
            {**USER, "client_id": "app", "token_endpoint_auth_method": "client_secret_post"},
            "client_secret: it is missing, and token_endpoint_auth_method 'client_secret_post' needs it",
        ),
        ({**CLIENT, "client_id": "x"}, "login: client_id says who the client is as well; leave one"),
        ({**CLIENT, "client_secret": "x"}, "api_key: client_secret is the secret of the client as well"),
        (
            {**CLIENT, "token_endpoint_auth_method": "none"},
            "api_key: it has no effect: token_endpoint_auth_method 'none' sends no secret",
        ),
        (
            {**USER, "client_secret": "s", "token_endpoint_auth_method": "none"},
            "client_secret: it has no effect: token_endpoint_auth_method 'none' sends no secret",
        ),
    ],
)
def test_what_is_missing_and_what_has_no_effect(settings: dict[str, Any], says: str) -> None:
    """A secret that is not sent may be one that was meant to be."""
    assert says in problem(**settings)


KEY_FILE = {"private_key_file": "/key.pem"}
BEARER = {"grant_type": "jwt_bearer", **KEY_FILE}
BY_KEY = {"token_endpoint_auth_method": "private_key_jwt"}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"grant_type": "refresh_token", **CLIENT}, "refresh_token_variable: it is missing, and grant_type"),
        (
            {**CLIENT, "refresh_token_variable": "x"},
            "refresh_token_variable: it has no effect with grant_type",
        ),
        ({"login": "id", **BY_KEY}, "private_key_file: it is missing, and token_endpoint_auth_method"),
        (
            {**BY_KEY, **KEY_FILE},
            "login: it is missing, and token_endpoint_auth_method 'private_key_jwt' needs",
        ),
        (
            {"grant_type": "jwt_bearer"},
            "private_key_file: it is missing, and grant_type 'jwt_bearer' needs it",
        ),
        (
            {**CLIENT, **KEY_FILE},
            "private_key_file: nothing is signed: token_endpoint_auth_method 'private_key",
        ),
        ({**CLIENT, "jwt_claims": {"sub": "a"}}, "jwt_claims: nothing is signed"),
        ({**CLIENT, "jwt_headers": {"kid": "a"}}, "jwt_headers: nothing is signed"),
        (
            {**CLIENT, **BY_KEY, **KEY_FILE},
            "api_key: it has no effect: token_endpoint_auth_method 'private_key",
        ),
        ({**BEARER, "api_key": "s"}, "api_key: it has no effect: token_endpoint_auth_method 'none' sends"),
        ({**BEARER, "login": "a", "jwt_claims": {"iss": "b"}}, "login: jwt_claims says who signs as well"),
        (
            {**BEARER, "jwt_claims": {"exp": 7}},
            "jwt_claims: 'exp' is made anew for each request; null leaves",
        ),
        ({**BEARER, "jwt_claims": {"exp": None}}, "jwt_claims: 'exp' cannot be left out (RFC 7523"),
        ({**BEARER, "jwt_headers": {"alg": "HS256"}}, "jwt_headers: 'alg' must be one of RS256, "),
        ({**BEARER, "jwt_headers": {"alg": "none"}}, "jwt_headers: 'alg' must be one of RS256, "),
        ({**BEARER, "jwt_claims": "[1]"}, "jwt_claims: it must be a JSON object"),
    ],
)
def test_what_only_one_grant_or_method_uses(settings: dict[str, Any], says: str) -> None:
    """And what each of them cannot do without."""
    assert says in problem(**settings)


@pytest.mark.parametrize(
    ("settings", "method", "client_id"),
    [
        (BEARER, "none", None),
        ({**BEARER, "login": "iss"}, "none", None),
        ({**BEARER, "client_id": "app"}, "none", "app"),
        ({**BEARER, "client_id": "app", "api_key": "s"}, "client_secret_basic", "app"),
        ({**BEARER, "login": "app", "token_endpoint_auth_method": "none"}, "none", "app"),
        ({**BEARER, "login": "app", **BY_KEY}, "private_key_jwt", "app"),
    ],
)
def test_an_assertion_needs_no_client(settings: dict[str, Any], method: str, client_id: str | None) -> None:
    """RFC 7523, section 3.1: its authentication is optional; Salesforce and Google want none."""
    found = config(**settings)
    assert (found.client_method, found.oauth_client_id) == (method, client_id)


def _documented() -> list[tuple[str, dict[str, Any]]]:
    text = (Path(airflow_mirrordb.__file__).parent / "client" / "README.md").read_text()
    section = text.partition("### Tokens of OAuth 2.0")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| (\[.*?) \| (.*) \|$", section, re.MULTILINE)
    return [(server, json.loads(f"{{{re.findall('`(.*?)`', extras)[0]}}}")) for server, extras in rows]


@pytest.mark.parametrize(("server", "extras"), _documented())
def test_what_the_readme_says(server: str, extras: dict[str, Any]) -> None:
    """Each row is a connection with the Login and Password that it does not rule out."""
    fields = {} if "no Login" in server else {"login": "id"} if "no Password" in server else CLIENT
    assert config(**fields, **extras).auth == "oauth2"


def test_an_id_of_its_own_beside_the_password() -> None:
    """It may be an extra while its secret is the connection's password."""
    assert config(client_id="id", api_key="s").oauth_client_id == "id"


async def test_the_secret_of_the_client_is_masked() -> None:
    """As every other one."""
    shown = config(**USER, client_id="app", client_secret="s3cret-of-app").masked()
    assert (shown["client_secret"], shown["client_id"]) == ("***", "app")
