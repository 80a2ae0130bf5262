"""Where public APIs want their keys, and how they refuse a wrong one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from aiohttp import web

#: All these signs may be in a header (RFC 9110, section 5.5), in a cookie (RFC 6265, section 4.1.1), and,
#: encoded, in a query.
KEY: Final = "c4nary/K3y+0f=b4ck3nd=="
ROTATED: Final = "r0tated/K3y+0f=b4ck3nd=="
WRONG: Final = "wr0ng/K3y+0f=n0b0dy=="
SECOND: Final = "s3cond-s3cret-0f-the-same-b4ckend"

Shown = Callable[[web.Request, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to show a key.

    :param source: the page that says so
    :param extra: what a user sets, beside Password
    :param shown: whether a request shows a key exactly so
    :param status: of the answer to a wrong key
    :param refusal: the body of that answer
    :param words: what of it an error must tell
    """

    name: str
    source: str
    extra: Mapping[str, Any]
    shown: Shown
    status: int
    refusal: Any
    words: str
    secrets: tuple[str, ...] = field(default=())

    @property
    def error(self) -> str:
        """The name of the error that a wrong key ends with."""
        return {400: "InvalidDataError", 401: "AuthenticationError", 403: "ForbiddenError"}[self.status]

    @property
    def noticing(self) -> dict[str, Any]:
        """The extras with which a key that changed is looked up again, though the answer is no 401."""
        return {**self.extra, **({} if self.status == 401 else {"auth_statuses": [self.status]})}


def in_header(name: str, template: str = "{key}", **others: str) -> Shown:
    """Whether a header has the key, once, and no other place has it."""

    def shown(request: web.Request, key: str) -> bool:
        wanted = {name: template.format(key=key), **{a.replace("_", "-"): b for a, b in others.items()}}
        right = all(request.headers.getall(one, []) == [value] for one, value in wanted.items())
        copies = sum(key in value for value in wanted.values())
        return right and _places(request, key) == (0, copies)

    return shown


def in_query(name: str) -> Shown:
    """Whether the query has the key, once, and no other place has it."""

    def shown(request: web.Request, key: str) -> bool:
        query = parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True)
        return [value for one, value in query if one == name] == [key] and _places(request, key) == (1, 0)

    return shown


def in_cookie(name: str) -> Shown:
    """Whether the one Cookie header is this cookie alone: ``name=value`` (RFC 6265, section 4.2.1)."""

    def shown(request: web.Request, key: str) -> bool:
        return request.headers.getall("Cookie", []) == [f"{name}={key}"] and _places(request, key) == (0, 1)

    return shown


def _places(request: web.Request, key: str) -> tuple[int, int]:
    """Return how often a key is in the URL, and in how many headers it is."""
    in_url = unquote(request.raw_path).count(key)
    return in_url, sum(key in unquote(value) for value in request.headers.values())


DATADOG = Way(
    name="Datadog",
    source="https://docs.datadoghq.com/api/latest/authentication/",
    extra={
        "auth_type": "api_key",
        "key_name": "DD-API-KEY",
        "secret_headers": {"DD-APPLICATION-KEY": SECOND},
    },
    shown=in_header("DD-API-KEY", DD_APPLICATION_KEY=SECOND),
    status=403,
    refusal={"errors": ["Forbidden"]},
    words="Forbidden",
    secrets=(SECOND,),
)
SUPABASE = Way(
    name="Supabase",
    source="https://supabase.com/docs/guides/api/api-keys",
    extra={"auth_type": "bearer", "secret_headers": {"apikey": SECOND}},
    shown=in_header("Authorization", "Bearer {key}", apikey=SECOND),
    status=401,
    refusal={
        "message": "Invalid API key",
        "hint": "Double check your API key.",
    },
    words="Invalid API key",
    secrets=(SECOND,),
)
AZURE: Final[dict[str, Any]] = {
    "source": "https://learn.microsoft.com/en-us/azure/api-management/api-management-subscriptions",
    "status": 401,
    "refusal": {
        "statusCode": 401,
        "message": "Access denied due to invalid subscription key. Make sure to provide a valid key for an "
        "active subscription.",
    },
    "words": "Access denied due to invalid subscription key",
}
AZURE_HEADER = Way(
    name="Azure API Management, header",
    extra={"auth_type": "api_key", "key_name": "Ocp-Apim-Subscription-Key"},
    shown=in_header("Ocp-Apim-Subscription-Key"),
    **AZURE,
)
AZURE_QUERY = Way(
    name="Azure API Management, query",
    extra={"auth_type": "api_key", "key_in": "query", "key_name": "subscription-key"},
    shown=in_query("subscription-key"),
    **AZURE,
)
OPENWEATHER = Way(
    name="OpenWeather",
    source="https://openweathermap.org/appid",
    extra={"auth_type": "api_key", "key_in": "query", "key_name": "appid"},
    shown=in_query("appid"),
    status=401,
    refusal={
        "cod": 401,
        "message": "Invalid API key. Please see https://openweathermap.org/faq#error401 for more info.",
    },
    words="Invalid API key. Please see https://openweathermap.org/faq#error401 for more info",
)
NASA = Way(
    name="NASA",
    source="https://api.nasa.gov/; its gateway's errors: https://api.data.gov/docs/developer-manual/",
    extra={"auth_type": "api_key", "key_in": "query", "key_name": "api_key"},
    shown=in_query("api_key"),
    status=403,
    refusal={
        "error": {
            "code": "API_KEY_INVALID",
            "message": "An invalid api_key was supplied. Get one at https://api.nasa.gov:443",
        }
    },
    words="An invalid api_key was supplied",
)
GOOGLE = Way(
    name="Google",
    source="https://cloud.google.com/docs/authentication/api-keys-use, API key as a query parameter",
    extra={"auth_type": "api_key", "key_in": "query", "key_name": "key"},
    shown=in_query("key"),
    status=400,
    refusal={
        "error": {
            "code": 400,
            "message": "API key not valid. Please pass a valid API key.",
            "status": "INVALID_ARGUMENT",
        }
    },
    words="API key not valid. Please pass a valid API key",
)
GOOGLE_HEADER = Way(
    name="Google, header",
    source="https://cloud.google.com/docs/authentication/api-keys-use, API key in a header",
    extra={"auth_type": "api_key", "key_in": "header", "key_name": "x-goog-api-key"},
    shown=in_header("x-goog-api-key"),
    status=400,
    refusal=GOOGLE.refusal,
    words=GOOGLE.words,
)
DJANGO = Way(
    name="Django REST framework, TokenAuthentication",
    source="https://www.django-rest-framework.org/api-guide/authentication/#tokenauthentication",
    extra={"auth_type": "api_key", "key_name": "Authorization", "key_prefix": "Token"},
    shown=in_header("Authorization", "Token {key}"),
    status=401,
    refusal={"detail": "Invalid token."},
    words="Invalid token",
)
PAGERDUTY = Way(
    name="PagerDuty",
    source="https://developer.pagerduty.com/docs/authentication",
    extra={"auth_type": "api_key", "key_name": "Authorization", "key_prefix": "Token token="},
    shown=in_header("Authorization", "Token token={key}"),
    status=401,
    refusal={"error": {"message": "Invalid Credentials Provided", "code": 2006}},
    words="Invalid Credentials Provided",
)
OKTA = Way(
    name="Okta",
    source="https://developer.okta.com/docs/reference/core-okta-api/#authentication",
    extra={"auth_type": "api_key", "key_name": "Authorization", "key_prefix": "SSWS"},
    shown=in_header("Authorization", "SSWS {key}"),
    status=401,
    refusal={"errorCode": "E0000011", "errorSummary": "Invalid token provided", "errorCauses": []},
    words="Invalid token provided",
)
FIREBASE = Way(
    name="Firebase Cloud Messaging",
    source="https://firebase.google.com/docs/cloud-messaging/http-server-ref, Authorization: key=",
    extra={"auth_type": "api_key", "key_name": "Authorization", "key_prefix": "key="},
    shown=in_header("Authorization", "key={key}"),
    status=401,
    refusal={"error": "Unauthorized, the key is not known"},
    words="the key is not known",
)
BEARER_IN_QUERY = Way(
    name="Bearer token in the query",
    source="RFC 6750, section 2.3; the error is that of section 3.1",
    extra={"auth_type": "api_key", "key_in": "query", "key_name": "access_token"},
    shown=in_query("access_token"),
    status=401,
    refusal={"error": "invalid_token", "error_description": "The access token expired"},
    words="The access token expired",
)
COOKIE = Way(
    name="Cookie",
    source="OpenAPI Specification 3.1, Security Scheme Object: type apiKey, in cookie; RFC 6265, section 4.2",
    extra={"auth_type": "api_key", "key_in": "cookie", "key_name": "JSESSIONID"},
    shown=in_cookie("JSESSIONID"),
    status=401,
    refusal={"message": "no such session"},
    words="no such session",
)
WAYS: Final = [
    *(DATADOG, SUPABASE, AZURE_HEADER, AZURE_QUERY, OPENWEATHER, NASA, GOOGLE, GOOGLE_HEADER),
    *(DJANGO, PAGERDUTY, OKTA, FIREBASE, BEARER_IN_QUERY, COOKIE),
]
IN_QUERY: Final = [AZURE_QUERY, OPENWEATHER, NASA, GOOGLE, BEARER_IN_QUERY]
