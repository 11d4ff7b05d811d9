"""A large export is made in the background: its bar moves, it survives a reload, and its file is what was recorded.

It runs on a copy of the example with a crowd in it, so that the other stories stay small.
"""

import hashlib
import re
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from messaging.demo import servers
from tests.browser.conftest import Company
from tests.browser.test_accessibility import findings
from tests.browser.ways import by_menu

CROWD = 150_000
LOAD = f"""
from django.utils import timezone
from consent.models import Consent, Contact, Line
line = Line.objects.get(name="Scheduling")
contacts = Contact.objects.bulk_create(
    (Contact(number=f"+1425{{each:07}}", first_name="Crowd") for each in range({CROWD})), batch_size=20_000
)
Consent.objects.bulk_create(
    (Consent(contact=each, line=line, status="opted_in", since=timezone.now(), source="keyword") for each in contacts),
    batch_size=20_000,
)
"""
MOVING = re.compile(r"[1-9]\d?")
MADE = 60_000  # as long as a slow machine may take to make the file


@pytest.fixture(scope="module")
def company(company: Company, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder, port = tmp_path_factory.mktemp("crowd"), servers.free_port()
    for name in ("secret_key", "suppression_key"):
        shutil.copy(company.folder / name, folder)
    with (
        closing(sqlite3.connect(company.folder / "optline.sqlite3")) as here,
        closing(sqlite3.connect(folder / "optline.sqlite3")) as there,
    ):
        here.backup(there)
    environment = servers.environment(folder, port, EXPORT_BACKGROUND_ROWS="1000")
    options = {"cwd": settings.BASE_DIR, "env": environment}
    subprocess.run([sys.executable, "manage.py", "shell", "-c", LOAD], check=True, **options)  # type: ignore[call-overload]
    with (folder / "server.log").open("w") as log:
        web = subprocess.Popen([sys.executable, *servers.web(port)], stdout=log, stderr=log, **options)  # type: ignore[call-overload]
        try:
            crowded = replace(company, origin=f"http://127.0.0.1:{port}", folder=folder)
            crowded.until(lambda: answers(crowded), "the copy to serve")
            yield crowded
        finally:
            web.terminate()
            web.wait(30)


def answers(company: Company) -> bool:
    try:
        return bool(urllib.request.urlopen(f"{company.origin}/readyz", timeout=5).status == 200)
    except OSError:
        return False


def ask_for(page: Page, format: str) -> None:
    """An export of the whole crowd, from the menu."""
    by_menu(page, "Opt In & Out Snapshot")
    page.get_by_label("Contact", exact=True).fill("Crowd")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("150,000 rows: the file is made in the background")).to_be_visible()
    page.get_by_role("button", name=format, exact=True).click()
    page.wait_for_url("**/progress/")


def test_its_bar_moves_and_the_file_comes_by_itself(sign_in: Callable[..., Page]) -> None:
    page = sign_in("sam")
    ask_for(page, "Export Excel (XLSX)")
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("value", MOVING)
    assert findings(page) == []
    page.reload()
    expect(bar).to_have_attribute("value", MOVING)
    with page.expect_download(timeout=MADE) as download:
        expect(page.get_by_role("link", name="Download", exact=True)).to_be_visible(timeout=MADE)
    digest = hashlib.sha256(download.value.path().read_bytes()).hexdigest()
    expect(page.get_by_text(digest)).to_be_visible()
    expect(page.get_by_text("150,000")).to_be_visible()
    # It stays, for whoever comes back to it, and is not forced on them again.
    page.get_by_role("link", name="On record under Exports").click()
    expect(page.get_by_text(digest)).to_be_visible()
    with page.expect_download() as again:
        page.get_by_role("link", name="Download", exact=True).click()
    assert hashlib.sha256(again.value.path().read_bytes()).hexdigest() == digest


def test_it_can_be_cancelled(sign_in: Callable[..., Page]) -> None:
    page = sign_in("sam")
    ask_for(page, "Export Excel (XLSX)")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("This export was cancelled")).to_be_visible()
    expect(page.get_by_role("link", name="Download", exact=True)).to_have_count(0)
    by_menu(page, "Exports")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Cancelled")
