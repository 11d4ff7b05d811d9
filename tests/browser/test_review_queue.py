"""An officer finds a doubtful text in the queue, reads it in its thread and decides it."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import SCHEDULING, Company, Phone


def a_doubtful_text(company: Company, phone: Phone) -> None:
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")
    phone.texts(SCHEDULING, "I think you have the wrong number")
    company.gate_says(SCHEDULING, phone.number, "under_review")


def to_the_queue(page: Page, phone: Phone) -> None:
    page.get_by_role("link", name="Review queue").first.click()
    expect(page.get_by_role("link", name=phone.number)).to_be_visible()
    page.get_by_role("link", name=phone.number).click()
    expect(page.get_by_text("The text in question")).to_be_visible()
    expect(page.get_by_text("10 business days left")).to_be_visible()


def agent_texts(company: Company, phone: Phone, body: str) -> str:
    answer = company.post(
        "/api/v1/messages/",
        {"line": SCHEDULING, "to": phone.number, "body": body},
        Authorization=f"Token {company.token}",
    )
    return str(answer["status"])


def test_no_opt_out_and_the_held_text_arrives(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone = new_phone()
    a_doubtful_text(company, phone)
    assert agent_texts(company, phone, "Shall we still come on Monday?") == "held"
    page = sign_in("olivia")
    to_the_queue(page, phone)
    expect(page.get_by_text("1 text waits for this decision")).to_be_visible()
    # Without a reason it says so at the field, and nothing is decided.
    page.get_by_role("button", name="It was no opt-out").click()
    expect(page.get_by_text("Say why in a few words")).to_be_visible()
    page.get_by_label("Why you decide so").fill("They mixed us up and said so on the phone.")
    page.get_by_role("button", name="It was no opt-out").click()
    expect(page.get_by_text("What waited goes through the gate again")).to_be_visible()
    phone.gets("Shall we still come on Monday?")


def test_an_opt_out_on_a_phone_sized_screen(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone = new_phone()
    a_doubtful_text(company, phone)
    page = sign_in("olivia", size="phone")
    page.goto("/admin/messaging/review/")
    page.get_by_role("link", name=phone.number).click()
    page.get_by_label("Why you decide so").fill("It is somebody else's number.")
    page.get_by_role("button", name="It was an opt-out").click()
    expect(page.get_by_text("What waited for them is cancelled")).to_be_visible()
    assert agent_texts(company, phone, "Hello?") == "refused"
