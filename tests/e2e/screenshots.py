"""Take the screenshots of example_dags/README.md, of an Airflow: ``python -m tests.e2e.screenshots``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect

from tests.support.airflow_home import CHECKOUT, AirflowHome
from tests.support.backend_process import running_backend
from tests.support.browser import ConnectionList, signed_in, task_page

FOLDER = Path(__file__).parent / "screenshots"
DAG = "mirrordb_crud"


def main() -> None:
    """Write one PNG for each thing that the examples' README shows."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mirrordb-screenshots-") as name:
        folder = Path(name).resolve()
        (folder / "home").mkdir()
        with running_backend(folder / "backend.db") as backend:
            airflow = AirflowHome(folder / "home", backend.url, backend.key)
            shutil.copy(CHECKOUT / "example_dags" / f"{DAG}.py", airflow.dags)
            with airflow.running():
                airflow.wait_for_dags(DAG)
                run_id = airflow.trigger(DAG)
                airflow.wait_for_run(DAG, run_id)
                with signed_in(airflow, width=1000, height=1700) as page:
                    show_form(airflow, page)
                    show_run(airflow, page, run_id)
                    show_link(airflow, page, run_id)


def show_form(airflow: AirflowHome, page: Page) -> None:
    """The form with what everybody needs, and with one section open."""
    form = ConnectionList(airflow, page).add("my_backend")
    form.standard("host").fill("https://backend.example.com/v1")
    form.standard("password").fill("of no use to anybody")
    form.standard("port").fill("443")
    take(form.dialog, "form")
    form.open("Authentication and endpoints")
    form.fill("endpoints", "api/users\napi/orders/{id}\nDELETE api/cache")
    form.fill("test_endpoint", "api/users")
    take(form.dialog, "endpoints")


def show_run(airflow: AirflowHome, page: Page, run_id: str) -> None:
    """A finished run; half of its tasks were deferred to the triggerer."""
    page.set_viewport_size({"width": 1440, "height": 780})
    page.goto(f"{airflow.url}/dags/{DAG}/runs/{quote(run_id, safe='')}")
    expect(page.get_by_role("link", name="read_deferred").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    take(page, "run")


def show_link(airflow: AirflowHome, page: Page, run_id: str) -> None:
    """The button that leads from a task to its resource."""
    page.set_viewport_size({"width": 1440, "height": 560})
    page.goto(task_page(airflow, DAG, run_id, "update_deferred"))
    expect(page.get_by_role("link", name="Resource")).to_be_visible()
    page.wait_for_load_state("networkidle")
    take(page, "link")


def take(what: Page | Locator, name: str) -> None:
    what.screenshot(path=FOLDER / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
