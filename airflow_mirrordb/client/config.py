"""The settings of a connection: one frozen model that everything from outside goes through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from airflow_mirrordb.client.auth.settings import AuthenticationSettings, wrong
from airflow_mirrordb.client.endpoints.paths import decode_endpoint, quote_path, refuse_placeholders
from airflow_mirrordb.client.endpoints.patterns import METHODS
from airflow_mirrordb.client.endpoints.registry import EndpointRegistry
from airflow_mirrordb.client.endpoints.urls import MAX_URL_LENGTH, below, is_absolute, origin_of, split_url
from airflow_mirrordb.client.errors import ConfigError
from airflow_mirrordb.client.messages.headers import CONTROL, RESERVED_HEADERS, header_key
from airflow_mirrordb.client.retries.retry import NOT_APPLIED_STATUSES, RETRY_STATUSES, RetryPolicy
from airflow_mirrordb.client.setting_types import (
    AnyCase,
    ErrorStatuses,
    HeaderName,
    Headers,
    Hosts,
    Integer,
    Line,
    Number,
    Patterns,
    Proxy,
    Secret,
    SuccessStatuses,
    Verify,
)
from airflow_mirrordb.client.setting_words import problem_of
from airflow_mirrordb.client.unicode import HALF_A_PAIR, is_unicode
from airflow_mirrordb.paths import parse_path

UpdateMethod = Literal["PUT", "PATCH"]
QueryMethod = Literal["POST", "QUERY"]

MASK = "***"

MAX_ENVELOPES = 10
#: Settings whose value is in no message: it is a secret, or may hold one.
_UNSEEN = frozenset(
    {
        "api_key",
        "base_url",
        "client_id",
        "client_key_passphrase",
        "client_secret",
        "headers",
        "login",
        "login_body",
        "login_url",
        "oauth_url",
        "proxy",
        "secret_headers",
        "token_params",
    }
)


def _stripped(name: str, value: str) -> str:
    """Return a text without the blanks around it, where they do not count."""
    if name == "api_key":
        return value
    return value.lstrip() if name == "key_prefix" else value.strip()


class MirrorDBConfig(AuthenticationSettings):
    """Everything a client needs to know of a connection. Frozen: a change makes another one.

    The form of the values is read leniently: ``None`` and ``""`` stand for the default, numbers and
    booleans may be strings, lists and mappings may be JSON text, and lists words between commas or
    white space. The meaning is not: an unknown name, or a value outside its limits, is an error.

    Who gives some of them in fields of other names says so by the context of ``model_validate``, as
    ``{"api_key": "Password"}``, for the words of an error. Those must have the key that ``auth_type`` needs;
    a client gets it by ``update_api_key``, too.

    :raises ConfigError: names the setting, what is wrong with it, and the nearest valid name
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    base_url: str
    """``http`` or ``https`` URL that every endpoint is relative to; may have a path prefix."""
    endpoints: Patterns = None
    """Patterns of the allowed endpoints; they replace the predefined ``api/{resource}``."""
    trailing_slash: bool = False
    """Whether every path is sent with a slash at its end."""
    test_endpoint: str | None = None
    """Endpoint that the connection test reads; the base URL if not set."""
    redirect_hosts: Hosts = None
    """Other hosts that a GET may be redirected to, without any credential, as those of presigned URLs."""

    update_method: Annotated[UpdateMethod, AnyCase] = "PUT"
    """HTTP method of an update that is not partial; ``PATCH`` for backends that know no PUT."""
    query_method: Annotated[QueryMethod, AnyCase] = "POST"
    """HTTP method of a read with data, where a pattern as ``QUERY api/orders/search`` allows one.

    ``QUERY`` for backends that know that method (draft-ietf-httpbis-safe-method-w-body).
    """
    request_envelope: str | None = None
    """Names, with dots between them, under which the data of a request lies in its body; none if not set.

    It is written, not read, so it is no path in the sense of the next one.
    """
    response_envelope: str | None = None
    """Path at which an answer holds its data; an answer with nothing there is data as a whole."""
    error_path: str | None = None
    """Path to what tells of an error in the body of a 2xx; if something is there, it was refused."""

    max_attempts: Annotated[Integer, Field(ge=1, le=1000)] = 5
    """Requests in all, the first one included."""
    initial_delay: Annotated[Number, Field(gt=0)] = 1.0
    """Ceiling of the wait after the first failure, in seconds."""
    backoff_factor: Annotated[Number, Field(ge=1)] = 2.0
    """How much the ceiling of the wait grows with each failure."""
    max_delay: Annotated[Number, Field(gt=0)] = 60.0
    """Longest wait between two attempts, in seconds, unless the backend asks for more."""
    max_elapsed: Annotated[Number, Field(ge=0)] = 300.0
    """Time from the first attempt to the end of the last one, in seconds; an attempt gets at least one."""
    retry_statuses: ErrorStatuses = RETRY_STATUSES
    """HTTP statuses that are worth another attempt, also where the backend does not say when."""
    pending_statuses: SuccessStatuses = frozenset({202})
    """HTTP statuses by which a read is answered whose result is not ready yet; it is read again."""

    timeout: Annotated[Number, Field(gt=0)] = 30.0
    """Longest time that one attempt may take, in seconds."""
    max_concurrency: Annotated[Integer, Field(ge=1)] = 100
    """Requests in flight at the same time, in one process."""
    rate_limit: Annotated[Number | None, Field(gt=0)] = None
    """Requests per second that are never exceeded, in one process; not limited if not set."""
    adaptive_rate: bool = True
    """Whether a refusal (429, 503) or ``Backoff`` pauses all requests, which then find the backend's rate.

    Without it only ``rate_limit`` holds, and each request's own waits.
    """
    max_response_bytes: Annotated[Integer, Field(ge=1)] = 16 * 2**20
    """Largest answer that is read, in bytes, after decompression; its values may take 20 times as much."""

    idempotency_header: HeaderName | None = None
    """Header for idempotency keys, as ``Idempotency-Key``, on backends that promise to remove duplicates."""
    not_applied_statuses: ErrorStatuses = NOT_APPLIED_STATUSES
    """HTTP statuses by which the backend, or a proxy before it, refuses a write before it begins it."""

    verify: Verify = True
    """Whether the certificate is checked, or the path of a CA file or folder to check it with."""
    client_cert: Line | None = None
    """Path of the client's certificate, in PEM format."""
    client_key: Line | None = None
    """Path of the client's private key, if it is not in the same file."""
    client_key_passphrase: Secret | None = None
    """Passphrase of the client's private key."""
    proxy: Proxy | None = None
    """URL of an HTTP proxy; may hold credentials."""
    headers: Headers = Field(default_factory=dict)
    """Headers for every request, without credentials."""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str) -> str:
        parts = split_url(value)
        if parts.scheme not in ("http", "https"):
            raise ValueError("the scheme must be http or https; as https://example.com/v1")
        if parts.username is not None or parts.password is not None:
            raise ValueError("credentials do not belong in the URL; use login and password")
        if parts.query or parts.fragment or value.endswith(("?", "#")):
            raise ValueError("it must have neither '?' nor '#'")
        if not parts.hostname:
            raise ValueError("the host is missing; as https://example.com/v1")
        prefix = quote_path(decode_endpoint(parts.path.strip("/"))) if parts.path.strip("/") else ""
        url = f"{str(origin_of(parts)).rstrip('/')}/{prefix}".rstrip("/")
        if len(url) > MAX_URL_LENGTH:  # it would be refused when it is checked again, with a change
            raise ValueError(f"it is longer than {MAX_URL_LENGTH:,} characters")
        return url

    @field_validator("endpoints")
    @classmethod
    def _check_endpoints(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        EndpointRegistry(declared=value)
        return value

    @field_validator("test_endpoint")
    @classmethod
    def _check_test_endpoint(cls, value: str | None) -> str | None:
        if value is not None:
            word, _, endpoint = value.partition(" ")
            if endpoint and word.upper() in METHODS:
                raise ValueError(f"it is read, by GET: write {endpoint.strip()!r:.200}, without a method")
            if "?" in value:
                raise ValueError(f"it has no query: write {value.partition('?')[0]!r:.200}")
            decode_endpoint(value)
            refuse_placeholders(value)
        return value

    @field_validator("response_envelope", "error_path")
    @classmethod
    def _check_path(cls, value: str | None) -> str | None:
        if value is not None:
            parse_path(value)
        return value

    @field_validator("request_envelope")
    @classmethod
    def _check_envelope(cls, value: str | None) -> str | None:
        if value is not None:
            if any(not key or key != key.strip() for key in value.split(".")):
                raise ValueError("it must be names with dots between them, as data or result.data")
            if value.count(".") >= MAX_ENVELOPES:
                raise ValueError(f"it has more than {MAX_ENVELOPES} names")
        return value

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, text in value.items():
            if header_key(name) in RESERVED_HEADERS:
                raise ValueError(f"{name!r} is set by the client; credentials belong in login and password")
            if CONTROL.search(text):
                raise ValueError(f"the value of {name!r} holds a line break or another control character")
            if not is_unicode(text):
                raise ValueError(f"the value of {name!r}: {HALF_A_PAIR}")
        return value

    @model_validator(mode="after")
    def _check_together(self, info: ValidationInfo) -> MirrorDBConfig:
        if self.initial_delay > self.max_delay:
            raise wrong("initial_delay", f"it must be at most max_delay ({self.max_delay:g} s)")
        if self.client_key and not self.client_cert:
            raise wrong("client_key", "it needs client_cert as well")
        self.check_authentication(may_get_key=not info.context)
        self.check_own_headers(self.headers, self.idempotency_header)
        return self

    @model_validator(mode="wrap")  # the last one, so that it is around all others
    @classmethod
    def _explain(
        cls, values: Any, handler: ModelWrapValidatorHandler[MirrorDBConfig], info: ValidationInfo
    ) -> MirrorDBConfig:
        try:
            return handler(cls._blank_is_default(values))
        except ValidationError as error:
            known, fields = cls.model_fields, info.context or {}
            problems = [problem_of(item, known, _UNSEEN, fields) for item in error.errors()]
            field = str(next((item["loc"][0] for item in error.errors() if item["loc"]), ""))
        # not in the handler: the error would keep pydantic's as its context, which holds the input
        raise ConfigError(message="; ".join(dict.fromkeys(problems)), field=field)

    @classmethod
    def _blank_is_default(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        for name, value in values.items():
            if value == MASK or (isinstance(value, Mapping) and MASK in value.values()):
                raise wrong(name, f"{MASK} is a masked value, not the real one")
            if isinstance(value, str) and not is_unicode(value):
                raise wrong(name, HALF_A_PAIR)
        stripped = {
            name: _stripped(name, value) if isinstance(value, str) else value
            for name, value in values.items()
        }
        return {name: value for name, value in stripped.items() if value not in (None, "", [], {})}

    @property
    def token_url(self) -> str:
        """The URL that is asked for a token; "" if none is."""
        if self.auth == "login" and self.login_url is not None:
            return below(self.base_url, self.login_url)
        return self.oauth_url or ""

    @property
    def says_token_host(self) -> bool:
        """Whether it is a setting of its own that says on which host that URL is."""
        return self.auth != "login" or is_absolute(self.login_url or "")

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(
            max_attempts=self.max_attempts,
            initial_delay=self.initial_delay,
            backoff_factor=self.backoff_factor,
            max_delay=self.max_delay,
            max_elapsed=self.max_elapsed,
            statuses=self.retry_statuses,
        )

    def changed(self, changes: Mapping[str, Any]) -> MirrorDBConfig:
        """Return the configuration with all changes, validated together.

        :raises ConfigError: if any of them is wrong; none is applied then
        """
        return type(self).model_validate({**dict(self), **changes})

    def masked(self) -> dict[str, Any]:
        """Return all settings as plain JSON values, every secret as ``***``."""
        values = self.model_dump(mode="json")
        for name, value in self:
            if isinstance(value, SecretStr):
                values[name] = MASK
        values["secret_headers"] = dict.fromkeys(self.secret_headers, MASK)
        return values
