"""The oldest Airflow, Python and aiohttp that are here; the newest are those that run this."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.lanes import AIRFLOWS, Outcome

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(4000)]  # nearly all tests, on a busy machine


def test_oldest_airflow(oldest_lane: Future[Outcome] | None) -> None:
    """The wheel installs there, and all that is tried on every version passes, but for what is slow."""
    if oldest_lane is None:
        oldest = next(iter(AIRFLOWS))
        pytest.skip(f"Airflow {oldest} needs one of Python {', '.join(AIRFLOWS[oldest].pythons)}")
    outcome = oldest_lane.result()

    assert outcome.succeeded, outcome.output[-20_000:]
    assert "FAILED" not in outcome.cells
