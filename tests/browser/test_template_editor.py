"""An officer rewords a text: sees it as it arrives while typing, mends what costs, saves, compares and restores."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SCHEDULING, Company, Phone


def open_wording(page: Page, kind: str) -> Locator:
    page.get_by_role("link", name="Templates").first.click()
    page.get_by_role("link", name=kind, exact=True).first.click()
    area = page.get_by_label("Wording")
    expect(area).to_be_visible()
    return area


def saved(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()


def test_preview_while_typing_then_save_and_restore(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    page = sign_in("olivia")
    area = open_wording(page, "Help reply")
    before = area.input_value()
    bubble = page.locator(".wording-bubble").first
    # While typing: the bubble, the costly characters by name, and what the text lacks.
    area.fill("{company_name}: we’re here – ask {support_contact}.")
    expect(bubble).to_have_text("Harbor Home Services: we’re here – ask help@harborhome.example.")
    expect(page.get_by_text("UCS-2").first).to_be_visible()
    expect(page.get_by_text("RIGHT SINGLE QUOTATION MARK")).to_be_visible()
    expect(page.locator(".wording-warnings")).to_contain_text("stop")
    # One click makes them plain.
    page.get_by_role("button", name="Replace all").click()
    expect(area).to_have_value("{company_name}: we're here - ask {support_contact}.")
    expect(page.get_by_text("GSM-7,").first).to_be_visible()
    # What can't be sent can't be saved, and nothing typed is lost.
    area.fill("{company_name}: ask {nobody}. Reply STOP to end.")
    expect(page.get_by_text("This can't be saved yet")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("{nobody}").first).to_be_visible()
    expect(page.get_by_label("Wording")).to_have_value("{company_name}: ask {nobody}. Reply STOP to end.")
    area = page.get_by_label("Wording")
    area.fill("{company_name}: ask us at {support_contact}. Reply STOP to end.")
    saved(page)
    phone = new_phone()
    phone.texts(SCHEDULING, "HELP")
    phone.gets("ask us at help@harborhome.example")
    # The history shows what changed, and the old words come back as a new version.
    open_wording(page, "Help reply")
    page.locator("a[href$='/history/']").first.click()
    expect(page.locator("ins").first).to_be_visible()
    page.get_by_role("link", name="Use version 1 again").click()
    page.get_by_role("button", name="Use version 1 again").click()
    expect(page.get_by_text("restored from version 1")).to_be_visible()
    assert open_wording(page, "Help reply").input_value() == before


def test_a_chip_inserts_its_variable_by_keyboard(sign_in: Callable[..., Page]) -> None:
    page = sign_in("olivia", size="phone")
    page.goto("/admin/messaging/template/")
    page.get_by_role("link", name="Way back", exact=True).first.click()
    area = page.get_by_label("Wording")
    area.fill("Hello ")
    chip = page.get_by_role("button", name="company_name", exact=True)
    chip.focus()
    page.keyboard.press("Enter")
    expect(area).to_have_value("Hello {company_name}")
    expect(page.locator(".wording-bubble").first).to_have_text("Hello Harbor Home Services")


def test_all_wordings_are_checked_in_a_list(sign_in: Callable[..., Page]) -> None:
    page = sign_in("olivia")
    page.get_by_role("link", name="Templates").first.click()
    page.get_by_role("link", name="Check all wordings").click()
    expect(page.get_by_role("heading", name="Check all wordings")).to_be_visible()
