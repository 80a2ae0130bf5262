"""Refresh tokens in Airflow's Variables, which all tasks and triggers share."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_mirrordb.client.errors import ConfigError, MirrorDBError
from airflow_mirrordb.compat import amask_secrets, get_variable, set_variable

_DESCRIPTION = "Refresh token; MirrorDB writes each new one"


@dataclass(frozen=True)
class RefreshTokenVariables:
    """Keeps each refresh token in the Variable of its name; all of them are equal."""

    async def load(self, name: str) -> str | None:
        """Return what a Variable holds now; None if there is none.

        :raises ConfigError: if it cannot be read
        """
        try:
            found = await get_variable(name)
        except Exception as error:
            message = f"refresh_token_variable: {name!r} could not be read: {error}"
            raise ConfigError(message=message, field="refresh_token_variable", retryable=True) from error
        if found:
            await amask_secrets([found.strip()])
        return found

    async def save(self, name: str, new: str, used: str) -> None:
        """Write a refresh token, unless a person or another process wrote another one meanwhile.

        :raises MirrorDBError: if Airflow takes the Variable from a place that it does not write to
        """
        await amask_secrets([new])
        if (await get_variable(name) or "").strip() != used:
            return
        await set_variable(name, new, _DESCRIPTION)
        if await get_variable(name) != new:
            raise MirrorDBError(
                message="a secrets backend or the environment has a Variable of that name, which Airflow"
                " reads first and cannot write; remove it there"
            )
