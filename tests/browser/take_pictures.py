"""The pictures in the README, taken anew from the example company: ``make pictures``."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from tests.browser.conftest import Company

pytestmark = pytest.mark.browser

FOLDER = Path(settings.BASE_DIR) / "docs" / "pictures"


def take(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    FOLDER.mkdir(exist_ok=True)
    page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")


def test_dashboard(company: Company, sign_in: Callable[..., Page]) -> None:
    page = sign_in("olivia")
    company.until(lambda: "for the first time" not in str(page.reload() and page.content()), "the figures")
    expect(page.locator("canvas").first).to_be_visible()
    take(page, "dashboard")


def test_consent_modal(sign_in: Callable[..., Page]) -> None:
    page = sign_in("olivia")
    page.goto("/admin/consent/contact/?q=Irene")
    page.locator(".consent-view").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Can I text them now?")
    take(page, "consent-modal")


def test_conversation(sign_in: Callable[..., Page]) -> None:
    page = sign_in("ana")
    page.goto("/admin/messaging/conversation/")
    page.get_by_text("Marcus Bell").first.click()
    expect(page.get_by_text("Can I text them now?").first).to_be_visible()
    take(page, "conversation")


def test_template_editor(sign_in: Callable[..., Page]) -> None:
    page = sign_in("olivia")
    page.goto("/admin/messaging/template/")
    page.get_by_role("link", name="Opt-in request, we texted first", exact=True).first.click()
    expect(page.locator(".wording-bubble").first).to_be_visible()
    take(page, "template-editor")


def test_snapshot(sign_in: Callable[..., Page]) -> None:
    page = sign_in("sam")
    page.goto("/admin/reporting/reportrun/snapshot/")
    expect(page.locator("canvas").first).to_be_visible()
    take(page, "snapshot")
