"""A supervisor's reports: who is in and who is out, the file of it, and the record by which it can be proved."""

import csv
import hashlib
import io
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page, expect

from tests.browser.conftest import CARE, SCHEDULING, Company, Phone
from tests.browser.ways import by_menu


def drawn(page: Page) -> Any:
    """The lines that the chart shows, as Chart.js has them."""
    page.wait_for_function("Chart.getChart(document.querySelector('#report-totals canvas'))")
    return page.evaluate("Chart.getChart(document.querySelector('#report-totals canvas')).data.labels")


def test_from_the_menu_to_a_file_that_can_be_proved(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone = new_phone()
    for line in (SCHEDULING, CARE):
        phone.texts(line, "START")
    path = f"/api/v1/contacts/{quote(phone.number)}/consents/"
    company.until(lambda: str(company.get(path)).count("'opted_in'") == 2, "both to be on record")
    page = sign_in("sam")
    by_menu(page, "Opt In & Out Snapshot")
    preview = page.get_by_role("region", name="As it is now").last
    lines = page.get_by_role("group", name="Lines")
    for line in ("Customer care", "Scheduling", "Service reminders"):
        expect(lines.get_by_label(line)).to_be_checked()
    page.get_by_label("Contact", exact=True).fill(phone.number)
    page.get_by_role("button", name="Show").click()
    expect(preview.get_by_role("row")).to_have_count(3)  # the headings, and the contact on two lines
    expect(page.get_by_text("2 rows: the file is handed over at once.")).to_be_visible()
    assert drawn(page) == ["Customer care", "Scheduling", "Service reminders"]

    lines.get_by_label("Customer care").uncheck()
    page.get_by_role("button", name="Show").click()
    expect(preview.get_by_role("row")).to_have_count(2)
    expect(preview).to_contain_text("Scheduling")
    expect(page.get_by_text("1 row: the file is handed over at once.")).to_be_visible()
    assert drawn(page) == ["Scheduling", "Service reminders"]
    page.reload()
    expect(lines.get_by_label("Customer care")).not_to_be_checked()

    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV", exact=True).click()
    file = download.value.path().read_bytes()
    rows = list(csv.DictReader(io.StringIO(file.decode())))
    assert [(row["Line name"], row["Mobile number"], row["Status"]) for row in rows] == [
        ("Scheduling", phone.number, "Opted in")
    ]
    digest = hashlib.sha256(file).hexdigest()
    by_menu(page, "Exports")
    box = page.get_by_placeholder("The SHA-256 of a file")
    box.fill(digest)
    box.press("Enter")
    row = page.get_by_role("row").filter(has_text=digest[:12])
    expect(row).to_contain_text("Sam Rivera")
    row.get_by_role("link").first.click()
    expect(page.get_by_text(digest)).to_be_visible()
    expect(page.get_by_text(f"Contact: “{phone.number}”")).to_be_visible()


def test_all_lines_are_one_click(sign_in: Callable[..., Page]) -> None:
    page = sign_in("sam")
    by_menu(page, "Opt In & Out Snapshot")
    lines = page.get_by_role("group", name="Lines")
    lines.get_by_role("button", name="None").click()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Choose at least one line.")).to_be_visible()
    lines.get_by_role("button", name="All lines").click()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="Totals")).to_be_visible()
    assert "lines=all" in page.url and "%2B1" not in page.url


def test_the_funnel_and_its_file(sign_in: Callable[..., Page]) -> None:
    page = sign_in("sam")
    by_menu(page, "Double opt-in funnel")
    expect(page.get_by_role("heading", name="By line")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    assert download.value.path().read_text().startswith("Compared by,")


def test_it_works_on_a_phone_without_scrolling_sideways(sign_in: Callable[..., Page]) -> None:
    page = sign_in("sam", size="phone")
    for address in ("snapshot/", "snapshot/?search=e", "funnel/", ""):
        page.goto(f"/admin/reporting/reportrun/{address}")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
