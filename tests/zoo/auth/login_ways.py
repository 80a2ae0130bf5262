"""Login endpoints of backends, each as its documentation says it."""

from __future__ import annotations

from typing import Final

from tests.zoo.auth.logging_in import (
    FORM,
    LoginWay,
    created,
    in_body,
    opaque,
    signed,
    with_a_date,
    with_a_moment,
    with_cookie,
)
from tests.zoo.auth.ways import in_cookie, in_header, in_query

USER: Final = "etl@example.com"
PASSWORD: Final = 'p4ssw0rd&0f="the+c4nary\\é'

LOGIN_AND_PASSWORD: Final = {"username": USER, "password": PASSWORD}
AIRFLOW = LoginWay(
    name="Airflow",
    source="https://airflow.apache.org/docs/apache-airflow/stable/security/api.html: POST /auth/token, 201; "
    " an ended token is a 401 (Token Expired), any other one a 403 (Invalid JWT token)",
    path="/auth/token",
    sent=LOGIN_AND_PASSWORD,
    token=signed,
    answer=created,
    refused=(401, {"detail": "Invalid credentials"}),
    words="Invalid credentials",
    shown=in_header("Authorization", "Bearer {key}"),
    expired=(403, {"detail": "Invalid JWT token"}),
    base="/api/v2",
    endpoint="pools",
    extra={"login_url": "/auth/token", "endpoints": ["pools"], "auth_statuses": [401, 403]},
    lifetime=86400,
)
STRAPI = LoginWay(
    name="Strapi",
    source="https://docs.strapi.io/cms/features/users-permissions/rest-api, Login",
    path="/api/auth/local",
    sent={"identifier": USER, "password": PASSWORD},
    token=signed,
    answer=in_body(jwt="$token", user={"id": 1, "username": "etl", "email": USER}),
    refused=(
        400,
        {
            "data": None,
            "error": {
                "status": 400,
                "name": "ValidationError",
                "message": "Invalid identifier or password",
                "details": {},
            },
        },
    ),
    words="Invalid identifier or password",
    shown=in_header("Authorization", "Bearer {key}"),
    expired=(401, {"data": None, "error": {"status": 401, "message": "Missing or invalid credentials"}}),
    extra={
        "login_url": "api/auth/local",
        "login_body": {"identifier": "{login}", "password": "{password}"},
        "token_path": "jwt",
    },
    lifetime=30 * 86400,
)
POCKETBASE = LoginWay(
    name="PocketBase",
    source="https://pocketbase.io/docs/api-records/#auth-with-password, and .../docs/authentication: "
    "``Authorization: TOKEN``, without a scheme",
    path="/api/collections/users/auth-with-password",
    sent={"identity": USER, "password": PASSWORD},
    token=signed,
    answer=in_body(token="$token", record={"id": "8171022dc95a4ed", "collectionName": "users"}),
    refused=(400, {"status": 400, "message": "Failed to authenticate.", "data": {}}),
    words="Failed to authenticate",
    shown=in_header("Authorization", "{key}"),
    expired=(
        401,
        {
            "status": 401,
            "message": "The request requires valid record authorization token.",
            "data": {},
        },
    ),
    extra={
        "login_url": "api/collections/users/auth-with-password",
        "login_body": {"identity": "{login}", "password": "{password}"},
        "token_path": "token",
        "key_name": "Authorization",
    },
    lifetime=7 * 86400,
)
DIRECTUS = LoginWay(
    name="Directus",
    source="https://directus.io/docs/guides/auth/email-login: expires is in milliseconds; a JWT",
    path="/auth/login",
    sent={"email": USER, "password": PASSWORD},
    token=signed,
    answer=in_body(data={"expires": 900000, "access_token": "$token", "refresh_token": "r3fresh-0f-c4nary"}),
    refused=(
        401,
        {"errors": [{"message": "Invalid user credentials.", "extensions": {"code": "INVALID_CREDENTIALS"}}]},
    ),
    words="Invalid user credentials",
    shown=in_header("Authorization", "Bearer {key}"),
    expired=(401, {"errors": [{"message": "Token expired.", "extensions": {"code": "TOKEN_EXPIRED"}}]}),
    extra={
        "login_url": "auth/login",
        "login_body": {"email": "{login}", "password": "{password}"},
        "token_path": "data.access_token",
        "endpoints": ["api/things"],
    },
    lifetime=900,
)
DIRECTUS_SESSION = LoginWay(
    name="Directus, session",
    source="https://directus.io/docs/guides/auth/tokens-cookies: the cookie directus_session_token",
    path="/auth/login",
    sent={"email": USER, "password": PASSWORD, "mode": "session"},
    token=signed,
    answer=with_cookie("directus_session_token", {"data": {"expires": 86400000}}, "Path=/; HttpOnly"),
    refused=DIRECTUS.refused,
    words=DIRECTUS.words,
    shown=in_cookie("directus_session_token"),
    expired=DIRECTUS.expired,
    extra={
        "login_url": "auth/login",
        "login_body": {"email": "{login}", "password": "{password}", "mode": "session"},
        "token_cookie": "directus_session_token",
        "key_in": "cookie",
        "key_name": "directus_session_token",
    },
    lifetime=86400,
)
SIMPLE_JWT = LoginWay(
    name="Django, Simple JWT",
    source="https://django-rest-framework-simplejwt.readthedocs.io/en/latest/getting_started.html#usage",
    path="/api/token/",
    sent=LOGIN_AND_PASSWORD,
    token=signed,
    answer=in_body(access="$token", refresh="r3fresh-0f-c4nary"),
    refused=(401, {"detail": "No active account found with the given credentials"}),
    words="No active account found with the given credentials",
    shown=in_header("Authorization", "Bearer {key}"),
    expired=(
        401,
        {"detail": "Given token not valid for any token type", "code": "token_not_valid", "messages": []},
    ),
    extra={"login_url": "api/token/", "token_path": "access"},
    lifetime=300,
)
DJANGO_TOKEN = LoginWay(
    name="Django REST framework, obtain_auth_token",
    source="https://www.django-rest-framework.org/api-guide/authentication/#by-exposing-an-api-endpoint",
    path="/api-token-auth/",
    sent=LOGIN_AND_PASSWORD,
    token=opaque,
    answer=in_body(token="$token"),
    refused=(400, {"non_field_errors": ["Unable to log in with provided credentials."]}),
    words="Unable to log in with provided credentials",
    shown=in_header("Authorization", "Token {key}"),
    expired=(401, {"detail": "Invalid token."}),
    extra={"login_url": "api-token-auth/", "token_path": "token", "key_prefix": "Token"},
)
FASTAPI = LoginWay(
    name="FastAPI, a form",
    source="https://fastapi.tiangolo.com/tutorial/security/simple-oauth2/ (OAuth2PasswordRequestForm)",
    path="/token",
    sent={"username": USER, "password": PASSWORD, "grant_type": "password"},
    media=FORM,
    token=signed,
    answer=in_body(access_token="$token", token_type="bearer"),
    refused=(400, {"detail": "Incorrect username or password"}),
    words="Incorrect username or password",
    shown=in_header("Authorization", "Bearer {key}"),
    expired=(401, {"detail": "Could not validate credentials"}),
    extra={
        "login_url": "token",
        "login_content_type": FORM,
        "login_body": {"username": "{login}", "password": "{password}", "grant_type": "password"},
    },
    lifetime=1800,
)
COUCHDB = LoginWay(
    name="CouchDB",
    source="https://docs.couchdb.org/en/stable/api/server/authn.html: POST /_session, the cookie AuthSession",
    path="/_session",
    sent={"name": USER, "password": PASSWORD},
    media=FORM,
    token=opaque,
    answer=with_cookie(
        "AuthSession",
        {"ok": True, "name": "etl", "roles": []},
        "Version=1; Expires=Mon, 03-Dec-2029 02:16:14 GMT; Max-Age=600; Path=/; HttpOnly",
    ),
    refused=(401, {"error": "unauthorized", "reason": "Name or password is incorrect."}),
    words="Name or password is incorrect",
    shown=in_cookie("AuthSession"),
    expired=(401, {"error": "unauthorized", "reason": "You are not authorized to access this db."}),
    extra={
        "login_url": "_session",
        "login_content_type": FORM,
        "login_body": {"name": "{login}", "password": "{password}"},
        "token_cookie": "AuthSession",
        "key_in": "cookie",
        "key_name": "AuthSession",
    },
    lifetime=600,
)
VAULT = LoginWay(
    name="Vault, userpass",
    source="https://developer.hashicorp.com/vault/api-docs/auth/userpass#login; X-Vault-Token and 403: "
    "https://developer.hashicorp.com/vault/api-docs",
    path="/v1/auth/userpass/login/etl",
    sent={"password": PASSWORD},
    token=opaque,
    answer=in_body(data=None, auth={"client_token": "$token", "lease_duration": 3600, "renewable": True}),
    refused=(400, {"errors": ["invalid username or password"]}),
    words="invalid username or password",
    shown=in_header("X-Vault-Token", "{key}"),
    expired=(403, {"errors": ["permission denied"]}),
    extra={
        "login_url": "v1/auth/userpass/login/etl",
        "login_body": {"password": "{password}"},
        "token_path": "auth.client_token",
        "token_expires": "auth.lease_duration",
        "key_name": "X-Vault-Token",
        "auth_statuses": [403],
    },
    lifetime=3600,
)
METABASE = LoginWay(
    name="Metabase",
    source="https://www.metabase.com/docs/latest/api/session: POST /api/session/, id; X-Metabase-Session",
    path="/api/session",
    sent=LOGIN_AND_PASSWORD,
    token=opaque,
    answer=in_body(id="$token"),
    refused=(401, {"errors": {"password": "did not match stored password"}}),
    words="did not match stored password",
    shown=in_header("X-Metabase-Session", "{key}"),
    expired=(401, {"message": "Unauthenticated"}),
    extra={"login_url": "api/session", "token_path": "id", "key_name": "X-Metabase-Session"},
)
MATRIX = LoginWay(
    name="Matrix",
    source="https://spec.matrix.org/latest/client-server-api/#login: m.login.password, M_UNKNOWN_TOKEN",
    path="/_matrix/client/v3/login",
    sent={
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": USER},
        "password": PASSWORD,
        "refresh_token": False,
    },
    token=opaque,
    answer=in_body(user_id="@etl:example.com", access_token="$token", device_id="GHTYAJCE"),
    refused=(403, {"errcode": "M_FORBIDDEN", "error": "Invalid username or password"}),
    words="Invalid username or password",
    shown=in_header("Authorization", "Bearer {key}"),
    expired=(401, {"errcode": "M_UNKNOWN_TOKEN", "error": "Invalid access token passed."}),
    extra={
        "login_url": "_matrix/client/v3/login",
        "login_body": {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "{login}"},
            "password": "{password}",
            "refresh_token": False,
        },
    },
)
KUBERNETES_DATE = LoginWay(
    name="A date at which the token ends",
    source="ISO 8601, as RFC 3339, section 5.6, has it; in members as of Kubernetes' TokenRequestStatus",
    path="/login",
    sent=LOGIN_AND_PASSWORD,
    token=opaque,
    answer=with_a_date,
    refused=(401, {"message": "Unauthorized: who are you"}),
    words="who are you",
    shown=in_header("Authorization", "Bearer {key}"),
    expired=(401, {"message": "Unauthorized"}),
    extra={
        "login_url": "login",
        "token_path": "status.token",
        "token_expires": "status.expirationTimestamp",
    },
    lifetime=3600,
)
AZURE_MOMENT = LoginWay(
    name="A unix time at which the token ends, as text",
    source="https://learn.microsoft.com/en-us/azure/app-service/overview-managed-identity: expires_on",
    path="/login",
    sent=LOGIN_AND_PASSWORD,
    token=opaque,
    answer=with_a_moment,
    refused=(401, {"message": "Unauthorized: who are you"}),
    words="who are you",
    shown=in_query("access_token"),
    expired=(401, {"message": "Unauthorized"}),
    extra={
        "login_url": "login",
        "token_expires": "expires_on",
        "key_in": "query",
        "key_name": "access_token",
    },
    lifetime=3600,
)
WAYS: Final = [
    *(AIRFLOW, STRAPI, POCKETBASE, DIRECTUS, DIRECTUS_SESSION, SIMPLE_JWT, DJANGO_TOKEN, FASTAPI, COUCHDB),
    *(VAULT, METABASE, MATRIX, KUBERNETES_DATE, AZURE_MOMENT),
]
