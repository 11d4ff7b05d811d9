"""An officer opens a web form, and people sign up: by keyboard, without JavaScript, in the frame of another site."""

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SIZES, Company, Phone
from tests.browser.test_accessibility import findings

FRAME = (
    '<!doctype html><title>Shop</title><iframe src="{}" title="Sign up" style="width: 100%; height: 48rem"></iframe>'
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[str, Callable[[str], None]]]:
    """A site of somebody else's, and how its page is written."""
    handler = type("Handler", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: handler(*a, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield (
        f"http://127.0.0.1:{server.server_port}",
        lambda address: (tmp_path / "index.html").write_text(FRAME.format(address)) and None,
    )
    server.shutdown()
    server.server_close()


def open_form(officer: Page, slug: str, line: str, **fields: str) -> None:
    officer.goto("/admin/messaging/webform/add/")
    officer.get_by_label("Line", exact=False).first.select_option(label=line)
    officer.get_by_label("Address").fill(slug)
    for label, value in fields.items():
        officer.locator(f"[name={label}]").fill(value)
    officer.get_by_role("button", name="Save", exact=True).click()
    expect(officer.locator("#result_list")).to_contain_text(slug)


def fill_in_by_keyboard(page: Page, number: str) -> None:
    page.locator("#country").focus()
    page.keyboard.press("Tab")
    page.keyboard.type(number)
    while page.evaluate("document.activeElement.id") != "agree":
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_signing_up(
    company: Company,
    sign_in: Callable[..., Page],
    chromium: Browser,
    new_phone: Callable[[], Phone],
    shop: tuple[str, Callable[[str], None]],
) -> None:
    site, write_page = shop
    address = f"{company.origin}/sign-up/harbor-home/"
    officer = sign_in("olivia")
    open_form(officer, "harbor-home", "Scheduling (+12065550100)", framed_by=site)
    # Alone, in both sizes and colours, by keyboard.
    for size in SIZES.values():
        for scheme in ("light", "dark"):
            context = chromium.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(address)
            assert findings(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.locator("#number").fill("206 555")
            with page.expect_navigation():
                page.keyboard.press("Enter")
            expect(page.locator("#number")).to_be_focused()
            expect(page.get_by_role("alert")).to_contain_text("not a phone number")
            assert findings(page) == []
            page.locator("#number").fill("")
            phone = new_phone()
            fill_in_by_keyboard(page, phone.number)
            expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
            assert findings(page) == [] and context.cookies() == []
            phone.gets("you're in")
            context.close()
    # In the shop's page, without JavaScript.
    write_page(address)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    phone = new_phone()
    frame = page.frame_locator("iframe")
    frame.get_by_label("Mobile number").fill(phone.number)
    frame.get_by_role("checkbox").check()
    frame.get_by_role("button", name="Sign up").click()
    expect(frame.get_by_role("heading", name="Thank you")).to_be_visible()
    phone.gets("you're in")
    context.close()
    officer.goto("/admin/messaging/signup/")
    expect(officer.locator("#result_list")).to_contain_text(phone.number)


def test_nobody_elses_site_shows_it(
    sign_in: Callable[..., Page], company: Company, chromium: Browser, shop: tuple[str, Callable[[str], None]]
) -> None:
    site, write_page = shop
    open_form(sign_in("olivia"), "reminders", "Service reminders (+12065550101)")
    write_page(f"{company.origin}/sign-up/reminders/")
    page = chromium.new_page()
    with page.expect_console_message(lambda said: "frame-ancestors" in said.text):
        page.goto(site)
    page.close()
