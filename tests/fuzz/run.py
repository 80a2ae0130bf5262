"""Fuzz one target: ``python -m tests.fuzz.run TARGET [CORPUS...] [-max_total_time=10] [-runs=1000000]``.

Coverage-guided, by atheris; the options are libFuzzer's. Exits with 77 at the first fault, and prints
the input that found it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["airflow_mirrordb.client"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    name = sys.argv.pop(1)
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds):
            Path(folder, str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, folder, "-max_len=256", f"-artifact_prefix={folder}/"], target.check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
