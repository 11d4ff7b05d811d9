"""An agent's day: the unread, asking before texting, what waits, what is refused and why, an opt-out by phone."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import SCHEDULING, SOON, Company, Phone
from tests.browser.ways import (
    by_menu,
    compose,
    entry,
    on_line,
    open_consent,
    open_conversation,
    row_of,
    send,
    text_a_number,
    thread,
)


def opted_in(phone: Phone) -> None:
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")


def an_officer_saves(page: Page, name: str, words: str) -> None:
    by_menu(page, "Saved texts")
    page.get_by_role("link", name="Add saved text").or_(page.locator("a.addlink, a[href$='/add/']")).first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Wording").fill(words)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("row").filter(has_text=name)).to_be_visible()


def test_what_is_unread_is_read_answered_and_closed(
    sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone, officer = new_phone(), sign_in("olivia")
    an_officer_saves(officer, f"On the way to {phone.number}", "{line_name}: we are on our way to you.")
    opted_in(phone)
    phone.texts(SCHEDULING, "When do you come?")
    page = sign_in("ana")
    expect(page.get_by_role("region", name="Unread conversations")).to_contain_text("Contacts wrote and nobody has")
    badge = page.get_by_role("navigation").get_by_role("link", name="Conversations").locator("[data-menu-badge]")
    by_menu(page, "Conversations")
    row = row_of(page, phone)
    expect(row).to_contain_text("When do you come?")
    expect(row.get_by_text("Unread:")).to_be_attached()
    before = int(badge.inner_text())
    row.get_by_role("link").click()
    expect(entry(page, "When do you come?")).to_be_visible()
    # Looking at it is enough.
    expect(badge).to_have_text(str(before - 1) if before > 1 else "", timeout=SOON)
    # The saved text goes where the agent writes, filled, and can be changed.
    compose(page).fill("Hello! ")
    page.get_by_label("Saved text", exact=False).select_option(label=f"On the way to {phone.number}")
    page.get_by_role("button", name="Insert").click()
    expect(compose(page)).to_have_value("Hello! Scheduling: we are on our way to you.")
    expect(compose(page)).to_be_focused()
    expect(page.get_by_text("1 segment (GSM-7)")).to_be_visible()
    page.get_by_role("button", name="Send", exact=True).click()
    phone.gets("Hello! Scheduling: we are on our way to you.")
    expect(entry(page, "we are on our way to you.")).to_contain_text("Ana Lopez")
    page.get_by_role("button", name="Close conversation").click()
    expect(page.get_by_text("The conversation is closed.")).to_be_visible()
    by_menu(page, "Conversations")
    expect(row_of(page, phone)).to_have_count(0)
    page.get_by_label("Show").select_option(label="Closed")
    page.get_by_role("button", name="Find").click()
    expect(row_of(page, phone)).to_be_visible()
    expect(row_of(page, phone).get_by_text("Unread:")).to_have_count(0)


def test_asking_first_and_taking_back_what_waits(sign_in: Callable[..., Page], new_phone: Callable[[], Phone]) -> None:
    phone = new_phone()
    phone.texts(SCHEDULING, "HELP")
    phone.gets("A person helps you")
    page = sign_in("ana")
    dialog = open_consent(page, phone)
    here = on_line(dialog, "Scheduling")
    here.get_by_role("link", name="Ask for consent").click()
    # Without a basis nobody is asked.
    page.get_by_role("button", name="Send the request").click()
    expect(dialog.get_by_text("Choose why they may be asked.")).to_be_visible()
    dialog.get_by_label("Why they may be asked").select_option(label="They agreed by phone")
    page.get_by_role("button", name="Send the request").click()
    expect(dialog.get_by_role("status")).to_have_text("They are being asked on Scheduling.")
    expect(here).to_contain_text("has not answered")
    # As soon as the provider has the request, the dialog says so.
    expect(here).to_contain_text("Opt-in requested", timeout=SOON)
    phone.gets("Ana at Harbor Home Services")
    here.get_by_role("link", name="Open conversation").click()
    expect(thread(page)).to_be_visible()
    send(page, "Your chimney sweep is booked.")
    expect(entry(page, "Your chimney sweep is booked.")).to_contain_text("Held: waiting for their yes")
    send(page, "Please clear the hearth.")
    withdrawn = entry(page, "Please clear the hearth.")
    expect(withdrawn).to_contain_text("Held")
    withdrawn.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("Your text is withdrawn. It will not be sent.")).to_be_visible()
    expect(withdrawn).to_contain_text("Cancelled", timeout=SOON)
    expect(withdrawn.get_by_role("button", name="Withdraw")).to_have_count(0)
    phone.texts(SCHEDULING, "Yes")
    expect(entry(page, "Your chimney sweep is booked.")).to_contain_text("Delivered", timeout=SOON)
    phone.gets("Your chimney sweep is booked.")
    assert "Please clear the hearth." not in " ".join(phone.inbox())


def test_refused_with_the_reason_before_and_after_writing(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone = new_phone()
    opted_in(phone)
    phone.texts(SCHEDULING, "STOP")
    company.gate_says(SCHEDULING, phone.number, "opted_out")
    page = sign_in("ana")
    open_conversation(page, phone)
    outlook = page.locator("p").filter(has=page.get_by_text("Nothing can be sent."))
    expect(outlook).to_contain_text("The contact opted out on")
    expect(outlook).to_contain_text(f"they can text START to {SCHEDULING}")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    # By number it is the same, and who types it in the country's own way is understood.
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="Text a number").click()
    page.get_by_label("From which line").select_option(label=f"Scheduling ({SCHEDULING})")
    page.get_by_label("To which number").fill(f"({phone.number[2:5]}) {phone.number[5:8]}-{phone.number[8:]}")
    expect(page.get_by_text("Nothing can be sent.")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    page.get_by_role("link", name="There is a conversation with them already.").click()
    expect(page.get_by_role("banner").get_by_text("✕ Opted out")).to_be_visible()
    assert len(phone.inbox()) == 2, "one confirmation of each, and nothing else"


def test_refused_while_the_page_still_said_yes(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    """A STOP between the last look and the click: the words stay, and the gate's reason is read out."""
    phone = new_phone()
    opted_in(phone)
    page = sign_in("ana")
    open_conversation(page, phone)
    compose(page).fill("See you at nine.")
    page.route("**/news/**", lambda route: route.abort())
    phone.texts(SCHEDULING, "STOP")
    company.gate_says(SCHEDULING, phone.number, "opted_out")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Not sent. The contact opted out on")).to_be_visible()
    expect(compose(page)).to_have_value("See you at nine.")
    page.unroute("**/news/**")
    expect(entry(page, "See you at nine.")).to_contain_text("Refused", timeout=3 * SOON)


def test_an_opt_out_heard_on_the_phone(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone = new_phone()
    opted_in(phone)
    page = sign_in("ana")
    open_conversation(page, phone)
    page.get_by_role("button", name="Consent on every line").click()
    dialog = page.get_by_role("dialog")
    on_line(dialog, "Scheduling").get_by_role("link", name="Record a revocation").click()
    dialog.get_by_label("How they told us").select_option(label="In a call")
    dialog.get_by_label("What they said").fill("Please no more texts, she said, call me instead.")
    dialog.get_by_role("button", name="Opt them out").click()
    # The organisation's policy makes it valid on both lines of the category.
    expect(dialog.get_by_role("status")).to_contain_text("They are opted out on")
    for line in ("Scheduling", "Customer care"):
        expect(on_line(dialog, line)).to_contain_text("✕ Opted out")
    expect(on_line(dialog, "Service reminders")).to_contain_text("Not Defined")
    dialog.get_by_role("button", name="Close").click()
    expect(page.get_by_role("banner").get_by_text("✕ Opted out")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("Nothing can be sent.")).to_be_visible()
    company.gate_says(SCHEDULING, phone.number, "opted_out")
    assert len(phone.inbox()) == 1, "an opt-out that was not texted is not answered by text"


def test_a_first_text_by_number_on_a_phone_sized_screen(
    sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone, page = new_phone(), sign_in("ana", size="phone")
    page.get_by_role("link", name="Text a number").click()
    page.get_by_label("From which line").select_option(label=f"Scheduling ({SCHEDULING})")
    page.get_by_label("To which number").fill(phone.number)
    expect(page.get_by_text("This will be held, and they are asked first.")).to_be_visible(timeout=SOON)
    send(page, "Hello, this is about your quote.")
    # They never agreed, so the agent says why they may be asked; nothing typed is lost.
    expect(page.get_by_text("Say why you may text them.")).to_be_visible()
    expect(compose(page)).to_have_value("Hello, this is about your quote.")
    page.get_by_label("Why you may text them").select_option(label="Other, in my own words")
    page.get_by_label("In your words").fill("They left a note at our desk.")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(entry(page, "Hello, this is about your quote.")).to_contain_text("Held: waiting for their yes")
    phone.gets("We need your OK first")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, f"the page scrolls sideways: {width}"


def test_a_text_to_nobody_who_agreed_is_held(sign_in: Callable[..., Page], new_phone: Callable[[], Phone]) -> None:
    phone, page = new_phone(), sign_in("ana")
    text_a_number(page, phone, "Your quote is ready.")
    phone.texts(SCHEDULING, "NO")
    expect(entry(page, "Your quote is ready.")).to_contain_text("Cancelled", timeout=SOON)
    expect(page.get_by_role("banner").get_by_text("✕ Opted out")).to_be_visible(timeout=SOON)
    phone.gets("you're out")
    assert "Your quote is ready." not in " ".join(phone.inbox())
