"""An open thread asks for news every two seconds: cheap where there are none, complete where there are."""

from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from consent import ledger
from consent.ledger import Proof
from consent.models import Consent, Contact, Line, User
from messaging import outbound
from messaging.models import Conversation, Message, Notice, Receipt
from tests.make import (
    JANE,
    OMAR,
    make_agent,
    make_contact,
    make_integrator,
    make_line,
    make_officer,
    make_opted_in,
)
from tests.world import Clock, Phone, callback, say, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def ann(line: Line, client: Client) -> User:
    user = make_agent(line, name="ann")
    client.force_login(user)
    return user


@pytest.fixture
def conversation(jane: Phone, ann: User, line: Line) -> Conversation:
    """Jane, who agreed, has written and was answered."""
    make_opted_in(line)
    jane.texts(line, "Is it ready?")
    write(ann, line, "Yes, it is")
    return Conversation.objects.get()


def address(conversation: Conversation) -> str:
    return reverse("admin:messaging_conversation_news", args=[conversation.pk])


class Watcher:
    """An open page."""

    def __init__(self, client: Client, conversation: Conversation) -> None:
        self.client, self.address, self.tag = client, address(conversation), ""

    def news(self) -> dict[str, Any] | None:
        answer = self.ask()
        if answer.status_code == 304:
            assert answer.content == b""
            return None
        assert answer.status_code == 200
        self.tag = answer["ETag"]
        return answer.json()  # type: ignore[no-any-return, attr-defined]

    def ask(self) -> HttpResponse:
        return self.client.get(self.address, headers={"If-None-Match": self.tag} if self.tag else {})  # type: ignore[return-value]


@pytest.fixture
def watcher(client: Client, conversation: Conversation) -> Watcher:
    found = Watcher(client, conversation)
    assert found.news()
    assert found.news() is None
    return found


def test_the_page_names_the_version_that_it_shows(client: Client, conversation: Conversation) -> None:
    page = client.get(reverse("admin:messaging_conversation_change", args=[conversation.pk]))
    tag = page.context_data["tag"]  # type: ignore[attr-defined]
    assert client.get(address(conversation), headers={"If-None-Match": tag}).status_code == 304


def test_a_text_appears(watcher: Watcher, jane: Phone, line: Line) -> None:
    jane.texts(line, "Wonderful")
    news = watcher.news()
    assert news and "Wonderful" in news["parts"]["entries"]
    assert watcher.news() is None


def test_a_state_changes(watcher: Watcher) -> None:
    callback(Message.objects.get(body="Yes, it is"), "delivered")
    news = watcher.news()
    assert news and "Delivered" in news["parts"]["entries"]


def test_only_what_changed_has_a_new_version(watcher: Watcher, client: Client, conversation: Conversation) -> None:
    """By its versions the page knows what to leave alone."""

    def versions() -> dict[str, str]:
        page = client.get(reverse("admin:messaging_conversation_change", args=[conversation.pk]))
        return {item["id"]: item["version"] for item in page.context_data["entries"]}  # type: ignore[attr-defined]

    before = versions()
    text = Message.objects.get(body="Yes, it is")
    callback(text, "delivered")
    after = versions()
    assert {name for name in before if before[name] != after[name]} == {f"text-{text.uuid}"}


def test_a_stop_changes_thread_panel_and_box(watcher: Watcher, jane: Phone, line: Line) -> None:
    jane.texts(line, "STOP")
    news = watcher.news()
    assert news
    assert "opted out" in news["parts"]["entries"]
    assert "✕ Opted out" in news["parts"]["panel"] and "✕ Opted out" in news["parts"]["standing"]
    assert "Nothing can be sent." in news["parts"]["outlook"]
    assert (news["refused"], news["asks_first"], news["verdict"]) == (True, False, "refuse")
    jane.texts(line, "START")
    news = watcher.news()
    assert news and (news["refused"], news["verdict"]) == (False, "send")


def test_everything_else_that_is_shown_counts_too(
    watcher: Watcher, jane: Phone, ann: User, line: Line, conversation: Conversation, clock: Clock
) -> None:
    contact = Contact.objects.get(number=JANE)

    def bar() -> None:
        ledger.add_do_not_contact(Contact.objects.lock(JANE), Proof("agent", {"reason": "asked"}), reason="asked")

    def close() -> None:
        Conversation.objects.update(is_open=False)

    def block() -> None:
        ledger.set_blocked_at_provider(Contact.objects.lock(JANE), line, True)

    def unread_elsewhere() -> None:
        make_opted_in(line, OMAR)
        say(OMAR, line, "Hello")

    def unsettled() -> None:
        Receipt.objects.create(kind="inbound", provider_id="1", number=JANE, raw=b"", received_at=timezone.now())

    changes = [
        unread_elsewhere,
        lambda: jane.texts(line, "wrong number"),
        lambda: Line.objects.update(active=False),
        lambda: Line.objects.update(active=True),
        block,
        close,
        unsettled,
        bar,
    ]
    for change in changes:
        change()
        assert watcher.news(), change
        assert watcher.news() is None
    assert contact.pk == conversation.contact_id


def test_read_by_somebody_else(watcher: Watcher, jane: Phone, line: Line, conversation: Conversation) -> None:
    jane.texts(line, "Wonderful")
    news = watcher.news()
    assert news and news["seen"] and news["unread"] == "1"
    Conversation.objects.update(unread_since=None)
    news = watcher.news()
    assert news and (news["seen"], news["unread"]) == ("", "")


def test_asking_changes_nothing(watcher: Watcher, client: Client, conversation: Conversation) -> None:
    tables = (Consent, Conversation, Message, Notice, Receipt)
    before = [list(each.objects.order_by("pk").values()) for each in tables]
    watcher.tag = ""
    assert watcher.news()
    assert [list(each.objects.order_by("pk").values()) for each in tables] == before
    assert client.post(address(conversation)).status_code == 405
    answer = watcher.ask()
    assert "no-store" in answer["Cache-Control"]


def test_it_is_for_those_who_may_see_the_conversation(conversation: Conversation, line: Line) -> None:
    for user, expected in (
        (make_officer(), 200),
        (make_agent(line), 200),
        (make_agent(make_line("+12065550101")), 404),
        (make_integrator(line), 403),
    ):
        client = Client()
        client.force_login(user)
        assert client.get(address(conversation)).status_code == expected
    assert Client().get(address(conversation)).status_code == 302


def test_a_role_that_may_only_look_is_told_no_verdict(conversation: Conversation, ann: User, client: Client) -> None:
    group = ann.groups.get()
    group.permissions.remove(*group.permissions.filter(codename__in=["send_text", "check_consent"]))
    news = Watcher(client, conversation).news()
    assert news and news["verdict"] == ""
    assert "Withdraw" not in news["parts"]["entries"]
    page = client.get(reverse("admin:messaging_conversation_change", args=[conversation.pk])).content.decode()
    assert "<textarea" not in page


def test_asking_costs_the_same_however_long_the_thread_is(
    watcher: Watcher, jane: Phone, ann: User, line: Line, conversation: Conversation
) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            watcher.news()
        return len(queries)

    cost()
    unchanged = cost()
    assert unchanged <= 18
    others = [make_agent(line, name=f"agent{serial}") for serial in range(5)]
    for other in others:
        outbound.submit(line=line, to=JANE, body="Hello", author=other)
        jane.texts(line, "Hi")
    assert cost() <= unchanged
    for number in ("+14255550001", "+14255550002"):
        Conversation.objects.create(contact=make_contact(number), line=line, unread_since=timezone.now())
    assert cost() <= unchanged
    jane.texts(line, "STOP")
    assert cost() <= unchanged + 3, "how they opted out, and what they were told since"
