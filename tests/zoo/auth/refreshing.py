"""Refresh tokens that are used once, and the Airflow Variable that the next one is kept in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.zoo.auth.authorizing import AuthorizationServer, Refused, TokenRequest, with_basic, with_post

VARIABLE = "refresh_token_of_the_backend"


@dataclass(slots=True)
class Rotating:
    """The refresh tokens of one user; each use of the last one brings the next.

    :param refusal: status and words of the answer to one that is not valid
    :param takes_the_one_before: whether that is still taken, as long as the last one was not used
    :param revokes_all: whether one that was used before ends them all
    """

    refusal: tuple[int, str]
    takes_the_one_before: bool = False
    revokes_all: bool = False
    tokens: list[str] = field(default_factory=lambda: ["r3fresh-0f-the-c4nary-0000"])
    used: list[str] = field(default_factory=list)
    revoked: bool = False
    meanwhile: Callable[[], None] = lambda: None

    @property
    def last(self) -> str:
        """The one that brings the next."""
        return self.tokens[-1]

    def next(self) -> str:
        """Use the last one, as another process would."""
        self.used.append(self.last)
        self.tokens.append(f"r3fresh-0f-the-c4nary-{len(self.tokens):04}")
        return self.last

    def __call__(self, request: TokenRequest) -> str:
        """Return the next refresh token."""
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        given = request.form.get("refresh_token", "")
        if request.form.get("grant_type") != "refresh_token":
            raise Refused("unsupported_grant_type", "RFC 6749, section 6")
        if not self.revoked and given == self.last:
            return self.next()
        if not self.revoked and self.takes_the_one_before and given in self.tokens[-2:]:
            return self.last
        self.revoked = self.revoked or (self.revokes_all and given in self.used)
        raise Refused("invalid_grant", self.refusal[1], self.refusal[0])


def xero() -> tuple[AuthorizationServer, Rotating]:
    """https://developer.xero.com/documentation/guides/oauth2/token-types: by Basic; 30 minutes' grace."""
    rotating = Rotating((400, "Token has been expired or revoked."), takes_the_one_before=True)
    server = AuthorizationServer(
        rules=[with_basic("xero-client", "xer0-cl1ent-s3cret")],
        parameters={"grant_type": True, "refresh_token": True},
        token={"token_type": "Bearer", "scope": "accounting.transactions offline_access"},
        lifetime=1800,
    )
    server.refresh = rotating
    return server, rotating


def quickbooks() -> tuple[AuthorizationServer, Rotating]:
    """https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/oauth-2.0."""
    server, rotating = xero()
    rotating.takes_the_one_before = False
    rotating.refusal = 400, "Incorrect or invalid refresh token"
    return server, rotating


def auth0() -> tuple[AuthorizationServer, Rotating]:
    """https://auth0.com/docs/secure/tokens/refresh-tokens/refresh-token-rotation: reuse ends the family."""
    rotating = Rotating((403, "Unknown or invalid refresh token."), revokes_all=True)
    server = AuthorizationServer(
        rules=[with_post("xero-client", "xer0-cl1ent-s3cret", "Unauthorized")],
        parameters=dict.fromkeys(("grant_type", "client_id", "client_secret", "refresh_token"), True),
        token={"token_type": "Bearer", "scope": "offline_access"},
        lifetime=86400,
    )
    server.refresh = rotating
    return server, rotating


def settings_for(origin: str, method: str) -> dict[str, Any]:
    """Return the extras of a connection to such a server."""
    return {
        "auth_type": "oauth2",
        "oauth_url": f"{origin}/token",
        "grant_type": "refresh_token",
        "refresh_token_variable": VARIABLE,
        "token_endpoint_auth_method": method,
    }


class Variables:
    """The Variables that Airflow's supervisor has for a task; its messages are those of Airflow 3.1.

    :param kept: what is stored
    :param stored: all values that were written, in their order
    :param fails: how many writes fail
    :param soon: after how many more reads another process will have written which value
    """

    def __init__(self, **kept: str) -> None:
        self.kept: dict[str, str] = kept
        self.stored: list[str] = []
        self.read = 0
        self.soon: tuple[int, str] | None = None
        self.fails = 0

    def send(self, message: Any) -> Any:
        """Answer a message as the supervisor does."""
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time import comms

        if isinstance(message, comms.GetVariable):
            self.read += 1
            self._come_nearer()
            if message.key in self.kept:
                return comms.VariableResult(key=message.key, value=self.kept[message.key])
            return comms.ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND, detail={"key": message.key})
        if isinstance(message, comms.PutVariable):
            if self.fails:
                self.fails -= 1
                raise OSError("the API server is away")
            self.stored.append(message.value or "")
            self.kept[message.key] = message.value or ""
            return comms.OKResponse(ok=True)
        return comms.ErrorResponse(error=ErrorType.GENERIC_ERROR)

    def _come_nearer(self) -> None:
        if self.soon is None:
            return
        reads, value = self.soon
        self.soon = (reads - 1, value) if reads else None
        if not reads:
            self.kept[VARIABLE] = value

    async def asend(self, message: Any) -> Any:
        """Answer a message of a coroutine."""
        return self.send(message)


Server = Callable[[], tuple[AuthorizationServer, Rotating]]
SERVERS: Mapping[str, tuple[Server, str]] = {
    "Xero": (xero, "client_secret_basic"),
    "QuickBooks": (quickbooks, "client_secret_basic"),
    "Auth0": (auth0, "client_secret_post"),
}
