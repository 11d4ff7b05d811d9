"""People at work: Chromium against the running example company, with phones on the simulator.

The stack is the one that ``make demo`` starts, on a port and in a folder of its own, once for all tests. Each story has
contacts of its own, so that no test depends on what another did.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from messaging.demo import servers

READY = "Ctrl-C stops it."
START_SECONDS = 120
# How soon a change must be on the screen (the specification says within 3 seconds; the machine may be busy).
SOON = 6_000
SIZES = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}

_serial = itertools.count(4000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class Company:
    """The running example: where it is, who may log in with which password, and the folder of its data."""

    origin: str
    passwords: dict[str, str]
    token: str
    folder: Path

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        request = urllib.request.Request(
            self.origin + path, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self.origin + path, headers={"Authorization": f"Token {self.token}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Waits for something that another process does and nothing announces."""
        end = time.monotonic() + 15
        while not true():
            assert time.monotonic() < end, f"in vain: {what}"
            time.sleep(0.1)

    def gate_says(self, line: str, phone: str, code: str) -> None:
        """Waits until the gate gives this reason for a text to ``phone``."""
        path = f"/api/v1/consents/check/?line={quote(line)}&phone={quote(phone)}"
        self.until(lambda: self.get(path)["reason"]["code"] == code, f"the gate to say {code}")


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder, port = tmp_path_factory.mktemp("company"), servers.free_port()
    log = (folder / "demo.log").open("w+")
    demo = subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--port", str(port), "--data", str(folder / "data")],
        cwd=settings.BASE_DIR,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        end = time.monotonic() + START_SECONDS
        while READY not in (folder / "demo.log").read_text():
            assert demo.poll() is None, (folder / "demo.log").read_text()
            assert time.monotonic() < end, "the example did not start in time"
            time.sleep(0.1)  # a process of its own: it tells only by what it prints
        kept = json.loads((folder / "data" / "demo.json").read_text())
        yield Company(f"http://127.0.0.1:{port}", kept["passwords"], kept["token"], folder / "data")
    finally:
        demo.terminate()
        demo.wait(30)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    assert found, "Browser tests need Chromium. Install it, on Debian with: apt-get install chromium"
    playwright: Playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def sign_in(chromium: Browser, company: Company) -> Iterator[Callable[..., Page]]:
    """Opens the admin as one of the example's people, in a browser of their own."""
    contexts = []

    def open_admin(username: str, size: str = "wide", **options: Any) -> Page:
        context = chromium.new_context(viewport=SIZES[size], base_url=company.origin, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        # A script that fails, or a page that answers 500, fails the test.
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on(
            "response",
            lambda answer: failures.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None,
        )
        page.goto("/admin/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill(company.passwords[username])
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        return page

    failures: list[str] = []
    yield open_admin
    for context in contexts:
        context.close()
    assert failures == []


@dataclass
class Phone:
    """A contact's phone on the simulator."""

    company: Company
    number: str

    def texts(self, line: str, body: str) -> None:
        self.company.post("/simulator/api/inbound/", {"from": self.number, "to": line, "body": body})

    def inbox(self) -> list[str]:
        """What arrived there, oldest first."""
        entries = self.company.get("/simulator/api/log/")["entries"]
        return [entry["body"] for entry in entries if entry["kind"] == "create" and entry["to"] == self.number]

    def gets(self, words: str) -> None:
        """Waits until a text with these words has arrived."""
        self.company.until(lambda: any(words in text for text in self.inbox()), f"“{words}” to arrive")


@pytest.fixture
def new_phone(company: Company) -> Callable[[], Phone]:
    """A phone whose number nobody knows yet."""
    return lambda: Phone(company, f"+1206555{next(_serial):04d}")


# The example's lines (messaging.demo.example).
SCHEDULING, REMINDERS, CARE = "+12065550100", "+12065550101", "+18005550199"
