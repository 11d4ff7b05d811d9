"""How people get to a screen: by the menu, a search and a link, as they would."""

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Phone


def by_menu(page: Page, name: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=name).first.click()


def in_list(page: Page, menu: str, sought: str) -> Locator:
    """The one row that the search of the list behind ``menu`` finds."""
    by_menu(page, menu)
    box = page.locator("#toolbar, #changelist-search").get_by_role("textbox").first
    box.fill(sought)
    box.press("Enter")
    row = page.get_by_role("row").filter(has_text=sought)
    expect(row).to_have_count(1)
    return row


def open_consent(page: Page, phone: Phone) -> Locator:
    """The consent modal of this contact, from the list of contacts."""
    in_list(page, "Contacts", phone.number).get_by_role("link", name="View the consent").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("region").first).to_be_visible()
    return dialog


def on_line(dialog: Locator, line: str) -> Locator:
    """What the consent modal says of one line."""
    return dialog.get_by_role("region", name=line)


def row_of(page: Page, phone: Phone) -> Locator:
    """The contact's conversations in the inbox."""
    return page.get_by_role("list", name="Conversations").get_by_role("listitem").filter(has_text=phone.number)


def open_conversation(page: Page, phone: Phone) -> None:
    by_menu(page, "Conversations")
    row_of(page, phone).get_by_role("link").click()
    expect(thread(page)).to_be_visible()


def thread(page: Page) -> Locator:
    return page.get_by_role("log", name="Texts and notices")


def entry(page: Page, words: str) -> Locator:
    """What the thread shows of the text with these words."""
    return thread(page).get_by_role("listitem").filter(has_text=words)


def compose(page: Page) -> Locator:
    return page.get_by_label("Your text")


def send(page: Page, words: str) -> None:
    compose(page).fill(words)
    page.get_by_role("button", name="Send", exact=True).click()


def text_a_number(page: Page, phone: Phone, words: str) -> None:
    """A new conversation on Scheduling with somebody who never agreed: the agent says on what basis."""
    by_menu(page, "Conversations")
    page.get_by_role("link", name="New conversation").click()
    page.get_by_label("From which line").select_option(label="Scheduling (+12065550100)")
    page.get_by_label("To which number").fill(phone.number)
    page.get_by_label("Why you may text them").select_option(label="They asked us to text them")
    send(page, words)
    expect(thread(page)).to_be_visible()
