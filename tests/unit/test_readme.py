"""What the READMEs say must be what the code does, wherever they are read."""

from __future__ import annotations

import json
import re

import pytest

from airflow_mirrordb.client import MirrorDBConfig, errors
from airflow_mirrordb.get_provider_info import get_provider_info
from tests.support.readmes import PACKAGE, READMES, ROOT

README, CLIENT = READMES["."], READMES["airflow_mirrordb/client"]


def test_settings_table_equals_the_model() -> None:
    """Each extra is in the table, with the default that it has, and nothing else is."""
    section = CLIENT.partition("## Settings")[2].partition("##")[0]
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.+?) \| .+ \|$", section, re.MULTILINE))
    fields = {
        name: field
        for name, field in MirrorDBConfig.model_fields.items()
        if name not in ("base_url", "login", "api_key")
    }
    assert rows.keys() == fields.keys()
    for name, field in fields.items():
        assert rows[name] == shown(field.get_default(call_default_factory=True)), name


def shown(default: object) -> str:
    if default is None or default == {}:
        return "none"
    if isinstance(default, dict):
        return f"`{json.dumps(default)}`"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, frozenset):
        return ", ".join(map(str, sorted(default)))
    return f"`{default}`" if isinstance(default, str) else str(default)


def test_error_tree_is_that_of_the_code() -> None:
    """The tree in the client's README names the classes of the tree in the module, in the same order."""

    def tree(text: str) -> list[str]:
        return re.findall(r"[├└]── (\w+)", text)

    assert tree(CLIENT) == tree(errors.__doc__ or "")


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    """The script runs exactly the test command that the README gives."""
    command = next(line for line in README.splitlines() if line.endswith("poe check"))
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == command


def test_tasks_that_are_named_are_there() -> None:
    """Readme, contributors' pages and the workflow name only tasks that poe has."""
    tasks = (ROOT / "pyproject.toml").read_text().partition("[tool.poe.tasks]")[2].partition("\n[")[0]
    known = set(re.findall(r"^(\w+) = ", tasks, re.MULTILINE))
    pages = [README, *(page.read_text() for page in (ROOT / ".github").rglob("*.*") if page.is_file())]
    named = {name for page in pages for name in re.findall(r"(?:`|--quiet |run )poe (\w+)", page)}
    assert {"quick", "test", "check", "lanes"} <= named <= known


def test_form_has_each_setting() -> None:
    """The connection form and the table of the client's README name the same settings."""
    form = get_provider_info()["connection-types"][0]["conn-fields"]
    assert set(re.findall(r"^\| `(\w+)` \|", CLIENT, re.MULTILINE)) == form.keys()


def test_files_of_the_shared_room_are_all_told() -> None:
    """Its README names each module, and none that is not there."""
    rows = re.findall(r"^\| (`.+?) \|", READMES["airflow_mirrordb/task"], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w/]+\.py)`", row)}
    room = PACKAGE / "task"
    files = {str(path.relative_to(room)) for path in room.rglob("*.py") if path.name != "__init__.py"}
    assert named == files


@pytest.mark.parametrize("room", ["client", "hooks"])
def test_where_what_is(room: str) -> None:
    """The table of a room's README names what is at the top of it, and nothing else."""
    page = READMES[f"airflow_mirrordb/{room}"]
    rows = re.findall(r"^\| (`.+?) \|", page.partition("## Where what is")[2], re.MULTILINE)
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([\w./]+)`", row)}
    there = {path.name for path in (PACKAGE / room).iterdir()}
    assert named == there - {"__init__.py", "__pycache__", "README.md", "BACKENDS.md"}


def test_readme_is_short() -> None:
    """Who comes with a backend of their own reads 200 lines at most."""
    assert len(README.splitlines()) <= 200


def test_settings_of_the_readme_are_settings() -> None:
    """What the README's short table of the connection names is a setting."""
    section = README.partition("## The connection")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert names
    assert names <= MirrorDBConfig.model_fields.keys()


def test_versions_of_the_readme_are_those_of_the_package() -> None:
    """The README names the aiohttp that the package asks for."""
    (range_,) = re.findall(r'^    "(aiohttp[^;]+?)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert f"`{range_}`" in README


def test_contents_name_every_readme() -> None:
    """The README says where the rest is, and what it names is there."""
    section = README.partition("## Contents")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(.+)/README.md` \|", section, re.MULTILINE)
    assert sorted(named) == sorted(READMES.keys() - {"."})


@pytest.mark.parametrize("folder", READMES)
def test_links_lead_somewhere(folder: str) -> None:
    """A link leads to a heading of the same page, or to a file that is wherever this page is.

    On a package index a page has no neighbours, and an installed package has nothing around it: so the
    README links to its own headings alone, and those of the package stay inside of it.
    """
    text = re.sub(r"^```.*?^```$", "", READMES[folder], flags=re.MULTILINE | re.DOTALL)
    headings = {anchor(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for target in re.findall(r"\]\((.+?)\)", text):
        path, _, heading = target.partition("#")
        if path.startswith("https://"):
            continue
        if not path:
            assert heading in headings, target
            continue
        assert folder in ("tests", "example_dags"), target
        assert (ROOT / folder / path).is_file(), target


def anchor(title: str) -> str:
    """Return the name by which a link reaches a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
