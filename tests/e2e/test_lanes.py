"""The oldest Airflow, Python and aiohttp that are here; the newest are those that run this."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lanes import AIRFLOWS, build, lanes, run

# most of the tests run once more, be it on a busy machine
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(4000)]  # nearly all tests, on a busy machine


def test_oldest_airflow(folder: Path) -> None:
    """The wheel installs there, and all that is tried on every version passes, but for what is slow."""
    lane = next(lanes(), None)
    oldest = next(iter(AIRFLOWS))
    if lane is None or lane.airflow != oldest:
        pytest.skip(f"Airflow {oldest} needs one of Python {', '.join(AIRFLOWS[oldest].pythons)}")
    (folder / "lanes").mkdir()
    outcome = run(lane, build(folder / "lanes"), folder / "lanes", slow=False)

    assert outcome.succeeded, outcome.output[-20_000:]
    assert "FAILED" not in outcome.cells
