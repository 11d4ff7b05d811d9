"""A thread: what is in it for whom, page by page, and what each entry says."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent import ledger, roles
from consent.models import Contact, Line, Organisation, User
from messaging import outbound, outcomes, thread
from messaging.admin.conversation import pages
from messaging.models import Conversation, Message, Notice, TemplateVersion
from messaging.thread import Place
from messaging.wordings import Kind
from tests.fake_provider import FakeProvider
from tests.make import JANE, ago, make_agent, make_contact, make_line, make_officer, make_opted_in, make_user
from tests.world import Clock, Phone, callback, say, text_in, work, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def ann(line: Line, client: Client) -> User:
    user = make_user(roles.AGENT, line, name="ann", first_name="Ann", last_name="Lee", shown_name="Ann")
    client.force_login(user)
    return user


def page(client: Client, query: str = "") -> dict[str, Any]:
    """What the page of the only conversation shows."""
    answer = client.get(reverse("admin:messaging_conversation_change", args=[Conversation.objects.get().pk]) + query)
    assert answer.status_code == 200
    return answer.context_data  # type: ignore[attr-defined]


def html(client: Client) -> str:
    address = reverse("admin:messaging_conversation_change", args=[Conversation.objects.get().pk])
    return client.get(address).content.decode()


def states(client: Client) -> dict[str, str]:
    """What is said to have become of each text, by its words."""
    return {item["words"]: item["state"] for item in page(client)["entries"] if item["kind"] == "text"}


def entry(client: Client, words: str) -> dict[str, Any]:
    return next(item for item in page(client)["entries"] if item["words"] == words)


# ---- in order, page by page -----------------------------------------------------------------------------------------


def fill(line: Line, texts: int, notices: int, *, same_moment: bool) -> Conversation:
    conversation = Conversation.objects.create(contact=make_contact(), line=line)
    version = TemplateVersion.objects.get(template__kind=Kind.NOTICE_ASKED, template__line=None)
    start = ago(hours=1)
    for serial in range(max(texts, notices)):
        at = start if same_moment else start + dt.timedelta(seconds=serial // 2)
        if serial < texts:
            Message.objects.create(
                conversation=conversation, direction="in", body=f"text {serial}", status="received", created=at
            )
        if serial < notices:
            Notice.objects.create(
                conversation=conversation, kind="notice_asked", text=f"notice {serial}", wording=version, created=at
            )
    return conversation


@pytest.mark.parametrize("same_moment", [True, False])
def test_pages_hold_each_entry_once_and_in_order(ann: User, line: Line, same_moment: bool) -> None:
    conversation = fill(line, 11, 7, same_moment=same_moment)
    whole = thread.entries(conversation, ann)
    found: list[thread.Entry] = []
    before = None
    while part := thread.entries(conversation, ann, newest=4, before=before):
        assert len(part) <= 4
        found = [*part, *found]
        before = Place.read(str(Place.of(part[0])))
        assert before
    assert found == whole
    assert len(whole) == 18


def test_a_long_thread_shows_its_end_and_the_way_back(ann: User, line: Line, client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(pages, "PAGE", 4)
    fill(line, 10, 0, same_moment=False)
    seen, query = [], ""
    for _ in range(3):
        shown = page(client, query)
        seen = [item["words"] for item in shown["entries"] if item["kind"] == "text"] + seen
        query = f"?before={shown['older'].replace('+', '%2B')}"
    assert seen == [f"text {serial}" for serial in range(10)]
    assert shown["older"] == ""
    assert shown["news"] == "", "an older page is not kept up to date"


@pytest.mark.parametrize("before", ["", "x", "2026~1~1", "2026-01-01T00:00:00~0~1", f"2026-01-01T00:00:00Z~0~{2**64}"])
def test_an_odd_place_in_the_address_is_the_end(ann: User, line: Line, client: Client, before: str) -> None:
    fill(line, 2, 0, same_moment=False)
    assert len(page(client, f"?before={before}")["entries"]) == 3


def test_days_are_told_apart(ann: User, line: Line, client: Client) -> None:
    fill(line, 3, 0, same_moment=False)
    now = timezone.now()
    for text, days in zip(Message.objects.order_by("pk"), (400, 1, 0), strict=True):
        Message.objects.filter(pk=text.pk).update(created=now - dt.timedelta(days=days))
    said = [item["words"] for item in page(client)["entries"] if item["kind"] == "day"]
    assert said[1:] == ["Yesterday", "Today"]
    assert said[0].endswith(str((now - dt.timedelta(days=400)).year))


# ---- what became of our texts ---------------------------------------------------------------------------------------


def test_a_text_from_held_to_delivered(jane: Phone, ann: User, line: Line, client: Client) -> None:
    text = outbound.submit(line=line, to=JANE, body="Hello", author=ann)
    assert states(client)["Hello"] == "Held: waiting for their yes"
    work()
    jane.texts(line, "YES")
    assert states(client)["Hello"] == "Sent"
    assert entry(client, "Hello")["footer"] == "Reply STOP to opt out."
    text.refresh_from_db()
    callback(text, "delivered")
    assert states(client)["Hello"] == "Delivered"
    assert entry(client, "Hello")["by"] == "Ann Lee"


@pytest.mark.parametrize("status", ["failed", "undelivered"])
def test_a_text_that_was_not_delivered(jane: Phone, ann: User, line: Line, client: Client, status: str) -> None:
    make_opted_in(line)
    callback(write(ann, line, "Hello"), status, "30005")
    assert states(client)["Hello"] == "Not delivered"
    assert "30005" in entry(client, "Hello")["why"]


def test_a_text_that_is_refused_says_why(jane: Phone, ann: User, line: Line, client: Client) -> None:
    jane.texts(line, "STOP")
    write(ann, line, "Hello")
    assert states(client)["Hello"] == "Refused"
    assert "they texted STOP" in entry(client, "Hello")["why"]


def test_texts_that_wait_leave_or_are_lost(jane: Phone, ann: User, line: Line, client: Client) -> None:
    make_opted_in(line)
    text = outbound.submit(line=line, to=JANE, body="Hello", author=ann)
    assert states(client)["Hello"] == "On its way"
    mine = Message.objects.filter(pk=text.pk)
    mine.update(status="sending")
    assert states(client)["Hello"] == "Sending"
    mine.update(status="unknown", reason="unknown", reason_text=outcomes.UNKNOWN_FATE)
    assert states(client)["Hello"].startswith("Unknown")
    assert entry(client, "Hello")["why"] == "It may have left. It is not sent again."
    mine.update(status="deferred", reason="quiet_hours", not_before=timezone.now() + dt.timedelta(days=1))
    assert states(client)["Hello"] == "Deferred until 2 December 2026, 12:00"
    mine.update(status="deferred", not_before=None)
    assert states(client)["Hello"] == "Deferred"
    mine.update(status="queued", not_before=timezone.now() + dt.timedelta(minutes=1))
    assert states(client)["Hello"] == "On its way, tried again at 12:01"


def test_a_text_under_review_and_one_of_long_ago(
    jane: Phone, ann: User, line: Line, client: Client, clock: Clock
) -> None:
    make_opted_in(line)
    jane.texts(line, "wrong number")
    write(ann, line, "Hello")
    assert states(client)["Hello"] == "Held: under review"
    clock.passes(days=2)
    jane.texts(line, "START")
    assert states(client)["Hello"] == "Held: waiting for your word"
    mine = entry(client, "Hello")
    assert (mine["may_confirm"], mine["may_withdraw"]) == (True, True)
    client.force_login(make_officer())
    theirs = entry(client, "Hello")
    assert theirs["state"] == "Held: waiting for the word of Ann Lee"
    assert (theirs["may_confirm"], theirs["may_withdraw"]) == (False, False)


def test_marks(jane: Phone, ann: User, line: Line, client: Client, clock: Clock) -> None:
    text_in(JANE, line, "two pictures", NumMedia="2")
    work()
    assert "two pictures" not in states(client)
    jane.texts(line, "YES")
    assert entry(client, "two pictures")["marks"] == [
        "held back until they agreed",
        "with 2 attachments, not kept here",
    ]
    outbound.withdraw(outbound.submit(line=line, to=JANE, body="Never mind", author=ann), ann)
    assert states(client)["Never mind"] == "Cancelled"
    assert entry(client, "Never mind")["why"] == "Withdrawn by its author."


def test_what_was_written_while_opted_out_is_marked(jane: Phone, ann: User, client: Client) -> None:
    told = make_line("+12065550101", mode="disclaimer")
    ann.lines.add(told)
    jane.texts(told, "STOP")
    jane.texts(told, "one more thing")
    assert entry(client, "one more thing")["marks"] == ["written while opted out"]


def test_automatic_texts_say_so(jane: Phone, ann: User, line: Line, client: Client) -> None:
    write(ann, line, "Hello")
    request = next(item for item in page(client)["entries"] if item.get("automatic"))
    assert request["by"] == "Opt-in request, automatic"
    assert not request["may_withdraw"]
    assert any(item["words"].startswith("Automatic notice:") for item in page(client)["entries"])


# ---- who sees what --------------------------------------------------------------------------------------------------


def test_held_back_texts_and_keywords_are_not_for_agents(jane: Phone, ann: User, line: Line, client: Client) -> None:
    jane.texts(line, "meet me at the fountain")
    jane.texts(line, "STOP")
    assert not {"STOP", "Held back until the contact agrees."} & set(states(client))
    client.force_login(make_officer())
    assert states(client)["STOP"] == "Keyword: opt out"
    hidden = entry(client, "Held back until the contact agrees.")
    assert (hidden["state"], hidden["hidden"]) == ("Held back", True)
    text = Message.objects.get(status="held_back")
    assert hidden["read"] == reverse("admin:messaging_heldbackread_read", args=[text.pk])
    assert "fountain" not in html(client)


# ---- where the contact stands ---------------------------------------------------------------------------------------


def test_the_panel_follows_the_contact(jane: Phone, ann: User, line: Line, client: Client) -> None:
    write(ann, line)
    shown = page(client)
    assert shown["panel"]["status"] == "pending"
    assert dict(shown["panel"]["facts"])["Opt-in request"] == "Sent"
    assert shown["verdict"]["answer"] == "Not yet."
    jane.texts(line, "YES")
    shown = page(client)
    assert (shown["verdict"]["answer"], shown["verdict"]["forecast"]) == ("Yes.", "This will be sent.")
    assert dict(shown["panel"]["facts"]) == {
        "Opt-in request": "Accepted",
        "Since": "12:00",
        "Source": "Text message",
        "Level": "Express",
    }
    jane.texts(line, "STOP")
    assert "✕ Opted out" in html(client)
    shown = page(client)
    assert shown["verdict"]["answer"] == "No."
    assert "they texted STOP" in shown["verdict"]["text"] and "text START" in shown["verdict"]["text"]


def test_under_review_with_the_days_that_are_left(
    jane: Phone, ann: User, line: Line, client: Client, clock: Clock
) -> None:
    make_opted_in(line)
    jane.texts(line, "wrong number")
    assert page(client)["panel"]["review"].startswith("Under review, 10 business days left.")
    assert "opted out on Tuesday, 15 December 2026" in page(client)["panel"]["review"]
    clock.passes(days=13)
    assert page(client)["panel"]["review"].startswith("Under review, 1 business day left.")


def test_blocked_at_the_provider(jane: Phone, ann: User, line: Line, client: Client) -> None:
    make_opted_in(line)
    Conversation.objects.create(contact=Contact.objects.get(), line=line)
    ledger.set_blocked_at_provider(Contact.objects.lock(JANE), line, True)
    shown = page(client)
    assert shown["panel"]["blocked"] == f"Opted in, blocked at the provider until they text START to {line.number}."
    assert shown["verdict"]["refused"]


def test_a_disclaimer_is_announced(jane: Phone, ann: User, client: Client) -> None:
    told = make_line("+12065550101", mode="disclaimer")
    ann.lines.add(told)
    Conversation.objects.create(contact=make_contact(), line=told)
    assert page(client)["verdict"]["first"].startswith("A disclaimer goes before it")
    write(ann, told)
    assert page(client)["verdict"]["first"] == ""


# ---- hostile input, hidden numbers ----------------------------------------------------------------------------------


def test_words_and_names_are_never_markup(jane: Phone, ann: User, line: Line, client: Client) -> None:
    hostile = "<script>alert(1)</script>\u202e" + "w" * 500
    make_contact(JANE, first_name="<img src=x onerror=alert(1)>", last_name="</h2>")
    User.objects.filter(pk=ann.pk).update(first_name="<b>Ann")
    make_opted_in(line)
    jane.texts(line, hostile)
    write(ann, line, hostile)
    for content in (html(client), client.get(news()).json()["parts"]["entries"]):
        assert "<script>alert" not in content and "<img src=x" not in content and "<b>Ann" not in content
        assert content.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
        assert '<p class="thread-words" dir="auto">&lt;script' in content


def test_hidden_numbers_stay_hidden(jane: Phone, ann: User, line: Line, client: Client) -> None:
    Organisation.objects.update(mask_numbers=True)
    write(ann, line)
    for content in (html(client), client.get(news()).content.decode()):
        assert JANE not in content and JANE[1:] not in content
    assert "•••• 0142" in html(client)


def news() -> str:
    return reverse("admin:messaging_conversation_news", args=[Conversation.objects.get().pk])


def test_who_is_not_of_the_line_finds_nothing(provider: FakeProvider, ann: User, line: Line, client: Client) -> None:
    make_opted_in(line)
    say(JANE, line, "Hello")
    conversation = Conversation.objects.get()
    client.force_login(make_agent(make_line("+12065550101")))
    assert client.get(reverse("admin:messaging_conversation_change", args=[conversation.pk])).status_code == 404
    assert client.get(news()).status_code == 404
