"""The settings: lenient in form, strict in meaning, and no secret shows."""

from __future__ import annotations

import json
import pickle
import re
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_mirrordb.client import ConfigError, MirrorDBConfig, RetryPolicy, setting_words
from airflow_mirrordb.client.auth.oauth.settings import OAUTH_SETTINGS

URL = "https://example.com"
KEY = "k3y-that-nobody-may-see"
PASSPHRASE = "passphr4se-that-nobody-may-see"
PROXY = "http://user:pr0xy-pass@proxy.example:3128"

DEFAULTS: dict[str, Any] = {
    "login": None,
    "api_key": None,
    "endpoints": None,
    "trailing_slash": False,
    "test_endpoint": None,
    "redirect_hosts": None,
    "update_method": "PUT",
    "query_method": "POST",
    "request_envelope": None,
    "response_envelope": None,
    "auth_type": None,
    "auth_conn_id": None,
    "key_in": "header",
    "key_name": None,
    "key_prefix": None,
    "secret_headers": {},
    "auth_statuses": frozenset({401}),
    "oauth_url": None,
    "scope": None,
    "grant_type": "client_credentials",
    "token_endpoint_auth_method": None,
    "client_id": None,
    "client_secret": None,
    "token_params": {},
    "refresh_token_variable": None,
    "login_url": None,
    "login_body": {"username": "{login}", "password": "{password}"},
    "login_content_type": "application/json",
    "token_path": None,
    "token_cookie": None,
    "token_expires": None,
    "private_key_file": None,
    "jwt_claims": {},
    "jwt_headers": {},
    "max_attempts": 5,
    "initial_delay": 1.0,
    "backoff_factor": 2.0,
    "max_delay": 60.0,
    "max_elapsed": 300.0,
    "retry_statuses": {408, 425, 429, 500, 502, 503, 504, *range(520, 531)},
    "pending_statuses": {202},
    "error_path": None,
    "not_applied_statuses": {425, 429},
    "timeout": 30.0,
    "max_concurrency": 100,
    "rate_limit": None,
    "adaptive_rate": True,
    "max_response_bytes": 16 * 1024 * 1024,
    "idempotency_header": None,
    "verify": True,
    "client_cert": None,
    "client_key": None,
    "client_key_passphrase": None,
    "proxy": None,
    "headers": {},
}


#: Chosen, so that what one kind of authentication uses may stand beside it.
CHOSEN = {name: {"auth_type": "none"} for name in ("key_in", "key_name", "key_prefix", *OAUTH_SETTINGS)}


def config(**settings: Any) -> MirrorDBConfig:
    return MirrorDBConfig(**{"base_url": URL, **settings})


def problem(**settings: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        config(**settings)
    return caught.value


# -- values --------------------------------------------------------------------------------------


def test_the_defaults() -> None:
    """Every field but the base URL has its documented default."""
    assert {**dict(config())} == {"base_url": URL, **DEFAULTS}


@pytest.mark.parametrize("blank", [None, "", "  "])
@pytest.mark.parametrize("field", [*sorted(set(DEFAULTS) - {"api_key"})])
def test_blank_stands_for_the_default(field: str, blank: str | None) -> None:
    """An untouched form field arrives as null or an empty string."""
    assert getattr(config(**{field: blank}), field) == DEFAULTS[field]


@pytest.mark.parametrize("blank", [None, ""])
def test_a_blank_key_is_no_key(blank: str | None) -> None:
    """Nothing is none; white space, which is no key either, is refused."""
    assert config(api_key=blank).api_key is None


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        ("max_attempts", "7", 7),
        ("max_attempts", " 7 ", 7),
        ("max_attempts", 7.0, 7),
        ("max_attempts", 1, 1),
        ("max_attempts", 1000, 1000),
        ("max_elapsed", 0, 0.0),
        ("max_elapsed", "1e3", 1000.0),
        ("initial_delay", "0.5", 0.5),
        ("initial_delay", 60, 60.0),
        ("backoff_factor", "1", 1.0),
        ("timeout", "2.5", 2.5),
        ("max_concurrency", "1", 1),
        ("rate_limit", "0.5", 0.5),
        ("adaptive_rate", "false", False),
        ("adaptive_rate", False, False),
        ("max_response_bytes", "1024", 1024),
        ("trailing_slash", "true", True),
        ("trailing_slash", "False", False),
        ("trailing_slash", 1, True),
        ("verify", "false", False),
        ("verify", "TRUE", True),
        ("verify", "0", False),
        ("verify", "no", False),
        ("verify", "yes", True),
        ("verify", False, False),
        ("verify", "/etc/ca.pem", "/etc/ca.pem"),
        ("retry_statuses", "503, 429", {503, 429}),
        ("retry_statuses", "503 429\n500", {503, 429, 500}),
        ("retry_statuses", "[503, 429]", {503, 429}),
        ("retry_statuses", [503, "429"], {503, 429}),
        ("retry_statuses", (400, 599), {400, 599}),
        ("retry_statuses", "none", set()),
        ("pending_statuses", "202, 203", {202, 203}),
        ("pending_statuses", "None", set()),
        ("not_applied_statuses", [425, 429, "503"], {425, 429, 503}),
        ("endpoints", "api/users, api/posts", ("api/users", "api/posts")),
        ("endpoints", "api/users api/posts", ("api/users", "api/posts")),
        ("endpoints", "api/users\napi/posts\n", ("api/users", "api/posts")),
        ("endpoints", '["api/users", "DELETE api/cache"]', ("api/users", "DELETE api/cache")),
        ("endpoints", "DELETE api/cache, api/users", ("DELETE api/cache", "api/users")),
        ("endpoints", "api/users delete api/cache", ("api/users", "delete api/cache")),
        ("endpoints", ["api/users/{id:int}"], ("api/users/{id:int}",)),
        ("endpoints", ("api/users",), ("api/users",)),
        ("headers", '{"X-Team": "data"}', {"X-Team": "data"}),
        ("headers", {"X-Team": "data"}, {"X-Team": "data"}),
        ("auth_type", "none", "none"),
        ("idempotency_header", "Idempotency-Key", "Idempotency-Key"),
        ("test_endpoint", "api/health", "api/health"),
        ("login", " user ", "user"),
        (
            "oauth_url",
            "https://login.example/token?api-version=1",
            "https://login.example/token?api-version=1",
        ),
    ],
)
def test_the_form_of_a_value_is_read_leniently(field: str, given: object, value: object) -> None:
    """Strings for numbers and booleans, JSON text or words for lists, JSON text for mappings."""
    assert getattr(config(**CHOSEN.get(field, {}), **{field: given}), field) == value


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("max_attempts", 0),
        ("max_attempts", 1001),
        ("max_attempts", "many"),
        ("max_attempts", 2.5),
        ("max_attempts", True),
        ("initial_delay", 0),
        ("initial_delay", -1),
        ("initial_delay", "nan"),
        ("initial_delay", 61),
        ("backoff_factor", 0.99),
        ("backoff_factor", "inf"),
        ("max_delay", 0),
        ("max_delay", "inf"),
        ("max_elapsed", -1),
        ("max_elapsed", False),
        ("retry_statuses", "399"),
        ("retry_statuses", [600]),
        ("retry_statuses", "often"),
        ("retry_statuses", "[503"),
        ("retry_statuses", 503),
        ("retry_statuses", [True]),
        ("pending_statuses", [200]),
        ("error_path", "errors["),
        ("pending_statuses", "404"),
        ("not_applied_statuses", [202]),
        ("timeout", 0),
        ("timeout", "nan"),
        ("timeout", [30]),
        ("max_concurrency", 0),
        ("rate_limit", 0),
        ("rate_limit", "inf"),
        ("max_response_bytes", 0),
        ("trailing_slash", "maybe"),
        ("trailing_slash", 2),
        ("verify", 7),
        ("verify", ["ca.pem"]),
        ("auth_type", "digest"),
        ("key_name", "X API Key"),
        ("key_name", "X-Key\r\nHost"),
        ("key_name", "Host"),
        ("idempotency_header", "key:"),
        ("idempotency_header", "Content-Length"),
        ("idempotency_header", "Authorization"),
        ("idempotency_header", "x-api-key"),  # the key_name
        ("endpoints", ["api/users/"]),
        ("endpoints", "api/{x:float}"),
        ("endpoints", [7]),
        ("endpoints", 7),
        ("endpoints", '["api/users"'),
        ("test_endpoint", "/api/health"),
        ("test_endpoint", "api/health?x=1"),
        ("client_key", "/key.pem"),  # without client_cert
        ("proxy", "proxy.example:3128"),
        ("proxy", "socks5://proxy.example"),
        ("proxy", "http://"),
        ("headers", "X-Team: data"),
        ("headers", ["X-Team"]),
        ("headers", {"X-Team": 7}),
        ("headers", {"X Team": "data"}),
        ("headers", {"X-Team": "a\r\nHost: evil"}),
        ("headers", {"X-Team\n": "data"}),
        ("headers", {"authorization": "Bearer x"}),
        ("headers", {"Cookie": "a=b"}),
        ("headers", {"Host": "evil"}),
        ("headers", {"Transfer-Encoding": "chunked"}),
        ("login", 7),
        ("api_key", 7),
        ("api_key", "line\nbreak"),
        ("api_key", "nul\x00"),
        ("client_key_passphrase", "a\rb"),
        ("api_key", "\ud800"),
        ("api_key", SecretStr("\ud800")),
        ("login", "\ud800"),
        ("headers", {"X-Team": "\ud800"}),
        ("headers", {"Content_Length": "7"}),
        ("idempotency_header", "X_API_Key"),
        ("proxy", "http://proxy\t.example:3128"),
        ("proxy", "http://proxy.example:3128/path"),
        ("proxy", "http://proxy.example:3128?a=1"),
        ("proxy", "http://proxy.example:3128?"),
        ("proxy", "http://proxy.example:3128#"),
        ("proxy", "http://user:pass word@proxy.example:3128"),
        ("api_key", "  "),
        ("api_key", SecretStr("\t")),
        ("login", "a\nb"),
        ("scope", "read\r\nwrite"),
        ("verify", "/ca\x00.pem"),
        ("client_cert", "/cert\n.pem"),
        ("oauth_url", "https://login.example/token?client_secret=s3cret"),
        ("oauth_url", "https://login.example/token?tenant=7&Api%2DKey="),
        ("proxy", "http://proxy.example\\.evil.example"),
        ("oauth_url", "https://login\t.example/token"),
        ("oauth_url", "https://login.example\\.evil.example/token"),
        ("oauth_url", "https://login.example@evil.example/token"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_field(field: str, wrong: object) -> None:
    """Never a guess, never another kind of exception; the message begins with the field."""
    error = problem(**CHOSEN.get(field, {}), **{field: wrong})
    assert error.field == field
    assert field.removesuffix("s") in error.message
    assert "pydantic" not in error.message.lower()


@pytest.mark.parametrize(
    ("field", "wrong", "words"),
    [
        ("headers", {"X-Team": 7}, "headers: 'X-Team': it must be text, in quotes"),
        ("headers", {"X Team": "a"}, "headers: 'X Team': it must be the name of a header"),
        ("idempotency_header", "Idempotency Key", "it must be the name of a header, as Idempotency-Key"),
        ("retry_statuses", "5xx", "it must be a list of statuses, as [500, 502, 503], not '5xx'"),
        ("retry_statuses", "all", "it must be a list of statuses, as [500, 502, 503], not 'all'"),
        ("retry_statuses", 503, "it must be a list of statuses, as [500, 502, 503], not 503"),
        ("retry_statuses", "399", "it must be greater than or equal to 400, not '399'"),
        ("verify", 3, "verify: it must be true, false or the path of a CA file or folder, not 3"),
        ("proxy", "socks5://127.0.0.1:1080", "proxy: SOCKS is not spoken; it must be an HTTP proxy"),
        ("test_endpoint", "api/users?limit=1", "test_endpoint: it has no query: write 'api/users'"),
        ("test_endpoint", "POST api/users", "test_endpoint: it is read, by GET: write 'api/users'"),
        ("test_endpoint", "GET api/users", "test_endpoint: it is read, by GET: write 'api/users'"),
    ],
)
def test_what_a_value_must_be_is_told(field: str, wrong: object, words: str) -> None:
    """In one part, by the name of the setting and of the place in it, with what would be right."""
    message = problem(**{field: wrong}).message
    assert words in message
    assert message.count(f"{field}: ") == 1


@pytest.mark.parametrize("key", ["Bearer k3y", "bearer k3y", " Bearer\tk3y", "Authorization: Bearer k3y"])
def test_a_token_brings_no_scheme_of_its_own(key: str) -> None:
    """It would be sent as ``Bearer Bearer ...``; a token has no blanks (RFC 6750, section 2.1).

    In a header of its own, or as a password, it may be any text.
    """
    error = problem(api_key=key)
    assert (error.field, "it begins with 'Bearer'" in error.message, "k3y" in error.message) == (
        "api_key",
        True,
        False,
    )
    assert config(api_key=key, auth_type="api_key", key_name="Authorization").auth == "api_key"
    assert config(api_key=key, login="ada").auth == "basic"
    assert config(api_key="Token k3y").auth == "bearer"


def test_all_problems_are_told_at_once() -> None:
    """Who mends a connection wants to do it once."""
    error = problem(max_attempts=0, timeout="soon", max_atempts=3)
    assert {"max_attempts:", "timeout:", "'max_atempts'"} <= set(error.message.replace(";", "").split())


@pytest.mark.parametrize("field", sorted({"base_url", *DEFAULTS}))
def test_a_masked_value_is_refused(field: str) -> None:
    """`***` was copied from where secrets are hidden; it is nobody's real value."""
    error = problem(**{field: "***"})
    assert error.field == field
    assert "masked" in error.message


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("max_attemps", "max_attempts"),
        ("retry_status", "retry_statuses"),
        ("apikey", "api_key"),
        ("idempotency", "idempotency_header"),
        ("Timeout", "timeout"),
        ("endpoint", "endpoints"),
    ],
)
def test_a_misspelt_name_names_the_nearest(name: str, nearest: str) -> None:
    """An unknown setting is an error, not a header and not ignored."""
    error = problem(**{name: "x"})
    assert (error.field, error.message) == (name, f"unknown setting {name!r}; did you mean {nearest!r}?")


#: Names of requests, httpx, urllib3, tenacity and RFC 6749, that a near spelling of ours would mislead.
ELSEWHERE = [
    ("retries", "that is 'max_attempts' here"),
    ("retry", "that is 'max_attempts' here"),
    ("max_retries", "that is 'max_attempts' here"),
    ("maxRetries", "that is 'max_attempts' here"),
    ("status_forcelist", "that is 'retry_statuses' here"),
    ("token_url", "that is 'oauth_url' here"),
    ("client-secret", "did you mean 'client_secret'?"),
    ("username", "that is 'login' here"),
    ("auth", "that is 'auth_type' here"),
    ("bearer", "that is 'api_key' here"),
    ("verify_ssl", "that is 'verify' here"),
    ("ca", "that is 'verify' here"),
    ("insecure", "that is 'verify': false here"),
    ("cert", "that is 'client_cert' here"),
    ("read_timeout", "that is 'timeout' here"),
    ("schema", "that is 'base_url' here"),
    ("version", "that is the end of 'base_url' here"),
]


@pytest.mark.parametrize(("name", "words"), ELSEWHERE)
def test_a_name_of_another_client_is_told_as_ours(name: str, words: str) -> None:
    """Its nearest spelling is another setting, as client_cert is of client_secret."""
    assert problem(**{name: "x"}).message == f"unknown setting {name!r}; {words}"


def test_each_name_of_another_client_is_one_of_ours() -> None:
    """No name of ours is among them, none stands for two, and what each stands for exists."""
    ours = set(MirrorDBConfig.model_fields)
    names = [name for names in setting_words._ELSEWHERE.values() for name in names.split()]
    assert len(names) == len(set(names))
    assert not ours & set(names)
    for words in setting_words._ELSEWHERE:
        assert len(ours & set(re.findall("[a-z_]+", words))) == 1


@pytest.mark.parametrize("name", ["sauce", "versions", "prefixes_of", "time", "schemas"])
def test_no_far_name_is_guessed(name: str) -> None:
    """A wrong guess is followed, and leads to another error or to nothing."""
    assert "did you mean" not in problem(**{name: "x"}).message


def test_a_name_like_no_other_lists_those_that_are_known() -> None:
    """Without a near name the error lists all."""
    message = problem(xyzzy=1).message
    assert message.startswith("unknown setting 'xyzzy'; known are adaptive_rate, api_key, ")
    assert "verify" in message


def test_a_login_with_a_colon_cannot_be_basic() -> None:
    """The colon would move a part of the user into the password."""
    assert problem(login="a:b", api_key=KEY).field == "login"
    assert config(login="a:b", api_key=KEY, auth_type="bearer").auth == "bearer"


@pytest.mark.parametrize(
    ("setting", "value", "kind"),
    [
        ("oauth_url", "https://login.example/token", "oauth2"),
        ("scope", "users.read", "oauth2"),
        ("key_name", "X-Token", "api_key"),
    ],
)
def test_what_one_kind_of_authentication_uses_needs_that_kind(setting: str, value: str, kind: str) -> None:
    """Else a client secret would go to the backend, and a key into another header than the one named.

    RFC 6749, section 2.3 has the client's secret for the authorization server alone.
    """
    error = problem(login="id", api_key=KEY, **{setting: value})
    assert (error.field, error.message) == (
        setting,
        f"{setting}: it goes with auth_type {kind!r}, which is not set",
    )
    for chosen in ("none", "bearer", "basic"):  # by somebody who tries one after the other
        assert (
            getattr(config(login="id", api_key=KEY, auth_type=chosen, **{setting: value}), setting) == value
        )


def test_the_default_of_a_setting_of_another_kind_is_none_that_was_given() -> None:
    """All settings of a client are those of another one."""
    assert config(**{**dict(config(api_key=KEY)), "timeout": 7}).auth == "bearer"


@pytest.mark.parametrize(
    ("kind", "given", "missing"),
    [
        ("bearer", {}, ["api_key"]),
        ("bearer", {"login": "ada"}, ["api_key"]),
        ("api_key", {"key_name": "X-Token"}, ["api_key"]),
        ("basic", {}, ["login"]),
        ("oauth2", {}, ["oauth_url", "login", "api_key"]),
        ("oauth2", {"login": "id", "api_key": KEY}, ["oauth_url"]),
        ("oauth2", {"oauth_url": "https://login.example/token", "api_key": KEY}, ["login"]),
        ("oauth2", {"oauth_url": "https://login.example/token", "login": "id"}, ["api_key"]),
    ],
)
def test_a_kind_of_authentication_needs_what_it_sends(
    kind: str, given: dict[str, str], missing: list[str]
) -> None:
    """What is missing is named, and nothing else: without it no request would be authenticated."""
    settings = {"base_url": URL, "auth_type": kind, **given}
    with pytest.raises(ConfigError) as caught:  # the context says that these are the settings of a connection
        MirrorDBConfig.model_validate(settings, context={"api_key": "Password"})
    error = caught.value
    needs = f"it is missing, and auth_type {kind!r} needs it"
    assert (error.field, error.message) == (missing[0], "; ".join(f"{name}: {needs}" for name in missing))


@pytest.mark.parametrize("given", [{"auth_type": "bearer"}, {"auth_type": "api_key", "key_name": "X-Token"}])
def test_a_client_may_get_its_key_later(given: dict[str, str]) -> None:
    """By ``update_api_key``, as the first lines of the client's README do it; a client secret is no key."""
    later = config(**given).changed({"api_key": KEY})
    assert (later.auth, later.key_name) == (given["auth_type"], given.get("key_name"))
    assert problem(auth_type="oauth2", oauth_url="https://login.example/token", login="id").field == "api_key"


@pytest.mark.parametrize("given", [{"login": "key"}, {"api_key": "password"}])
def test_basic_credentials_may_be_half_empty(given: dict[str, str]) -> None:
    """Stripe takes the key as user, and others it as password (docs.stripe.com/api/authentication)."""
    assert config(auth_type="basic", **given).auth == "basic"


@pytest.mark.parametrize(
    ("settings", "auth"),
    [
        ({}, "none"),
        ({"api_key": KEY}, "bearer"),
        ({"login": "u", "api_key": KEY}, "basic"),
        ({"login": "u"}, "basic"),
        ({"api_key": KEY, "auth_type": "api_key"}, "api_key"),
        ({"login": "u", "api_key": KEY, "auth_type": "none"}, "none"),
    ],
)
def test_the_kind_of_authentication_follows_from_what_is_there(settings: dict[str, Any], auth: str) -> None:
    """Basic with a login, bearer with only a key, none otherwise, unless auth_type says."""
    assert config(**settings).auth == auth


def test_the_retry_policy_has_the_connections_limits() -> None:
    """Each backoff setting reaches the policy."""
    made = config(
        max_attempts=2, initial_delay=3, backoff_factor=4, max_delay=5, max_elapsed=6, retry_statuses=[503]
    )
    assert made.retry_policy == RetryPolicy(
        max_attempts=2,
        initial_delay=3,
        backoff_factor=4,
        max_delay=5,
        max_elapsed=6,
        statuses=frozenset({503}),
    )


# -- secrets -------------------------------------------------------------------------------------


def secretive() -> MirrorDBConfig:
    return config(
        api_key=KEY,
        client_cert="/c.pem",
        client_key="/k.pem",
        client_key_passphrase=PASSPHRASE,
        proxy=PROXY,
    )


def test_no_secret_shows() -> None:
    """Neither in repr, str and masked(), nor in those of a copy that went through pickle."""
    made = secretive()
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    shown = [repr(made), str(made), repr(again), str(again), json.dumps(made.masked()), repr(dict(made))]
    for text in shown:
        for secret in (KEY, PASSPHRASE, PROXY, "pr0xy-pass"):
            assert secret not in text


def test_masked_shows_all_the_rest_as_json() -> None:
    """Secrets that are set are `***`, those that are not are null, and everything is plain JSON."""
    values = json.loads(json.dumps(secretive().masked()))
    assert values.keys() == {"base_url", *DEFAULTS}
    assert (values["api_key"], values["client_key_passphrase"], values["proxy"]) == ("***", "***", "***")
    assert config().masked()["api_key"] is None
    assert values["max_attempts"] == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": f"{KEY}\n"},
        {"client_key_passphrase": f"{PASSPHRASE}\n{PASSPHRASE}"},
        {"proxy": f"ftp://u:{KEY}@h"},
        {"proxy": f"{KEY}"},
        {"api_key": KEY, "max_attempts": 0},
        {"api_key": [KEY]},
        {"api_kee": KEY},
        {"login": [KEY]},
        {"headers": {"Authorization": KEY}},
        {"headers": {"X-Key": f"{KEY}\n"}},
        {"headers": KEY},
    ],
)
def test_no_error_repeats_a_secret(wrong: dict[str, Any]) -> None:
    """Neither the message, nor the facts, nor what is chained to the error."""
    error = problem(**wrong)
    for text in (str(error), json.dumps(error.to_dict()), repr(error.__cause__), repr(error.__context__)):
        assert KEY not in text
        assert PASSPHRASE not in text


# -- changes -------------------------------------------------------------------------------------


def test_it_is_frozen() -> None:
    """Nobody changes the configuration of a running request."""
    with pytest.raises(ValueError, match="frozen"):
        config().timeout = 1  # type: ignore[misc]


def test_changes_make_another_configuration() -> None:
    """All changes together; what is not named stays, None restores the default."""
    first = config(api_key=KEY, timeout=9, endpoints=["DELETE api/cache"], headers={"X-A": "b"})
    second = first.changed({"timeout": None, "max_attempts": "2"})
    assert (second.timeout, second.max_attempts) == (30.0, 2)
    assert (second.api_key, second.endpoints, second.headers) == (
        SecretStr(KEY),
        ("DELETE api/cache",),
        {"X-A": "b"},
    )
    assert (first.timeout, first.max_attempts) == (9.0, 5)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"max_delay": 0.5}, "initial_delay"),
        ({"timeout": 5, "max_attempts": 0}, "max_attempts"),
        ({"base_url": None}, "base_url"),
        ({"no_such": 1}, "no_such"),
        ({"api_key": "***"}, "api_key"),
    ],
)
def test_changes_that_do_not_fit_are_refused_together(changes: dict[str, Any], field: str) -> None:
    """One wrong change refuses all, also where it is wrong only beside what was there."""
    with pytest.raises(ConfigError) as caught:
        config().changed(changes)
    assert caught.value.field == field


def test_settings_that_belong_together() -> None:
    """initial_delay may reach max_delay; a key needs its certificate."""
    assert config(initial_delay=5, max_delay=5).initial_delay == 5
    assert "max_delay" in problem(initial_delay=6, max_delay=5).message
    assert config(client_cert="/c.pem", client_key="/k.pem").client_key == "/k.pem"


def test_something_that_is_no_mapping() -> None:
    """A connection that holds no settings at all is a ConfigError as well."""
    with pytest.raises(ConfigError):
        MirrorDBConfig.model_validate(["base_url"])
