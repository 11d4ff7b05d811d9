"""An open conversation follows what happens on the contact's phone, without a reload and without taking words away."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import SCHEDULING, SOON, Company, Phone
from tests.browser.ways import compose, entry, open_conversation, send, text_a_number, thread


def mark_the_page(page: Page) -> None:
    """So that a reload would be noticed."""
    page.evaluate("document.body.dataset.sameAsBefore = 'yes'")


def is_still_the_same(page: Page) -> None:
    assert page.evaluate("document.body.dataset.sameAsBefore") == "yes", "the page was loaded again"


def test_yes_releases_what_was_held_while_the_agent_types(
    sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone, page = new_phone(), sign_in("ana")
    text_a_number(page, phone, "Your new boiler has come.")
    held = entry(page, "Your new boiler has come.")
    expect(held).to_contain_text("Held: waiting for their yes")
    phone.gets("We need your OK first")
    assert "Your new boiler has come." not in " ".join(phone.inbox())
    mark_the_page(page)
    compose(page).press_sequentially("Shall we fit it ")
    phone.texts(SCHEDULING, "YES")
    expect(held).to_contain_text("Delivered", timeout=SOON)
    expect(held).not_to_contain_text("Held")
    expect(page.get_by_role("banner").get_by_text("Opted in")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("This will be sent.")).to_be_visible(timeout=SOON)
    expect(entry(page, "opted in. You can text them now.")).to_be_visible()
    # Nothing that was being written was touched: not the words, not the place.
    expect(compose(page)).to_be_focused()
    page.keyboard.type("on Friday?")
    expect(compose(page)).to_have_value("Shall we fit it on Friday?")
    is_still_the_same(page)
    phone.gets("Your new boiler has come.")
    page.keyboard.press("Control+Enter")
    phone.gets("Shall we fit it on Friday?")
    expect(entry(page, "Shall we fit it on Friday?")).to_contain_text("Delivered", timeout=SOON)
    expect(compose(page)).to_have_value("")


def test_stop_shows_at_once_and_compose_says_why_not(
    sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone, page = new_phone(), sign_in("ana")
    phone.texts(SCHEDULING, "START")
    phone.gets("you're in")
    open_conversation(page, phone)
    expect(page.get_by_text("This will be sent.")).to_be_visible()
    send(page, "The plumber is on his way.")
    expect(entry(page, "The plumber is on his way.")).to_contain_text("Delivered", timeout=SOON)
    mark_the_page(page)
    compose(page).press_sequentially("He will be there at")
    phone.texts(SCHEDULING, "Thank you!")
    expect(entry(page, "Thank you!")).to_be_visible(timeout=SOON)
    phone.texts(SCHEDULING, "STOP")
    expect(page.get_by_role("banner").get_by_text("✕ Opted out")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("complementary", name="The contact").get_by_text("✕ Opted out")).to_be_visible()
    outlook = page.get_by_text("Nothing can be sent.")
    expect(outlook).to_be_visible()
    expect(page.locator("p").filter(has=outlook)).to_contain_text("Only they can undo it: they can text START")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    expect(compose(page)).to_have_value("He will be there at")
    expect(thread(page).get_by_text("opted out", exact=False).first).to_be_visible()
    is_still_the_same(page)
    # And back again, as soon as they come back.
    phone.texts(SCHEDULING, "START")
    expect(page.get_by_role("banner").get_by_text("Opted in")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled(timeout=SOON)
    expect(compose(page)).to_have_value("He will be there at")
    expect(compose(page)).to_be_editable()


def test_the_inbox_brings_up_who_wrote(
    company: Company, sign_in: Callable[..., Page], new_phone: Callable[[], Phone]
) -> None:
    phone, page = new_phone(), sign_in("ana")
    page.get_by_role("navigation").get_by_role("link", name="Conversations").first.click()
    mark_the_page(page)
    phone.texts(SCHEDULING, "START")
    first = page.get_by_role("list", name="Conversations").get_by_role("listitem").filter(has_text=phone.number)
    phone.texts(SCHEDULING, "Can you come today?")
    expect(first).to_contain_text("Can you come today?", timeout=SOON)
    expect(first.get_by_text("Unread:")).to_be_attached()
    is_still_the_same(page)
