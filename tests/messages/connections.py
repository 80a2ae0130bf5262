"""Mistakes of who fills in a connection, each with what its message must say."""

from __future__ import annotations

import certifi

from tests.messages.mistakes import Mistake, extra, reads, tests

#: How the key is sent.
AUTHENTICATION = {
    "a token URL without its kind of authentication": Mistake(
        does=reads(),
        connection={"login": "id", **extra(oauth_url="https://login.example.com/token")},
        says=("connection crm", "extra oauth_url", "auth_type 'oauth2', which is not set"),
    ),
    "the header of a key without its kind of authentication": Mistake(
        does=reads(),
        connection=extra(key_name="X-Token"),
        says=("connection crm", "extra key_name", "auth_type 'api_key', which is not set"),
    ),
    "a kind of authentication without the key": Mistake(
        does=reads(),
        connection={"password": "", **extra(auth_type="bearer")},
        says=("connection crm", "Password: it is missing", "auth_type 'bearer' needs it"),
    ),
    "a token with its scheme": Mistake(
        does=reads(),
        connection={"password": "Bearer k1"},
        says=("connection crm", "Password: it begins with 'Bearer'", "give the token alone"),
    ),
    "oauth2 without a client id and a URL": Mistake(
        does=reads(),
        connection=extra(auth_type="oauth2"),
        says=("extra oauth_url: it is missing", "Login: it is missing", "auth_type 'oauth2' needs it"),
    ),
    "login without a Login and a URL": Mistake(
        does=reads(),
        connection=extra(auth_type="login"),
        says=("extra login_url: it is missing", "Login: it is missing", "auth_type 'login' needs it"),
    ),
    "a login URL beside another kind of authentication": Mistake(
        does=reads(),
        connection=extra(auth_type="bearer", login_url="api/login"),
        says=("extra login_url", "auth_type 'login', and auth_type is 'bearer'"),
    ),
    "a body of a login without the password": Mistake(
        does=reads(),
        connection={"login": "a", **extra(auth_type="login", login_url="login", login_body={"user": "a"})},
        says=("extra login_body", "{password} is in none of its texts"),
    ),
}

#: Names and values that are right elsewhere.
EXTRAS = {
    "the retries of other clients": Mistake(
        does=reads(),
        connection=extra(retries=3),
        says=("connection crm", "unknown extra 'retries'", "'max_attempts'"),
    ),
    "the token as an extra": Mistake(
        does=reads(), connection=extra(token="k1"), says=("unknown extra 'token'", "field 'Password'")
    ),
    "the nearest name is no extra": Mistake(
        does=reads(), connection=extra(apikey="k1"), says=("unknown extra 'apikey'", "field 'Password'")
    ),
    "the schema as an extra": Mistake(
        does=reads(), connection=extra(schema="http"), says=("unknown extra 'schema'", "field 'Schema'")
    ),
    "a version as an extra": Mistake(
        does=reads(), connection=extra(version="v1"), says=("'version'", "the end of", "field 'Host'")
    ),
    "no check of certificates": Mistake(
        does=reads(), connection=extra(insecure=True), says=("'insecure'", "'verify': false")
    ),
    "a header whose value is a number": Mistake(
        does=reads(), connection=extra(headers={"X-A": 1}), says=("extra headers: 'X-A'", "must be text")
    ),
    "a header's name with a blank": Mistake(
        does=reads(),
        connection=extra(idempotency_header="Idempotency Key"),
        says=("extra idempotency_header", "name of a header", "without blanks"),
    ),
    "a class of statuses": Mistake(
        does=reads(),
        connection=extra(retry_statuses="5xx"),
        says=("extra retry_statuses", "[500, 502, 503]", "'5xx'"),
    ),
    "a number as verify": Mistake(
        does=reads(), connection=extra(verify=3), says=("extra verify", "path of a CA file", "not 3")
    ),
    "a SOCKS proxy": Mistake(
        does=reads(),
        connection=extra(proxy="socks5://127.0.0.1:1080"),
        says=("extra proxy", "SOCKS is not spoken", "HTTP proxy"),
    ),
    "a query in the test endpoint": Mistake(
        does=tests,
        connection=extra(test_endpoint="api/users?limit=1"),
        says=("extra test_endpoint", "no query", "write 'api/users'"),
    ),
    "a method in the test endpoint": Mistake(
        does=tests,
        connection=extra(test_endpoint="POST api/users"),
        says=("extra test_endpoint", "GET", "write 'api/users'"),
    ),
}

#: What is behind Host, and in files.
PLACES = {
    "https at a port of http, by a task": Mistake(
        does=reads(), connection={"schema": "https"}, says=("no TLS is spoken", "mirrordb://HOST:PORT/http")
    ),
    "a certificate that is not there": Mistake(
        does=reads(),
        connection={"schema": "https", **extra(client_cert="/no/such.pem")},
        says=("connection crm", "extra client_cert: '/no/such.pem'", "No such file"),
    ),
    "a certificate without its key": Mistake(
        does=tests,
        connection={"schema": "https", **extra(client_cert=certifi.where())},
        says=("client_cert: ", "no private key", "set client_key"),
    ),
    "a test endpoint that gives too much": Mistake(
        does=tests,
        connection=extra(test_endpoint="api/users", max_response_bytes=10),
        answers=((200, list(range(100)), {}),),
        says=("key not checked", "larger than Largest answer (10 bytes)", "Test endpoint to one item"),
    ),
    "a pattern for one path, and an item of it": Mistake(
        does=reads("users/7"),
        connection=extra(endpoints="GET users"),
        says=("'GET users' is that path alone, no item of it", "register 'users'"),
    ),
}

CONNECTIONS: dict[str, dict[str, Mistake]] = {
    "How the key is sent": AUTHENTICATION,
    "Extras": EXTRAS,
    "Places and files": PLACES,
}
