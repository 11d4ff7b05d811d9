"""The inbox: whose conversations, in which order, found by what, and what each row says."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from consent import roles
from consent.models import Consent, Contact, Line, Organisation, User
from messaging import outbound
from messaging.admin.conversation import inbox
from messaging.models import Conversation, Message
from tests.fake_provider import FakeProvider
from tests.make import (
    JANE,
    OMAR,
    ago,
    make_agent,
    make_contact,
    make_integrator,
    make_line,
    make_officer,
    make_opted_in,
    make_supervisor,
    make_user,
)
from tests.world import say, write

pytestmark = pytest.mark.django_db
INBOX = "admin:messaging_conversation_changelist"


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def ann(line: Line, client: Client) -> User:
    user = make_user(roles.AGENT, line, name="ann", first_name="Ann", last_name="Lee")
    client.force_login(user)
    return user


def rows(client: Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(reverse(INBOX), query)
    assert answer.status_code == 200
    return answer.context_data["rows"]  # type: ignore[attr-defined]


def names(client: Client, **query: Any) -> list[str]:
    return [row["name"] for row in rows(client, **query)]


def conversation(
    line: Line, serial: int, *, minutes_ago: float = 0, unread: bool = False, **fields: Any
) -> Conversation:
    made = Conversation.objects.create(
        contact=make_contact(f"+1425555{serial:04}", first_name=f"Contact {serial}"), line=line, **fields
    )
    at = ago(minutes=minutes_ago)
    Conversation.objects.filter(pk=made.pk).update(last_activity=at, unread_since=at if unread else None)
    return made


# ---- which, and in which order --------------------------------------------------------------------------------------


def test_unread_ones_come_first_then_the_newest(ann: User, line: Line, client: Client) -> None:
    conversation(line, 1, minutes_ago=1)
    conversation(line, 2, minutes_ago=3, unread=True)
    conversation(line, 3, minutes_ago=2, unread=True)
    conversation(line, 4, minutes_ago=4)
    assert names(client) == ["Contact 3", "Contact 2", "Contact 1", "Contact 4"]
    assert [row["unread"] for row in rows(client)] == [True, True, False, False]


def test_agents_see_their_lines_and_the_others_all(ann: User, line: Line, client: Client) -> None:
    other = make_line("+12065550101", name="Billing")
    conversation(line, 1)
    conversation(other, 2, unread=True)
    assert names(client) == ["Contact 1"]
    assert names(client, on=other.pk) == ["Contact 1"], "a line that is not theirs is not asked for"
    for everybody in (make_supervisor(), make_officer()):
        client.force_login(everybody)
        assert names(client) == ["Contact 2", "Contact 1"]
        assert names(client, on=other.pk) == ["Contact 2"]
    client.force_login(make_agent())
    assert names(client) == []
    client.force_login(make_integrator(line))
    assert client.get(reverse(INBOX)).status_code == 403


def test_open_ones_are_shown_unless_others_are_asked_for(ann: User, line: Line, client: Client) -> None:
    conversation(line, 1, minutes_ago=1)
    conversation(line, 2, minutes_ago=2, is_open=False)
    conversation(line, 3, minutes_ago=3)
    assert names(client) == ["Contact 1", "Contact 3"]
    assert names(client, state="closed") == ["Contact 2"]
    assert names(client, state="all") == ["Contact 1", "Contact 2", "Contact 3"]
    assert rows(client, state="closed")[0]["marks"] == ["Closed"]


@pytest.mark.parametrize(
    "query",
    [
        {"state": "odd"},
        {"on": "٣"},
        {"on": "9" * 30},
        {"after": "1~2026"},
        {"after": "1~2026-01-01~3"},
        {"after": "1~0001-01-01T00:00:00+14:00~3"},
        {"after": f"0~2026-01-01T00:00:00+00:00~{2**64}"},
        {"q": "\x00"},
        {"contact__number": JANE},
        {"messages__body__icontains": "x"},
        {"p": "-1"},
    ],
)
def test_what_makes_no_sense_in_the_address_counts_as_not_said(
    ann: User, line: Line, client: Client, query: dict[str, str]
) -> None:
    conversation(line, 1)
    assert names(client, **query) == ["Contact 1"]


def test_pages_hold_each_conversation_once(ann: User, line: Line, client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(inbox, "PAGE", 3)
    at = timezone.now()
    for serial in range(11):
        conversation(line, serial, unread=serial % 2 == 0, is_open=serial % 3 != 0)
    Conversation.objects.update(last_activity=at)  # the same moment, so that places are told apart by more than time
    Conversation.objects.exclude(unread_since=None).update(unread_since=at)
    seen, address = [], f"{reverse(INBOX)}?state=all"
    for _ in range(4):
        answer = client.get(address)
        seen += [row["name"] for row in answer.context_data["rows"]]  # type: ignore[attr-defined]
        address = reverse(INBOX) + answer.context_data["further"]  # type: ignore[attr-defined]
    assert sorted(seen) == sorted(f"Contact {serial}" for serial in range(11))
    assert [int(name.split()[1]) % 2 for name in seen] == [0] * 6 + [1] * 5


# ---- search ---------------------------------------------------------------------------------------------------------


def test_people_are_found_by_name_and_by_part_of_their_number(ann: User, line: Line, client: Client) -> None:
    for number, first, last in ((JANE, "Jane", "Doe"), (OMAR, "Omar", "Đỗ")):
        Conversation.objects.create(contact=make_contact(number, first_name=first, last_name=last), line=line)
    for term in ("jane", "doe jan", "50142", "(206) 555-0142"):
        assert names(client, q=term) == ["Jane Doe"], term
    assert names(client, q="Đỗ") == ["Omar Đỗ"]
    assert names(client, q="nobody") == []


def test_where_numbers_are_hidden_only_their_end_is_searched_and_shown(ann: User, line: Line, client: Client) -> None:
    Organisation.objects.update(mask_numbers=True)
    Conversation.objects.create(contact=make_contact(JANE), line=line)
    assert names(client, q="0142") == ["•••• 0142"]
    for term in (JANE, "50142", "2065550142"):
        assert names(client, q=term) == [], term
    page = client.get(reverse(INBOX)).content.decode()
    assert JANE not in page and JANE[1:] not in page
    client.force_login(make_officer())
    assert names(client, q="50142") == [JANE]


# ---- what a row says ------------------------------------------------------------------------------------------------


def test_the_last_text_and_what_became_of_it(provider: FakeProvider, ann: User, line: Line, client: Client) -> None:
    make_opted_in(line)
    say(JANE, line, "Is it\nready?  " + "x" * 300)
    row = rows(client)[0]
    assert (row["who"], row["snippet"][:13], row["state"]) == ("", "Is it ready? ", "")
    assert len(row["snippet"]) == 120
    write(ann, line, "Yes, it is")
    row = rows(client)[0]
    assert (row["who"], row["snippet"], row["state"]) == ("Ann Lee", "Yes, it is", "Sent")


def test_status_held_and_under_review(provider: FakeProvider, ann: User, line: Line, client: Client) -> None:
    write(ann, line)
    assert rows(client)[0]["marks"] == ["Held"]
    assert "Opt-in requested" in rows(client)[0]["status"]
    assert rows(client)[0]["request"] == "request sent"
    say(JANE, line, "YES")
    say(JANE, line, "wrong number")
    assert rows(client)[0]["marks"] == ["Under review"]
    say(JANE, line, "STOP")
    row = rows(client)[0]
    assert "✕ Opted out" in row["status"]
    assert row["marks"] == []


def test_agents_get_no_word_of_what_is_held_back(provider: FakeProvider, ann: User, line: Line, client: Client) -> None:
    say(JANE, line, "meet me at the fountain")
    Message.objects.filter(direction="out").delete()
    assert rows(client)[0]["snippet"] == ""
    for reader in (make_officer(), make_supervisor()):
        client.force_login(reader)
        assert rows(client)[0]["snippet"] == "Held back until the contact agrees."
        assert "fountain" not in client.get(reverse(INBOX)).content.decode()
    say(JANE, line, "STOP")
    client.force_login(ann)
    assert rows(client)[0]["who"] == "Automatic", "and not the STOP itself, which a rule acted on"


def test_names_and_words_are_never_markup(provider: FakeProvider, ann: User, line: Line, client: Client) -> None:
    make_contact(JANE, first_name="<script>alert(1)</script>", last_name="\u202e" + "w" * 59)
    make_opted_in(line)
    say(JANE, line, "<img src=x onerror=alert(1)>")
    page = client.get(reverse(INBOX)).content.decode()
    assert "<script>alert" not in page and "<img src=x" not in page
    assert "<bdi>&lt;img src=x" in page


# ---- unread ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def unread(provider: FakeProvider, ann: User, line: Line) -> Conversation:
    """Jane, who agreed, has written."""
    make_opted_in(line)
    say(JANE, line, "Is it ready?")
    found = Conversation.objects.get()
    assert found.unread_since
    return found


def read(client: Client, unread: Conversation, **fields: str) -> Any:
    address = reverse("admin:messaging_conversation_read", args=[unread.pk])
    seen = Conversation.objects.get(pk=unread.pk).last_activity.isoformat()
    return client.post(address, {"seen": seen, **fields})


def is_unread(unread: Conversation) -> bool:
    unread.refresh_from_db()
    return unread.unread_since is not None


def test_looking_alone_reads_nothing(unread: Conversation, client: Client) -> None:
    client.get(reverse("admin:messaging_conversation_change", args=[unread.pk]))
    client.get(reverse("admin:messaging_conversation_news", args=[unread.pk]))
    assert is_unread(unread)


def test_the_page_of_somebody_on_the_line_says_that_it_was_read(unread: Conversation, client: Client) -> None:
    shown = client.get(reverse("admin:messaging_conversation_change", args=[unread.pk])).context_data  # type: ignore[attr-defined]
    assert shown["seen"] == unread.last_activity.isoformat()
    activity = unread.last_activity
    assert read(client, unread, by_itself="1").json() == {"done": True}
    assert not is_unread(unread)
    assert unread.last_activity == activity, "reading is no activity"


def test_who_only_watches_reads_nothing_unless_they_say_so(unread: Conversation, client: Client) -> None:
    for watcher in (make_supervisor(), make_officer()):
        Conversation.objects.update(unread_since=timezone.now())
        client.force_login(watcher)
        page = client.get(reverse("admin:messaging_conversation_change", args=[unread.pk]))
        assert page.context_data["seen"] == ""  # type: ignore[attr-defined]
        assert "Mark as read" in page.content.decode()
        assert read(client, unread, by_itself="1").status_code == 403
        assert is_unread(unread)
        assert read(client, unread).status_code == 302
        assert not is_unread(unread)


def test_a_supervisor_who_works_on_the_line_reads_like_an_agent(
    unread: Conversation, line: Line, client: Client
) -> None:
    sam = make_supervisor()
    sam.lines.add(line)
    client.force_login(sam)
    assert read(client, unread, by_itself="1").json() == {"done": True}


def test_what_came_since_stays_unread(unread: Conversation, line: Line, client: Client) -> None:
    seen = unread.last_activity.isoformat()
    say(JANE, line, "Hello?")
    assert read(client, unread, by_itself="1", seen=seen).json() == {"done": False}
    assert is_unread(unread)


@pytest.mark.parametrize(
    "seen", ["", "now", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00", "9" * 500]
)
def test_an_odd_moment_reads_nothing(unread: Conversation, client: Client, seen: str) -> None:
    assert read(client, unread, by_itself="1", seen=seen).json() == {"done": False}
    assert is_unread(unread)


def test_what_was_held_back_is_unread_when_it_appears(
    provider: FakeProvider, ann: User, line: Line, client: Client
) -> None:
    say(JANE, line, "Is it ready?")
    assert not rows(client)[0]["unread"]
    say(JANE, line, "YES")
    assert rows(client)[0]["unread"]


def test_the_menu_counts_what_is_unread_on_ones_lines(ann: User, line: Line, client: Client) -> None:
    other = make_line("+12065550101")
    for serial in range(2):
        conversation(line, serial, unread=True)
    conversation(line, 7, unread=True, is_open=False)
    conversation(line, 8)
    conversation(other, 9, unread=True)
    assert badge(client) == "3"
    client.force_login(make_supervisor())
    assert badge(client) == "4"
    client.force_login(make_agent())
    assert badge(client) == ""


def badge(client: Client) -> str:
    page = client.get("/admin/").content.decode()
    return page.partition("data-menu-badge>")[2].partition("<")[0]


def test_the_menu_counts_to_99(ann: User, line: Line, monkeypatch: Any) -> None:
    monkeypatch.setattr(inbox, "MOST_COUNTED", 2)
    for serial in range(5):
        conversation(line, serial, unread=True)
    with CaptureQueriesContext(connection) as queries:
        assert inbox.in_few_characters(inbox.unread_count(User.objects.get(pk=ann.pk))) == "2+"
    assert len([query for query in queries if "messaging_conversation" in query["sql"]]) == 1
    assert "LIMIT 3" in queries[-1]["sql"]


# ---- live, and at any size ------------------------------------------------------------------------------------------


def test_news_are_told_once(unread: Conversation, line: Line, client: Client) -> None:
    address = reverse("admin:messaging_conversation_inbox_news")
    first = client.get(address)
    assert (first.json()["unread"], "Is it ready?" in first.json()["parts"]["rows"]) == ("1", True)
    again = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    shown = client.get(reverse(INBOX)).context_data["tag"]  # type: ignore[attr-defined]
    assert client.get(address, headers={"If-None-Match": shown}).status_code == 304
    say(JANE, line, "Hello?")
    changed = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200 and "Hello?" in changed.json()["parts"]["rows"]
    assert client.post(address).status_code == 405
    client.force_login(make_integrator(line))
    assert client.get(address).status_code == 403
    assert Client().get(address).status_code == 302


def test_a_page_costs_the_same_however_many_there_are(ann: User, line: Line, client: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse(INBOX), {"state": "all"})
        return len(queries)

    def fill(start: int, count: int) -> None:
        for serial in range(start, start + count):
            made = conversation(line, serial, unread=serial % 2 == 0, is_open=serial % 3 > 0)
            Consent.objects.create(contact=made.contact, line=line)
            outbound.submit(line=line, to=made.contact.number, body="Hello", author=ann)

    fill(0, 2)
    cost()
    before = cost()
    assert before <= 18
    fill(2, 6)
    assert cost() == before
    assert Contact.objects.count() == 8


def test_times_are_short(ann: User, line: Line, client: Client) -> None:
    now = timezone.localtime()
    for serial, at in enumerate((now, now - dt.timedelta(days=400))):
        Conversation.objects.filter(pk=conversation(line, serial).pk).update(last_activity=at)
    today, long_ago = [row["when"] for row in rows(client)]
    assert today == now.strftime("%H:%M")
    assert str((now - dt.timedelta(days=400)).year) in long_ago
