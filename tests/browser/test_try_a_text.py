"""An officer tries what a text would do; nothing is sent or stored."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Company


def try_it(page: Page, text: str, line: str, standing: str) -> None:
    page.get_by_label("What the contact texts").fill(text)
    page.get_by_label("To", exact=False).first.select_option(label=line)
    page.get_by_label("The contact is").select_option(label=standing)
    page.get_by_role("button", name="Try it").click()


def test_which_rule_answers_and_what_would_happen(company: Company, sign_in: Callable[..., Page]) -> None:
    page = sign_in("olivia")
    page.get_by_role("link", name="Try a text").first.click()
    before = len(company.get("/simulator/api/log/")["entries"])
    try_it(page, "stop please", "Scheduling (+12065550100)", "Opted in")
    expect(page.get_by_text("Around STOP there is nothing but courtesy")).to_be_visible()
    expect(page.get_by_text("courtesy:STOP")).to_be_visible()
    expect(page.get_by_text("The contact is opted out on Scheduling")).to_be_visible()
    expect(page.get_by_text("you're out and get no more texts")).to_be_visible()
    try_it(page, "can you stop by at five?", "Scheduling (+12065550100)", "Opted in")
    expect(page.get_by_text("No rule found anything in it but ordinary talk")).to_be_visible()
    try_it(page, "STOP", "Customer care (+18005550199)", "Opted in")
    expect(page.get_by_text("network", exact=False).first).to_be_visible()
    assert len(company.get("/simulator/api/log/")["entries"]) == before


def test_a_doubtful_text_on_a_phone_sized_screen(sign_in: Callable[..., Page]) -> None:
    page = sign_in("olivia", size="phone")
    page.goto("/admin/messaging/keywordresponder/try/")
    try_it(page, "wrong number", "Scheduling (+12065550100)", "Opted in")
    expect(page.get_by_text("May be an opt-out").first).to_be_visible()
    expect(page.get_by_text("suspended", exact=False).first).to_be_visible()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, f"the page scrolls sideways: {width}"
