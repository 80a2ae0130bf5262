"""Chromium on a running Airflow, and its connection form as a user sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.support.airflow_home import AirflowHome
from tests.support.debian import program

PATIENCE = 120_000.0  # milliseconds that a page may take to show what is expected


@contextmanager
def signed_in(airflow: AirflowHome, *, width: int = 1100, height: int = 900) -> Iterator[Page]:
    """Start Debian's Chromium, sign in as the only user, and yield the page."""
    chromium = program("chromium", package="chromium", needed_for="the browser")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        # as root it runs without a sandbox only; all it opens is on this machine
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": width, "height": height}, locale="en-GB")
            page.set_default_timeout(PATIENCE)
            page.goto(f"{airflow.url}/auth/login/")
            page.locator("[name=username]").fill("admin")
            page.locator("[name=password]").fill(airflow.password)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(lambda url: "/auth/login" not in url)
            yield page
        finally:
            browser.close()


def task_page(airflow: AirflowHome, dag_id: str, run_id: str, task_id: str) -> str:
    """Return the address of a task's details, where its links are."""
    return f"{airflow.url}/dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/{task_id}/details"


class ConnectionList:
    """The page Admin, Connections.

    :param page: of a user who is signed in
    """

    def __init__(self, airflow: AirflowHome, page: Page) -> None:
        self.page = page
        page.goto(f"{airflow.url}/connections")

    def add(self, conn_id: str) -> ConnectionForm:
        """Open the form for a new connection of our type."""
        self.page.get_by_role("button", name="Add Connection").click()
        dialog = self.page.get_by_role("dialog")
        dialog.locator("[name=connection_id]").fill(conn_id)
        dialog.get_by_role("combobox").fill("MirrorDB")
        dialog.get_by_role("combobox").press("Enter")
        return ConnectionForm(dialog)

    def edit(self, conn_id: str) -> ConnectionForm:
        """Open the form of a connection that is there."""
        self._row(conn_id).get_by_label("Edit Connection").click()
        return ConnectionForm(self.page.get_by_role("dialog"))

    def test(self, conn_id: str) -> Locator:
        """Press the Test button of a connection, and return what tells the outcome."""
        self._row(conn_id).get_by_label("Test Connection").click()
        return self.page.get_by_role("status").filter(has_text="Test Connection")

    def _row(self, conn_id: str) -> Locator:
        cell = self.page.get_by_role("cell", name=conn_id, exact=True)
        return self.page.get_by_role("row").filter(has=cell)


class ConnectionForm:
    """The form of one connection, whose sections open one at a time."""

    def __init__(self, dialog: Locator) -> None:
        self.dialog = dialog

    def open(self, section: str) -> None:
        """Open a section, unless it is open."""
        trigger = self.dialog.get_by_role("button", name=section, exact=True)
        if trigger.get_attribute("aria-expanded") != "true":
            trigger.click()
        expect(trigger).to_have_attribute("aria-expanded", "true")

    def standard(self, name: str) -> Locator:
        """Return the input of a standard field, as ``host``."""
        return self.dialog.locator(f"[name={name}]")

    def extra(self, name: str) -> Locator:
        """Return the input of a field of ours."""
        return self.dialog.locator(f"[name=element_{name}]")

    def fill(self, name: str, text: str) -> None:
        """Type text into a field of ours, and leave the field."""
        self.extra(name).fill(text)
        self.extra(name).blur()

    def switch(self, name: str) -> None:
        """Turn a switch on, or off."""
        self.dialog.locator("label").filter(has=self.dialog.page.locator(f"[name=element_{name}]")).click()

    def choose(self, name: str, label: str) -> None:
        """Take an entry of a drop-down."""
        self.dialog.locator(f"#element_{name}").get_by_role("combobox").click()
        self.dialog.page.get_by_role("option", name=label, exact=True).click()

    def write_json(self, name: str, text: str) -> None:
        """Replace what is in an editor."""
        self.dialog.locator(f"#element_{name}").click()
        keyboard = self.dialog.page.keyboard
        keyboard.press("Control+A")
        keyboard.insert_text(text)
        keyboard.press("Control+Shift+End")
        keyboard.press("Delete")  # the quotes and brackets that the editor added by itself

    def save(self) -> None:
        """Save the connection and return when Airflow says so."""
        self.dialog.get_by_role("button", name="Save").click()
        expect(self.dialog).to_be_hidden()
