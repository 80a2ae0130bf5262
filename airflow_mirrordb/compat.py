"""What differs between the supported versions of Airflow, 2.11 to 3.3; nothing else asks for the version."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.providers.common.compat.sdk import conf, mask_secret
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_3_PLUS


async def amask_secrets(secrets: Iterable[str]) -> None:
    """Keep secrets out of all logs, without blocking the event loop."""
    try:
        from airflow.sdk.log import amask_secret as mask  # since Airflow 3.3.2
    except ImportError:
        from asgiref.sync import sync_to_async

        mask = sync_to_async(mask_secret)
    for secret in secrets:
        await mask(secret)


def mask_secrets(secrets: Iterable[str]) -> None:
    """Keep secrets out of all logs."""
    for secret in secrets:
        mask_secret(secret)


def installation_url() -> str:
    """Return the base URL of this Airflow, which tells it from others on the same backend."""
    return str(conf.get("api" if AIRFLOW_V_3_0_PLUS else "webserver", "base_url", fallback=""))


def retry_arguments(policy: Any) -> dict[str, Any]:
    """Return how a task's failures are judged, as an operator takes it; nothing before Airflow 3.3.

    :param policy: an Airflow ``RetryPolicy``; None stands for ours
    """
    if not AIRFLOW_V_3_3_PLUS:
        return {} if policy is None else {"retry_policy": policy}
    from airflow_mirrordb.operators.retries import MirrorDBRetryPolicy

    return {"retry_policy": policy or MirrorDBRetryPolicy()}
