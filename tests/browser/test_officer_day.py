"""An officer's day: what is due, who may not be texted and why, policies, and the evidence behind every change."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import CARE, REMINDERS, SCHEDULING, SOON, Company, Phone
from tests.browser.ways import by_menu, in_list, on_line, open_consent, open_conversation


def opted_out(company: Company, phone: Phone) -> None:
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")
    phone.texts(SCHEDULING, "STOP")
    company.gate_says(SCHEDULING, phone.number, "opted_out")


def test_from_the_dashboard_to_a_review_that_is_due(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone = new_phone()
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")
    phone.texts(SCHEDULING, "Was the plumber here before?")
    phone.texts(SCHEDULING, "I think you have the wrong number")
    company.gate_says(SCHEDULING, phone.number, "under_review")
    page = sign_in("olivia")
    due = page.get_by_role("region", name="Needs attention")
    expect(due).to_contain_text("undecided, it counts as an opt-out")
    due.get_by_role("link", name="may ask us to stop").click()
    row = page.get_by_role("row").filter(has_text=phone.number)
    expect(row).to_contain_text("10 business days")
    row.get_by_role("link", name=phone.number).click()
    # The thread around it, so that it can be understood.
    said = page.get_by_role("region", name="What was said")
    expect(said).to_contain_text("Was the plumber here before?")
    expect(said.get_by_role("listitem").filter(has_text="The text in question")).to_contain_text("wrong number")
    page.get_by_label("Why you decide so").fill("They asked the neighbour and it is their number.")
    page.get_by_role("button", name="It was no opt-out").click()
    expect(page.get_by_text("What waited goes through the gate again")).to_be_visible()
    company.gate_says(SCHEDULING, phone.number, "allowed")


def narrow(page: Page, **chosen: str) -> None:
    """By keyboard alone: the button, then the fields, then Enter."""
    page.get_by_role("button", name="Filters").press("Enter")
    expect(page.get_by_label(next(iter(chosen)), exact=True)).to_be_focused()
    for label, value in chosen.items():
        page.get_by_label(label.replace("_", " "), exact=True).select_option(label=value)
    page.get_by_role("button", name="Apply Filters").press("Enter")


def test_who_may_not_be_texted_and_why(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    out, agreed = new_phone(), new_phone()
    opted_out(company, out)
    agreed.texts(SCHEDULING, "START")
    agreed.gets("you're in")
    page = sign_in("olivia")
    by_menu(page, "Contacts")
    narrow(page, Line="Scheduling", Status="Opted out")
    row = page.get_by_role("row").filter(has_text=out.number)
    expect(row).to_contain_text("✕ Opted out on 2 lines")
    expect(page.get_by_role("row").filter(has_text=agreed.number)).to_have_count(0)
    row.get_by_role("link", name="View the consent").click()
    here = on_line(page.get_by_role("dialog"), "Scheduling")
    expect(here).to_contain_text("Can I text them now? No.")
    here.get_by_text("History").click()
    expect(here.locator("blockquote").filter(has_text=re.compile("^STOP$"))).to_be_visible()
    expect(here).to_contain_text("Text message")
    # In the words of the text that was refused, too.
    page.keyboard.press("Escape")
    refused = company.post(
        "/api/v1/messages/",
        {"line": SCHEDULING, "to": out.number, "body": "Are you still there?"},
        Authorization=f"Token {company.token}",
    )
    assert refused["status"] == "refused"
    by_menu(page, "Refused texts")
    expect(page.get_by_role("row").filter(has_text="Are you still there?")).to_contain_text("opted out")


def test_a_number_is_looked_up_and_put_on_the_do_not_contact_list(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone, page = new_phone(), sign_in("olivia")
    phone.texts(SCHEDULING, "Do you repair roofs?")
    phone.gets("Reply YES to agree")
    by_menu(page, "Do not contact")
    page.get_by_role("link", name="Look up a number").click()
    page.get_by_label("Number").fill("0123")
    page.get_by_role("button", name="Look it up").click()
    expect(page.get_by_text("“0123” can't be read.")).to_be_visible()
    page.get_by_label("Number").fill(f"({phone.number[2:5]}) {phone.number[5:8]}-{phone.number[8:]}")
    page.get_by_role("button", name="Look it up").click()
    expect(page.get_by_text("Not on the do-not-contact list.")).to_be_visible()
    on_scheduling = page.get_by_role("article").filter(has_text=SCHEDULING)
    expect(on_scheduling).to_contain_text("Opt-in requested")
    expect(on_scheduling).to_contain_text("Opt-in request: Sent.")
    expect(page.get_by_role("article").filter(has_text=CARE)).to_contain_text("Not Defined")
    page.get_by_role("link", name="Put it on the list").click()
    expect(page.get_by_label("Number")).to_have_value(phone.number)
    page.get_by_label("Reason").fill("A lawyer's letter asks for no contact.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("✕ Do not contact")).to_be_visible()
    expect(page.get_by_text("put there by Olivia Grant")).to_be_visible()
    company.gate_says(REMINDERS, phone.number, "do_not_contact")
    # And off it again, with the reason.
    page.get_by_role("link", name="Take it off the list").click()
    page.get_by_label("Reason").fill("The lawyer took it back in writing.")
    page.get_by_role("button", name="Take it off the list").click()
    expect(page.get_by_text("is off the do-not-contact list")).to_be_visible()
    expect(page.get_by_text("Not on the do-not-contact list.")).to_be_visible()


def mode(page: Page, name: str) -> Locator:
    return page.get_by_role("radio", name=name)


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def test_a_line_is_switched_to_consent_and_back(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone, page = new_phone(), sign_in("olivia")
    phone.texts(REMINDERS, "When is my next check?")
    phone.gets("Reply STOP at any time")
    company.gate_says(REMINDERS, phone.number, "allowed")
    in_list(page, "Lines", "Service reminders").get_by_role("link").click()
    expect(mode(page, "Disclaimer only: contacts are told")).to_be_checked()
    try:
        mode(page, "Opt-in with consent: contacts must reply YES").check()
        save(page)
        # Whom it concerns is said before anything changes.
        expect(page.get_by_text("This concerns Service reminders.")).to_contain_text(
            re.compile(r"\d+ contacts were only told how to stop there.* held until they say yes")
        )
        company.gate_says(REMINDERS, phone.number, "allowed")
        page.get_by_label("Yes, ask for consent from now on").check()
        save(page)
        expect(page.get_by_text("was changed successfully")).to_be_visible()
        company.gate_says(REMINDERS, phone.number, "consent_missing")
    finally:
        in_list(page, "Lines", "Service reminders").get_by_role("link").click()
        mode(page, "Disclaimer only: contacts are told").check()
        save(page)
        expect(page.get_by_text("was changed successfully")).to_be_visible()
    company.gate_says(REMINDERS, phone.number, "allowed")


def test_an_opt_out_is_lifted_with_evidence_that_the_ledger_leads_to(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone, page = new_phone(), sign_in("olivia")
    opted_out(company, phone)
    dialog = open_consent(page, phone)
    here = on_line(dialog, "Scheduling")
    here.get_by_role("link", name="Lift the opt-out").click()
    dialog.get_by_label("Why", exact=True).fill("They wrote that STOP was meant for somebody else.")
    dialog.get_by_label("How they asked for it").select_option(label="By e-mail")
    dialog.get_by_label("What proves it").fill("E-mail of 20 November, 9:14: please text me again.")
    dialog.get_by_label("A file that proves it").set_input_files(
        {"name": "mail.txt", "mimeType": "text/plain", "buffer": b"Please text me again."}
    )
    dialog.get_by_role("button", name="Lift the opt-out").click()
    expect(dialog.get_by_role("status")).to_contain_text("They are opted in on Scheduling again")
    expect(here).to_contain_text("Opted in")
    # It reaches this one line, as it said.
    expect(on_line(dialog, "Customer care")).to_contain_text("✕ Opted out")
    phone.gets("you're in")
    page.keyboard.press("Escape")
    rows = page.get_by_role("row").filter(has_text=phone.number)
    by_menu(page, "Ledger")
    entry = rows.filter(has_text="Olivia Grant").first
    expect(entry).to_contain_text("✕ Opted out → Opted in")
    entry.get_by_role("link").first.click()
    expect(page.get_by_text("The contact opted in.")).to_be_visible()
    page.get_by_role("link", name="See what proves it").click()
    expect(page.locator("blockquote")).to_have_text("E-mail of 20 November, 9:14: please text me again.")
    expect(page.get_by_text("They wrote that STOP was meant for somebody else.", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="mail.txt").click()
    assert download.value.path().read_bytes() == b"Please text me again."
    # And back to what it proves.
    page.get_by_role("link", name="Opted in, no.").click()
    expect(page.get_by_text("For checking the chain")).to_be_visible()


def test_a_held_back_text_is_read_with_a_reason(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone = new_phone()
    phone.texts(SCHEDULING, "I want to complain about Tuesday.")
    phone.gets("Your text is delivered once you agree")
    phone.texts(SCHEDULING, "NO")
    phone.gets("you're out")
    agent = sign_in("ana")
    open_conversation(agent, phone)
    expect(agent.get_by_text("complain about Tuesday")).to_have_count(0)
    expect(agent.get_by_role("link", name="Read it, on record")).to_have_count(0)
    page = sign_in("olivia")
    open_conversation(page, phone)
    expect(page.get_by_text("complain about Tuesday")).to_have_count(0)
    page.get_by_role("link", name="Read it, on record").click()
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_text("complain about Tuesday")).to_have_count(0)
    page.get_by_label("Why you read it").fill(f"Complaint of {phone.number}")
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_text("I want to complain about Tuesday.")).to_be_visible()
    expect(page.get_by_text("Your reading is on record.")).to_be_visible()
    page.get_by_role("link", name="Back to the conversation").click()
    expect(page.get_by_role("log")).to_be_visible(timeout=SOON)
    by_menu(page, "Readings of held-back texts")
    expect(page.get_by_role("row").filter(has_text=f"Complaint of {phone.number}")).to_contain_text("Olivia Grant")
