"""A supervisor's day: one contact on every line, the team's conversations, and no button that ends in a refusal."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import CARE, SCHEDULING, SOON, Company, Phone
from tests.browser.ways import by_menu, entry, on_line, open_consent, open_conversation, row_of, send


def test_one_contact_on_every_line(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone = new_phone()
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")
    phone.texts(CARE, "Is somebody there?")
    company.gate_says(CARE, phone.number, "consent_pending")
    page = sign_in("sam")
    dialog = open_consent(page, phone)
    expect(on_line(dialog, "Scheduling")).to_contain_text("Opted in")
    expect(on_line(dialog, "Scheduling")).to_contain_text("Can I text them now? Yes.")
    expect(on_line(dialog, "Customer care")).to_contain_text("Opt-in requested")
    expect(on_line(dialog, "Service reminders")).to_contain_text("Not Defined")
    # What supervisors may not do is not offered; what they may do is.
    for verb in ("Record consent", "Lift the opt-out"):
        expect(dialog.get_by_role("link", name=verb)).to_have_count(0)
    on_line(dialog, "Scheduling").get_by_role("link", name="Record a revocation").click()
    expect(dialog.get_by_role("button", name="Opt them out")).to_be_visible()
    dialog.get_by_role("link", name="Back").click()
    # They see that something happened, but not what proves it.
    here = on_line(dialog, "Scheduling")
    here.get_by_text("History").click()
    expect(here).to_contain_text("Opted in")
    expect(here.get_by_role("link", name="evidence")).to_have_count(0)


def test_watching_leaves_it_unread_for_the_agents(sign_in: Callable[..., Page], new_phone: Callable[[], Phone]) -> None:
    phone = new_phone()
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")
    phone.texts(SCHEDULING, "Is anybody coming today?")
    sam, ana = sign_in("sam"), sign_in("ana")
    by_menu(ana, "Conversations")
    expect(row_of(ana, phone)).to_contain_text("Is anybody coming today?")
    open_conversation(sam, phone)
    expect(entry(sam, "Is anybody coming today?")).to_be_visible()
    expect(sam.get_by_role("banner").get_by_text("Unread")).to_be_visible()
    # It follows what comes, and what comes stays unread, too.
    phone.texts(SCHEDULING, "Hello?")
    expect(entry(sam, "Hello?")).to_be_visible(timeout=SOON)
    expect(row_of(ana, phone)).to_contain_text("Hello?", timeout=SOON)
    expect(row_of(ana, phone).get_by_text("Unread:")).to_be_attached()
    # Only who says so takes it from them.
    sam.get_by_role("button", name="Mark as read").click()
    expect(row_of(ana, phone).get_by_text("Unread:")).to_have_count(0, timeout=SOON)


def test_what_is_offered_works_and_the_rest_says_who_does_it(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone = new_phone()
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")
    phone.texts(SCHEDULING, "I think you have the wrong number")
    company.gate_says(SCHEDULING, phone.number, "under_review")
    page = sign_in("sam")
    page.get_by_role("region", name="Needs attention").get_by_role("link", name="may ask us to stop").click()
    page.get_by_role("link", name=phone.number).click()
    expect(page.get_by_text("Compliance officers decide this.")).to_be_visible()
    expect(page.get_by_role("button", name="It was")).to_have_count(0)
    on_reminders = on_line(open_consent(page, phone), "Service reminders")
    on_reminders.get_by_role("button", name="Start conversation").click()
    send(page, "Your yearly check is due.")
    expect(entry(page, "Your yearly check is due.")).to_contain_text("Delivered", timeout=SOON)
    page.get_by_role("button", name="Close conversation").click()
    expect(page.get_by_text("The conversation is closed.")).to_be_visible()
    page.get_by_role("button", name="Reopen conversation").click()
    expect(page.get_by_text("The conversation is open again.")).to_be_visible()


def test_the_reports_are_three_clicks_away(sign_in: Callable[..., Page], new_phone: Callable[[], Phone]) -> None:
    phone = new_phone()
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")
    page = sign_in("sam")
    by_menu(page, "Opt In & Out Snapshot")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV", exact=True).click()
    assert f",{phone.number},Opted in," in download.value.path().read_text()
    by_menu(page, "Double opt-in funnel")
    expect(page.get_by_role("heading", name="By line")).to_be_visible()
    by_menu(page, "Exports")
    expect(page.get_by_role("row").filter(has_text="Opt In & Out Snapshot").first).to_contain_text("Sam Rivera")
