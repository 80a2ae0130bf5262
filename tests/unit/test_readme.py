"""What the README says must be what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from airflow_mirrordb.client import MirrorDBConfig, errors
from airflow_mirrordb.get_provider_info import get_provider_info

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_settings_table_equals_the_model() -> None:
    """Each extra is in the table, with the default that it has, and nothing else is."""
    section = README.partition("### Settings")[2].partition("###")[0]
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
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, frozenset):
        return ", ".join(map(str, sorted(default)))
    return f"`{default}`" if isinstance(default, str) else str(default)


def test_error_tree_is_that_of_the_code() -> None:
    """The tree in the README names the classes of the tree in the module, in the same order."""

    def tree(text: str) -> list[str]:
        return re.findall(r"[├└]── (\w+)", text)

    assert tree(README) == tree(errors.__doc__ or "")


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
    """The connection form and the README's table name the same settings."""
    form = get_provider_info()["connection-types"][0]["conn-fields"]
    assert set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)) >= form.keys()
