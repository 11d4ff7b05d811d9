"""Texting from the admin: the gate's sentence, one text per form, verbs by POST alone."""

import uuid
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from consent import ledger
from consent.ledger import Authority, Proof
from consent.models import Line, User
from messaging import outbound
from messaging.models import Conversation, Message
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, ago, make_agent, make_contact, make_line, make_officer
from tests.world import say, standing, work

pytestmark = pytest.mark.django_db
VERBS = ["send", "insert", "preview", "withdraw", "confirm", "read", "close", "reopen"]


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def ann(line: Line, client: Client) -> User:
    user = make_agent(line, name="ann")
    client.force_login(user)
    return user


@pytest.fixture
def conversation(provider: FakeProvider, ann: User, line: Line) -> Conversation:
    """Jane has agreed."""
    contact = make_contact(JANE)
    ledger.opt_in(
        contact, line, Proof("keyword", {}), occurred_at=ago(hours=1), level="express", authority=Authority.CONTACT
    )
    return Conversation.objects.create(contact=contact, line=line)


def verb(conversation: Conversation, name: str) -> str:
    return reverse(f"admin:messaging_conversation_{name}", args=[conversation.pk])


def page(conversation: Conversation) -> str:
    return reverse("admin:messaging_conversation_change", args=[conversation.pk])


def said(answer: HttpResponse) -> str:
    """What the user was told."""
    return " ".join(map(str, get_messages(answer.wsgi_request)))  # type: ignore[attr-defined]


def compose(body: str) -> dict[str, Any]:
    return {"body": body, "key": uuid.uuid4()}


def test_a_text_leaves(conversation: Conversation, client: Client, provider: FakeProvider, line: Line) -> None:
    answer = client.post(verb(conversation, "send"), compose("First line\r\nsecond line"))
    assert answer.status_code == 302
    assert "on its way" in said(answer)
    work()
    assert provider.to(JANE)[-1].startswith("First line\nsecond line")
    assert "second line" in client.get(page(conversation)).content.decode()


def test_the_gate_says_why_a_text_does_not_leave(conversation: Conversation, client: Client, line: Line) -> None:
    say(JANE, line, "STOP")
    shown = client.get(page(conversation)).content.decode()
    assert "✕ Opted out" in shown
    assert "Only they can undo it" in shown
    answer = client.post(verb(conversation, "send"), compose("Please come back"))
    assert said(answer).startswith("Not sent. The contact opted out on")
    assert Message.objects.latest("pk").status == "refused"


def test_a_form_sent_twice_is_one_text(conversation: Conversation, client: Client) -> None:
    form = compose("Only once")
    for _ in range(2):
        answer = client.post(verb(conversation, "send"), form)
        assert answer.status_code == 302
    assert "not sent twice" in said(answer)
    assert Message.objects.filter(body="Only once").count() == 1


def test_an_empty_text_is_refused_and_a_long_one_kept_to_be_shortened(
    conversation: Conversation, client: Client
) -> None:
    before = Message.objects.count()
    assert "Write what is to be sent" in client.post(verb(conversation, "send"), compose("  ")).content.decode()
    answer = client.post(verb(conversation, "send"), compose("x" * 1601))
    assert answer.status_code == 200
    assert "x" * 1601 in answer.content.decode()
    assert Message.objects.count() == before


def test_the_author_withdraws_a_waiting_text(provider: FakeProvider, ann: User, line: Line, client: Client) -> None:
    held = outbound.submit(line=line, to=JANE, body="Hello Jane", author=ann)
    answer = client.post(verb(held.conversation, "withdraw"), {"text": held.uuid})
    assert "withdrawn" in said(answer)
    held.refresh_from_db()
    assert held.status == "cancelled"
    assert "too late" in said(client.post(verb(held.conversation, "withdraw"), {"text": held.uuid}))


def test_nobody_else_withdraws_it(provider: FakeProvider, ann: User, line: Line, client: Client) -> None:
    held = outbound.submit(line=line, to=JANE, body="Hello Jane", author=ann)
    assert "Withdraw</button>" in client.get(page(held.conversation)).content.decode()
    client.force_login(make_officer())
    assert "Withdraw</button>" not in client.get(page(held.conversation)).content.decode()
    assert "Only its author" in said(client.post(verb(held.conversation, "withdraw"), {"text": held.uuid}))
    held.refresh_from_db()
    assert held.status == "held"


def test_a_text_of_another_conversation_is_not_found(
    conversation: Conversation, ann: User, line: Line, client: Client
) -> None:
    other = outbound.submit(line=line, to=OMAR, body="Hello Omar", author=ann)
    assert client.post(verb(conversation, "withdraw"), {"text": other.uuid}).status_code == 404
    assert client.post(verb(conversation, "withdraw"), {"text": "nonsense"}).status_code == 404


def test_close_and_reopen(conversation: Conversation, client: Client) -> None:
    for name, is_open in (("close", False), ("reopen", True)):
        client.post(verb(conversation, name))
        conversation.refresh_from_db()
        assert conversation.is_open is is_open


def test_a_first_text_to_a_number(provider: FakeProvider, ann: User, line: Line, client: Client) -> None:
    address = reverse("admin:messaging_conversation_add")
    fields = {**compose("Hello Omar"), "line": line.pk, "to": "+1 (206) 555-0143", "basis": "asked us to"}
    answer = client.post(address, fields)
    started = Conversation.objects.get(contact__number=OMAR)
    assert answer["Location"].startswith(page(started))
    assert said(answer).startswith("Held.")
    work()
    assert standing(line, OMAR) == ("pending", "sent")


def test_a_first_text_needs_a_usable_line_and_a_number(
    provider: FakeProvider, ann: User, line: Line, client: Client
) -> None:
    address = reverse("admin:messaging_conversation_add")
    other = make_line("+12065550101")
    wrong = [
        {"line": other.pk, "to": JANE},
        {"line": line.pk, "to": "0143"},
        {"line": line.pk, "to": line.number},
    ]
    for fields in wrong:
        answer = client.post(address, {**compose("Hello"), **fields})
        assert answer.status_code == 200
        assert answer.context_data["form"].errors, fields  # type: ignore[attr-defined]
    assert not Message.objects.exists()


def test_verbs_refuse_get_strangers_roles_without_the_right_and_forged_forms(
    conversation: Conversation, client: Client, ann: User
) -> None:
    before = list(Message.objects.values()), list(Conversation.objects.values())
    for name in VERBS:
        assert client.get(verb(conversation, name)).status_code == 405, name
        assert Client().post(verb(conversation, name))["Location"].startswith("/admin/login/")
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(ann)
    ann.groups.first().permissions.remove(  # type: ignore[union-attr]
        *ann.groups.first().permissions.filter(codename__in=["send_text", "change_conversation"])  # type: ignore[union-attr]
    )
    powerless = Client()
    powerless.force_login(User.objects.get(pk=ann.pk))
    for name in VERBS:
        assert forged.post(verb(conversation, name), compose("Hello")).status_code == 403, name
        assert powerless.post(verb(conversation, name), compose("Hello")).status_code == 403, name
    assert powerless.get(reverse("admin:messaging_conversation_add")).status_code == 403
    assert (list(Message.objects.values()), list(Conversation.objects.values())) == before


def test_the_page_itself_takes_no_post(conversation: Conversation, client: Client) -> None:
    assert client.post(page(conversation), compose("Hello")).status_code == 405
