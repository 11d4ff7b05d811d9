"""The consent modal says in plain words where a contact stands on every line, and works by keyboard alone."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SCHEDULING, SOON, Company, Phone
from tests.browser.ways import by_menu, in_list, on_line, open_consent

# As many fields and links as a page may have between here and there.
FAR = 60


def tab_to(page: Page, sought: Locator) -> None:
    for _ in range(FAR):
        if sought.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{sought} can't be reached with Tab")


def test_every_status_in_words(company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]) -> None:
    unknown, requested, agreed, out, doubtful = (new_phone() for _ in range(5))
    unknown.texts(SCHEDULING, "HELP")
    requested.texts(SCHEDULING, "Do you repair gutters?")
    for phone in (agreed, out, doubtful):
        phone.texts(SCHEDULING, "START")
        phone.gets("you're in")
    out.texts(SCHEDULING, "STOP")
    doubtful.texts(SCHEDULING, "I think you have the wrong number")
    unknown.gets("A person helps you")
    company.gate_says(SCHEDULING, requested.number, "consent_pending")
    company.gate_says(SCHEDULING, out.number, "opted_out")
    company.gate_says(SCHEDULING, doubtful.number, "under_review")
    requested.gets("Reply YES to agree")
    page = sign_in("olivia")
    for phone, words in (
        (unknown, ["Not Defined", "Not Sent", "Can I text them now? Not yet.", "They are asked first"]),
        (requested, ["Opt-in requested", "Sent", "Can I text them now? Not yet.", "has not answered"]),
        (agreed, ["Opted in", "Text message", "Express", "Can I text them now? Yes."]),
        (out, ["✕ Opted out", "Can I text them now? No.", "Only they can undo it", "Lift the opt-out"]),
        (doubtful, ["Opted in", "Under review", "10 business days left to decide", "Can I text them now? Not yet."]),
    ):
        dialog = open_consent(page, phone)
        expect(dialog.get_by_role("heading", name=f"Consent: {phone.number}")).to_be_visible()
        here = on_line(dialog, "Scheduling")
        for each in words:
            expect(here).to_contain_text(each)
        # Nothing said there reaches a line of another category.
        expect(on_line(dialog, "Service reminders")).to_contain_text("Not Defined")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("link", name=f"View the consent of {phone.number}")).to_be_focused()


def test_on_the_do_not_contact_list(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone, page = new_phone(), sign_in("olivia")
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")
    by_menu(page, "Do not contact")
    page.get_by_role("link", name="Look up a number").click()
    page.get_by_label("Number").fill(phone.number)
    page.get_by_role("button", name="Look it up").click()
    page.get_by_role("link", name="Put it on the list").click()
    page.get_by_label("Reason").fill("Their lawyer wrote to us.")
    page.get_by_role("button", name="Save", exact=True).click()
    company.gate_says(SCHEDULING, phone.number, "do_not_contact")
    dialog = open_consent(page, phone)
    expect(dialog).to_contain_text("✕ Do not contact. Nothing at all may go to this number, from any line.")
    expect(dialog).to_contain_text("Their lawyer wrote to us.")
    for line in ("Scheduling", "Service reminders", "Customer care"):
        expect(on_line(dialog, line)).to_contain_text("Can I text them now? No.")
    # Its opt-in is still on record there; the list overrules it.
    expect(on_line(dialog, "Scheduling")).to_contain_text("Opted in")


def test_a_revocation_is_recorded_by_keyboard_alone(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone, page = new_phone(), sign_in("ana")
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")
    row = in_list(page, "Contacts", phone.number)
    view = row.get_by_role("link", name="View the consent")
    tab_to(page, view)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Consent:")).to_be_focused()
    # Esc closes it, and the next key goes on where the reader was.
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(view).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("heading", name="Consent:")).to_be_focused()
    tab_to(page, on_line(dialog, "Scheduling").get_by_role("link", name="Record a revocation"))
    page.keyboard.press("Enter")
    words = page.get_by_label("What they said")
    tab_to(page, words)
    # Sent without words, it says so at the field and takes the reader there.
    button = page.get_by_role("button", name="Opt them out")
    tab_to(page, button)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Write it down, in a few words at least.")).to_be_visible()
    expect(words).to_be_focused()
    page.keyboard.type("She called and wants no more texts.")
    tab_to(page, button)
    page.keyboard.press("Enter")
    done = page.get_by_role("status").filter(has_text="They are opted out on")
    expect(done).to_be_focused()
    expect(on_line(dialog, "Scheduling")).to_contain_text("✕ Opted out")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    # The list behind it shows what is true now, and the focus is where it was.
    expect(page.get_by_role("row").filter(has_text=phone.number)).to_contain_text("✕ Opted out", timeout=SOON)
    expect(page.get_by_role("link", name=f"View the consent of {phone.number}")).to_be_focused()
    company.gate_says(SCHEDULING, phone.number, "opted_out")


def test_focus_stays_inside_while_it_is_open(sign_in: Callable[..., Page], new_phone: Callable[[], Phone]) -> None:
    phone, page = new_phone(), sign_in("olivia", size="phone")
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")
    page.goto("/admin/consent/contact/")
    page.get_by_role("link", name=f"View the consent of {phone.number}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("region").first).to_be_visible()
    for _ in range(FAR):
        page.keyboard.press("Tab")
        # The browser's own bars may get the focus in between; the page behind never does.
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, f"the page scrolls sideways: {width}"
