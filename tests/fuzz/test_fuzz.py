"""The fuzz targets, for as many runs as are quick; ``python -m tests.fuzz.run TARGET`` goes on."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.slow

RUNS = 5000
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_find_no_fault(name: str) -> None:
    """What once was a fault, or looks like one."""
    for seed in TARGETS[name].seeds:
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=60) | st.binary(min_size=3, max_size=12))
def test_no_bytes_find_a_fault(name: str, data: bytes) -> None:
    """Also where there is no atheris."""
    TARGETS[name].check(data)


@pytest.fixture(scope="module")
def fuzzers() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """All targets at the same time."""
    pytest.importorskip("atheris")
    started = {
        name: subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.run", name, f"-runs={RUNS}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in TARGETS
    }
    yield started
    for process in started.values():
        process.kill()
        process.wait()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TARGETS)
def test_fuzzing_finds_no_fault(fuzzers: dict[str, subprocess.Popen[str]], name: str) -> None:
    """So many runs, guided by what code each input reaches."""
    printed, _ = fuzzers[name].communicate()
    runs = re.search(r"Done (\d+) runs", printed)
    assert runs, printed[-3000:]
    assert int(runs[1]) >= RUNS
    assert fuzzers[name].returncode == 0
