"""A contact's story on their page: everything across all lines, newest first, as each role may see it."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from consent import ledger
from consent.ledger import Proof
from consent.models import Contact, LedgerEntry, Line, Organisation, User
from messaging.models import Conversation, Message, Notice, TemplateVersion
from messaging.wordings import Kind
from tests.fake_provider import FakeProvider
from tests.make import JANE, ago, make_agent, make_contact, make_line, make_officer, make_supervisor
from tests.world import say, write

pytestmark = pytest.mark.django_db
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def line(provider: FakeProvider) -> Line:
    return make_line(name="Sales")


@pytest.fixture
def other(provider: FakeProvider) -> Line:
    return make_line("+12065550101", name="Billing", category="informational")


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line, name="ann")


def page(number: str = JANE) -> str:
    return reverse("admin:consent_contact_change", args=[Contact.objects.get(number=number).pk])


def seen(client: Client, **query: str) -> dict[str, Any]:
    return client.get(page(), query).context_data["timeline"]  # type: ignore[attr-defined]


def html(client: Client, **query: str) -> str:
    """The section alone: the rest of the page has its own tests."""
    content = client.get(page(), query).content.decode()
    return content[content.index('id="timeline"') :]


def kinds(timeline: dict[str, Any]) -> list[str]:
    return [item["kind"] for item in timeline["items"]]


def fill(contact: Contact, line: Line, count: int) -> None:
    """``count`` texts, notices and entries each, one a minute."""
    conversation = Conversation.objects.between(contact, line)
    version = TemplateVersion.objects.filter(template__kind=Kind.NOTICE_ASKED)[0]
    start = timezone.now() - dt.timedelta(days=30)
    for serial in range(count):
        at = start + dt.timedelta(minutes=serial)
        Message.objects.create(
            conversation=conversation,
            direction="out",
            purpose="ordinary",
            body=f"no. {serial}",
            status="sent",
            created=at,
        )
        Notice.objects.create(conversation=conversation, kind=Kind.NOTICE_ASKED, text="x", wording=version, created=at)
        ledger.set_blocked_at_provider(contact, line, bool(serial % 2))
        ledger.open_review(contact, line, Proof("keyword", {"text": str(serial)}, rule="keyword:STOP"), at=at)
        ledger.close_review(contact, line, Proof("keyword", {"text": str(serial)}, rule="keyword:STOP"), at=at)


def test_texts_notices_and_changes_of_consent_are_one_story(ann: User, line: Line, client: Client) -> None:
    write(ann, line, body="Your order is ready")
    say(JANE, line, "YES")
    say(JANE, line, "Thank you")
    client.force_login(make_officer())
    items = seen(client)["items"]
    times = [item["moment"] for item in items]
    assert times == sorted(times, reverse=True)
    assert items[0]["words"] == "Thank you"
    content = html(client)
    for words in (
        "Your order is ready",
        "The whole text is YES, which answers an opt-in request.",
        "Opt-in request, automatic",
        "Asked for by ann",
        "Accepted on",
        "Opt-in requested → Opted in",
        "Sales",
    ):
        assert words in content, words
    entry = LedgerEntry.objects.get(kind="opted_in")
    assert reverse("admin:consent_ledgerentry_change", args=[entry.pk]) in content


def test_a_refused_text_says_why(ann: User, line: Line, client: Client) -> None:
    write(ann, line)
    say(JANE, line, "STOP")
    write(ann, line, body="One more thing")
    client.force_login(ann)
    content = html(client, show="texts")
    assert "One more thing" in content
    assert "Only they can undo it" in content


def test_the_filters_narrow_it(ann: User, line: Line, other: Line, client: Client) -> None:
    write(ann, line, body="From sales")
    write(make_agent(other), other, body="From billing")
    client.force_login(make_officer())
    assert set(kinds(seen(client))) == {"text", "entry", "notice"}
    for show, kind in (("texts", "text"), ("consent", "entry"), ("notices", "notice")):
        assert set(kinds(seen(client, show=show))) == {kind}
    assert {item["line"] for item in seen(client, line=str(other.pk))["items"]} == {other}
    assert "From sales" not in html(client, line=str(other.pk), show="texts")


@pytest.mark.parametrize("name", ["line", "show", "before"])
@pytest.mark.parametrize("value", ["", "nonsense", "-1", "9" * 30, "٣", "2026-01-01~0~1", "2026-01-01T00:00+00:00~9~1"])
def test_an_odd_question_is_no_filter(ann: User, line: Line, client: Client, name: str, value: str) -> None:
    write(ann, line)
    client.force_login(make_officer())
    assert len(seen(client, **{name: value})["items"]) == len(seen(client)["items"]) > 0


def test_it_goes_on_page_by_page_without_gap_or_repetition(line: Line, client: Client) -> None:
    jane = make_contact(JANE)
    fill(jane, line, 40)
    # Many of one instant, in each table.
    Message.objects.update(created=ago(days=2))
    Notice.objects.update(created=ago(days=2))
    Message.objects.update(created=Notice.objects.latest("pk").created)
    client.force_login(make_officer())
    query, met, pages = "", [], 0
    while True:
        timeline = client.get(page() + query).context_data["timeline"]  # type: ignore[attr-defined]
        met += [item["id"] if "id" in item else f"entry-{item['past'].entry.pk}" for item in timeline["items"]]
        pages += 1
        assert len(timeline["items"]) <= 50
        if not timeline["older"]:
            break
        query = timeline["older"]
    assert len(met) == len(set(met)) == 40 * 4
    assert pages == 4


def test_it_costs_the_same_at_any_length(line: Line, client: Client) -> None:
    jane = make_contact(JANE)
    client.force_login(make_officer())

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(page()).status_code == 200
        return len(queries)

    fill(jane, line, 5)
    cost()
    few = cost()
    fill(jane, line, 120)  # 500 more
    assert cost() == few


# ---- who sees what --------------------------------------------------------------------------------------------------


def test_an_agent_sees_only_their_own_lines(ann: User, line: Line, other: Line, client: Client) -> None:
    write(ann, line, body="From sales")
    write(make_agent(other), other, body="From billing")
    say(JANE, other, "STOP")
    client.force_login(ann)
    assert {item["line"] for item in seen(client)["items"]} <= {line}
    assert {item["line"] for item in seen(client, line=str(other.pk))["items"]} <= {line}
    content = html(client)
    assert "From sales" in content
    assert "From billing" not in content and "Billing" not in content
    assert "/ledgerentry/" not in content and "/evidence/" not in content


def test_agents_see_neither_held_back_texts_nor_keywords_nor_notices_to_others(
    ann: User, line: Line, client: Client
) -> None:
    write(ann, line, body="Hello")
    say(JANE, line, "Meet me at the fountain")
    say(JANE, line, "STOP")
    to_ann = Notice.objects.get(to=ann)
    for user, sees in ((make_agent(line), False), (make_supervisor(), True), (make_officer(), True)):
        client.force_login(user)
        content = html(client)
        assert "fountain" not in content
        assert ("Held back until the contact agrees" in content) == sees
        assert ("Keyword: opt out" in content) == sees
        assert (to_ann.text.removeprefix("Automatic notice: ") in content) == sees


def test_officers_are_led_to_the_reading_that_is_logged(line: Line, client: Client) -> None:
    say(JANE, line, "Meet me at the fountain")
    read = reverse("admin:messaging_heldbackread_read", args=[Message.objects.get(status="held_back").pk])
    for user, offered in ((make_officer(), True), (make_supervisor(), False)):
        client.force_login(user)
        assert (read in html(client)) == offered


def test_supervisors_see_the_history_but_neither_ledger_nor_evidence(ann: User, line: Line, client: Client) -> None:
    write(ann, line)
    say(JANE, line, "YES")
    client.force_login(make_supervisor())
    content = html(client)
    assert "Opted in" in content
    assert "/ledgerentry/" not in content and "/consent/evidence/" not in content


def test_hidden_numbers_stay_hidden(ann: User, line: Line, client: Client) -> None:
    Organisation.objects.update(mask_numbers=True)
    write(ann, line)
    say(JANE, line, "YES")
    client.force_login(ann)
    content = html(client)
    assert JANE not in content and JANE[1:] not in content


def test_hostile_words_are_text(ann: User, line: Line, client: Client) -> None:
    make_contact(JANE, first_name=HOSTILE)
    Line.objects.update(name="<b>Sales</b>")
    write(ann, line, body=HOSTILE)
    say(JANE, line, "YES")
    say(JANE, line, HOSTILE)
    ledger.open_review(
        Contact.objects.get(number=JANE), line, Proof("keyword", {"text": HOSTILE}, rule=HOSTILE), at=timezone.now()
    )
    client.force_login(make_officer())
    content = html(client)
    assert "<img src=x" not in content and "<b>Sales" not in content
    assert "&lt;img src=x" in content


def test_strangers_and_integrators_see_nothing(line: Line, client: Client) -> None:
    say(JANE, line, "Hello")
    assert client.get(page()).status_code == 302
    user = make_agent(line)
    user.groups.clear()
    client.force_login(user)
    assert client.get(page()).status_code == 403


def test_nobody_without_the_right_to_texts_sees_them_here(line: Line, client: Client) -> None:
    say(JANE, line, "Hello")
    user = make_officer()
    user.groups.clear()
    from django.contrib.auth.models import Permission

    user.user_permissions.set(Permission.objects.filter(codename__in=["view_contact", "use_every_line"]))
    client.force_login(user)
    assert seen(client)["items"] == []
