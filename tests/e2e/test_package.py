"""The distribution: what is in it, what it says of itself, and what Airflow makes of it alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PathDistribution
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from uv import find_uv_bin

import airflow_mirrordb
from airflow_mirrordb.client import MirrorDBConfig
from airflow_mirrordb.get_provider_info import get_provider_info

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

CHECKOUT = Path(__file__).parents[2]
PACKAGE = [
    str(path.relative_to(CHECKOUT))
    for path in (CHECKOUT / "airflow_mirrordb").rglob("*")
    if path.is_file() and path.suffix != ".pyc"
]
#: What the form says of settings that have no value by default, where it says more than "none".
WITHOUT_VALUE = {
    "endpoints": "any resource api/{resource}, its items and their sub-collections",
    "test_endpoint": "the base URL",
    "auth_type": "basic with a login, bearer with only a key, else none",
    "token_endpoint_auth_method": "client_secret_basic, or none",
    "client_id": "Login",
    "client_secret": "the password",
    "key_name": "the header X-API-Key; for login Authorization",
    "key_prefix": "none; Bearer where login has no Name of the key",
    "token_path": "access_token",
    "token_expires": "the end that a JWT or cookie says, if it does",
}
CONNECTION_TYPE: dict[str, Any] = get_provider_info()["connection-types"][0]
FORM: dict[str, dict[str, Any]] = CONNECTION_TYPE["conn-fields"]
MODEL: dict[str, dict[str, Any]] = MirrorDBConfig.model_json_schema()["properties"]

#: Prints the DAG bundles of an Airflow, as each of its commands makes them.
BUNDLES = """
from airflow.dag_processing.bundles.manager import DagBundlesManager
print("bundles:", sorted(bundle.name for bundle in DagBundlesManager().get_all_dag_bundles()))
"""

each_field = pytest.mark.parametrize("name", FORM)


@dataclass(frozen=True)
class Built:
    """One sdist, and the wheel made from it."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(folder: Path) -> Built:
    dist = folder / "dist"
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), cwd=CHECKOUT)
    (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    return Built(sdist, wheel)


@pytest.fixture(scope="module")
def metadata(built: Built) -> PathDistribution:
    name = "-".join(built.wheel.name.split("-")[:2])
    return PathDistribution(zipfile.Path(built.wheel) / f"{name}.dist-info")


@pytest.fixture(scope="module")
def environment(folder: Path, built: Built) -> Path:
    """A virtual environment with nothing but the wheel and what it asks for."""
    venv, uv = folder / "venv", find_uv_bin()
    (newest,) = re.findall(
        r'^exclude-newer = "(.+)"$', (CHECKOUT / "pyproject.toml").read_text(), re.MULTILINE
    )
    run(uv, "venv", "--quiet", "--python", sys.executable, str(venv), cwd=folder)
    python = str(venv / "bin" / "python")
    run(uv, "pip", "install", "--python", python, "--exclude-newer", newest, str(built.wheel), cwd=folder)
    return venv


def run(*command: str, cwd: Path, errors: int = subprocess.PIPE) -> str:
    """Run a command in an environment that knows neither this checkout nor any Airflow; return its output.

    :param errors: where what it prints to stderr goes
    """
    unwanted = ("AIRFLOW", "PYTHONPATH", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    env.update({"AIRFLOW_HOME": str(cwd / "airflow"), "COLUMNS": "500"})
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def test_names_in_wheel(built: Built) -> None:
    """The wheel holds the package and nothing else."""
    info = f"airflow_mirrordb-{airflow_mirrordb.__version__}.dist-info"
    assert sorted(zipfile.ZipFile(built.wheel).namelist()) == sorted(
        [
            *PACKAGE,
            f"{info}/METADATA",
            f"{info}/RECORD",
            f"{info}/WHEEL",
            f"{info}/entry_points.txt",
            f"{info}/licenses/LICENSE",
        ]
    )


def test_names_in_sdist(built: Built) -> None:
    """The sdist holds the package and what building it takes."""
    with tarfile.open(built.sdist) as archive:
        names = sorted(archive.getnames())
    root = f"airflow_mirrordb-{airflow_mirrordb.__version__}"
    assert names == sorted(
        f"{root}/{name}"
        for name in [*PACKAGE, ".gitignore", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"]
    )


def test_metadata(metadata: PathDistribution) -> None:
    """The wheel says which Airflow provider it is, and which Pythons it runs on."""
    facts = metadata.metadata
    assert facts["Name"] == get_provider_info()["package-name"] == "airflow-mirrordb"
    assert facts["Version"] == airflow_mirrordb.__version__
    assert facts["License-Expression"] == "Apache-2.0"
    assert facts["Requires-Python"] == "<3.15,>=3.10"
    assert facts["Description-Content-Type"] == "text/markdown"
    assert {
        "Framework :: Apache Airflow",
        "Framework :: Apache Airflow :: Provider",
        "Framework :: AsyncIO",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Typing :: Typed",
    } <= set(facts.get_all("Classifier") or [])
    assert list(metadata.entry_points) == [
        EntryPoint(
            name="provider_info",
            value="airflow_mirrordb.get_provider_info:get_provider_info",
            group="apache_airflow_provider",
        )
    ]


def test_airflow_finds_the_wheel(environment: Path, folder: Path) -> None:
    """In an environment of its own, Airflow lists the provider and its hook, and imports them from there."""
    airflow, python = str(environment / "bin" / "airflow"), str(environment / "bin" / "python")

    providers = json.loads(run(airflow, "providers", "list", "--output", "json", cwd=folder))
    (ours,) = [provider for provider in providers if "mirrordb" in provider["package_name"]]
    assert ours["package_name"] == "airflow-mirrordb"
    assert ours["version"] == airflow_mirrordb.__version__

    hooks = json.loads(run(airflow, "providers", "hooks", "--output", "json", cwd=folder))
    (hook,) = [hook for hook in hooks if hook["connection_type"] == "mirrordb"]
    assert hook == {
        "connection_type": "mirrordb",
        "class": "airflow_mirrordb.hooks.mirrordb.MirrorDBHook",
        "conn_id_attribute_name": "mirrordb_conn_id",
        "package_name": "airflow-mirrordb",
        "hook_name": "MirrorDB",
    }

    code = "import airflow_mirrordb.operators.mirrordb as it; print(it.__file__)"
    imported = Path(run(python, "-c", code, cwd=folder).strip())
    assert environment in imported.parents
    run(find_uv_bin(), "pip", "check", "--python", python, cwd=folder)  # fails on a broken requirement


def test_airflow_looks_for_examples_in_the_wheel(environment: Path, folder: Path) -> None:
    """By default Airflow imports each provider to find example DAGs: this one can be, and has none.

    Airflow 3.3 makes the module's name of the distribution's (``dag_processing/bundles/manager.py``), and
    prints a traceback at each command if there is no such module. Examples in the package would be among the
    DAGs of everybody who has not turned ``[core] load_examples`` off.
    """
    python = str(environment / "bin" / "python")
    output = run(python, "-c", BUNDLES, cwd=folder, errors=subprocess.STDOUT)
    (found,) = re.findall(r"^bundles: (.+)$", output, re.MULTILINE)
    assert "'dags-folder'" in found
    assert "mirrordb" not in found
    assert "Could not load" not in output
    assert "Traceback" not in output


def test_provider_info_fits_the_schema() -> None:
    """Airflow's own schemas accept the provider info, and its form, where unknown names are errors."""
    info = get_provider_info()
    jsonschema.validate(info, schema("provider_info.schema.json"))
    form = schema("provider.yaml.schema.json")["properties"]["connection-types"]
    jsonschema.validate(info["connection-types"], form)


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((files("airflow") / name).read_text())
    return loaded


def test_form_has_every_setting() -> None:
    """Each setting of the model is a field of the form, or a standard field of a connection."""
    assert set(FORM) == set(MirrorDBConfig.model_fields) - {"base_url", "login", "api_key"}


@each_field
def test_form_states_the_default(name: str) -> None:
    """The default in a field's description is the model's."""
    default = MirrorDBConfig.model_fields[name].get_default(call_default_factory=True)
    if default is None or default == {}:
        stated = WITHOUT_VALUE.get(name, "none")
    elif isinstance(default, bool):
        stated = {"verify": "true", "adaptive_rate": "true", "trailing_slash": "off"}[name]
        assert default is (stated == "true")
    elif isinstance(default, frozenset):
        stated = ", ".join(map(str, sorted(default)))
    else:
        stated = f"{default:g}" if isinstance(default, float) else str(default)
        stated = json.dumps(default) if isinstance(default, dict) else stated
    assert FORM[name]["description"].endswith(f" Default: {stated}.")


@each_field
def test_form_has_fitting_types(name: str) -> None:
    """A field yields what the model takes, lists as text, with null for an untouched one."""
    field = FORM[name]["schema"]
    taken = {option.get("type") for option in MODEL[name].get("anyOf", [MODEL[name]])}
    kinds = set(field["type"])
    if MirrorDBConfig.model_fields[name].default is True:
        taken = {"string"}  # a switch that nobody touched is saved as off by Airflow 2.11
    if name == "secret_headers":
        taken = {"string"}  # only a text is hidden

    assert "null" in kinds  # or else Airflow's form asks for a value
    assert len(kinds) == 2
    assert kinds - {"null"} <= {"string" if kind == "array" else kind for kind in taken}
    assert not {"const", "default"} & field.keys()
    rules = MirrorDBConfig.model_fields[name].metadata
    for limit, names in {"minimum": ("ge", "gt"), "maximum": ("le", "lt")}.items():
        limits = [
            getattr(rule, rule_name) for rule in rules for rule_name in names if hasattr(rule, rule_name)
        ]
        assert field.get(limit) == (limits[0] if limits else None)
    is_secret = "SecretStr" in str(MirrorDBConfig.model_fields[name].annotation)
    assert (field.get("format") == "password") is is_secret


@pytest.mark.parametrize(
    "name", ["auth_type", "key_in", "update_method", "grant_type", "token_endpoint_auth_method"]
)
def test_form_offers_every_choice(name: str) -> None:
    """The choices of the form are those of the model, and none, which tells what it means."""
    (choices,) = [option["enum"] for option in MODEL[name].get("anyOf", [MODEL[name]]) if "enum" in option]
    field = FORM[name]["schema"]
    assert field["enum"] == [*choices, None]
    words = field["values_display"]
    assert FORM[name]["description"].endswith(f" D{words['null'].removeprefix('d')}.")
    assert all(words.get(choice, choice).partition(":")[0] == choice for choice in choices)


def test_form_has_sections() -> None:
    """Each section is in one piece, and what everybody needs is in the first one."""
    sections = [name for name, _ in groupby(field["schema"]["section"] for field in FORM.values())]
    assert sections == [
        "Authentication and endpoints",
        "OAuth 2.0 and login",
        "Limits",
        "Backoff",
        "Writes and bodies",
        "TLS and network",
    ]


@each_field
def test_form_states_the_unit(name: str) -> None:
    """A field that takes a number with a unit has it in its label and in its help text."""
    unit = re.search(r"\((\w+)", FORM[name]["label"])
    if "number" in FORM[name]["schema"]["type"] and name != "backoff_factor":
        assert unit
    if unit:
        assert unit[1] in FORM[name]["description"].lower()
