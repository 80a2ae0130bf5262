"""The README of each folder that has one; those of the package as they are installed."""

from __future__ import annotations

from pathlib import Path

import airflow_mirrordb

ROOT = Path(__file__).parents[2]
PACKAGE = Path(airflow_mirrordb.__file__).parent


def _texts() -> dict[str, str]:
    places = {folder: ROOT / folder for folder in (".", "example_dags", "tests")}
    places |= {f"airflow_mirrordb/{path.parent.name}": path.parent for path in PACKAGE.glob("*/README.md")}
    return {folder: (place / "README.md").read_text() for folder, place in places.items()}


#: The text of each README by its folder, as ``airflow_mirrordb/client``; ``.`` is that of the project.
READMES = _texts()
#: Those, and the pages beside them, by their paths.
TEXTS = READMES | {
    f"airflow_mirrordb/{path.relative_to(PACKAGE)}": path.read_text()
    for path in PACKAGE.glob("*/*.md")
    if path.name != "README.md"
}
