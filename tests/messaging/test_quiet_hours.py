"""Texts wait for the hours in which a contact may be texted, and leave by themselves (PRODUCT "The gate":
quiet_hours, and who is exempt)."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from consent.models import Contact, Line, SendingHours, User
from consent.vocabulary import Category, Mode, Status
from messaging import api, capture, facts, outbound, review, timing
from messaging.admin import consent_lines
from messaging.models import Conversation, KeywordResponder, Message, Review
from tests.fake_provider import FakeProvider
from tests.make import JANE, make_agent, make_contact, make_line, make_officer, make_opted_in
from tests.messaging.test_api import Api
from tests.world import Clock, Phone, standing, sweep, text_in, work, write

FLORIDA, PARIS = "+13055550142", "+33612345678"
PACIFIC = ZoneInfo("America/Los_Angeles")


@pytest.fixture
def line(clock: Clock) -> Line:
    """For Jane in Washington it is four in the morning, a Tuesday; she may be texted from eight to eight."""
    line = make_line(name="Orders", quiet_hours=True)
    make_opted_in(line)
    return line


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line, name="ann", shown_name="Ann")


def change(row: Any, **fields: Any) -> None:
    type(row).objects.filter(pk=row.pk).update(**fields)
    row.refresh_from_db()


def deferred(text: Message) -> tuple[str, str]:
    """Why it waits, and until when on Jane's clock."""
    text.refresh_from_db()
    assert text.status == "deferred" and text.not_before
    return text.reason, f"{text.not_before.astimezone(PACIFIC):%a %H:%M}"


# ---- it waits and leaves by itself ----------------------------------------------------------------------------------


def test_a_text_of_the_night_leaves_in_the_morning(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = write(ann, line)
    assert deferred(text) == ("quiet_hours", "Tue 08:00")
    assert text.reason_text == (
        "It is 04:00 where the contact is (America/Los_Angeles). It leaves at 08:00 there, unless they opt out."
    )
    clock.passes(hours=3, minutes=59)
    sweep()
    assert jane.news() == []
    clock.passes(minutes=1)
    sweep()
    text.refresh_from_db()
    assert jane.news() == ["ordinary"] and (text.status, text.reason) == ("sent", "")


def test_by_day_it_leaves_at_once(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    clock.passes(hours=4)
    assert write(ann, line).status == "sent"


def test_on_a_line_without_quiet_hours_it_leaves_at_once(line: Line, ann: User, jane: Phone) -> None:
    change(line, quiet_hours=False, texts_from=dt.time(9), texts_until=dt.time(10))
    assert write(ann, line).status == "sent"


def test_what_was_queued_by_day_is_asked_again_when_it_leaves(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    clock.passes(hours=15, minutes=59)
    text = outbound.submit(line=line, to=JANE, body="late", author=ann)
    assert text.status == "queued"
    clock.passes(minutes=1)
    work()
    assert deferred(text) == ("quiet_hours", "Wed 08:00") and jane.news() == []


def test_in_the_morning_the_gate_is_asked_again(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = write(ann, line)
    change(Contact.objects.get(), time_zone="Pacific/Honolulu")
    clock.passes(hours=4)
    work()
    assert deferred(text) == ("quiet_hours", "Tue 10:00") and jane.news() == []


def test_a_stop_in_the_meantime_cancels_it(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = write(ann, line)
    jane.texts(line, "STOP")
    text.refresh_from_db()
    assert text.status == "cancelled"
    clock.passes(hours=5)
    sweep()
    assert jane.news() == ["opt_out_confirmation"]


def test_its_author_can_withdraw_it(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    outbound.withdraw(write(ann, line), ann)
    clock.passes(hours=5)
    sweep()
    assert jane.news() == []


def test_texts_of_the_night_leave_in_the_order_written(
    line: Line, ann: User, provider: FakeProvider, clock: Clock
) -> None:
    for words in ("one", "two", "three"):
        write(ann, line, words)
    clock.passes(hours=4)
    sweep()
    assert [body.partition("\n")[0] for body in provider.to(JANE)] == ["one", "two", "three"]


# ---- who is exempt --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "minutes", "status"),
    [
        (Category.TRANSACTIONAL, 0, "sent"),
        (Category.INFORMATIONAL, 29, "sent"),
        (Category.TRANSACTIONAL, 31, "deferred"),
        (Category.MARKETING, 0, "deferred"),
    ],
)
def test_who_wrote_lately_may_be_answered(
    line: Line, ann: User, jane: Phone, clock: Clock, category: str, minutes: int, status: str
) -> None:
    change(line, category=category)
    jane.texts(line, "Are you there?")
    clock.passes(minutes=minutes)
    assert write(ann, line).status == status


def test_who_wrote_to_another_line_may_not_be_answered_on_this_one(line: Line, ann: User, jane: Phone) -> None:
    jane.texts(make_line("+12065550101", mode=Mode.DISCLAIMER), "Are you there?")
    assert write(ann, line).status == "deferred"


def test_a_text_that_came_to_light_late_was_not_written_lately(
    line: Line, ann: User, jane: Phone, clock: Clock
) -> None:
    now = dt.datetime.now(dt.UTC)
    jane.texts(line, "Are you there?", at=now - dt.timedelta(minutes=40))
    assert write(ann, line).status == "deferred"


@pytest.mark.parametrize(
    ("words", "answer"), [("HELP", "help_reply"), ("START", "opt_in_confirmation"), ("STOP", "opt_out_confirmation")]
)
def test_commands_are_answered_by_night_on_every_line(line: Line, jane: Phone, words: str, answer: str) -> None:
    change(line, category=Category.MARKETING)
    line.consents.update(status=Status.PENDING if words == "START" else Status.OPTED_IN)
    jane.texts(line, words)
    assert jane.news() == [answer]


def test_who_writes_first_by_night_is_told_how_to_stop(clock: Clock, jane: Phone) -> None:
    told = make_line(mode=Mode.DISCLAIMER, category=Category.INFORMATIONAL, quiet_hours=True)
    jane.texts(told, "Hello?")
    assert jane.news() == ["disclaimer_theirs"]


def test_so_is_who_writes_first_to_a_marketing_line(clock: Clock, provider: FakeProvider) -> None:
    told = make_line("+33612345600", mode=Mode.DISCLAIMER, category=Category.MARKETING, quiet_hours=True)
    phone = Phone(provider, PARIS)
    clock.passes(hours=8)
    phone.texts(told, "Hello?")
    assert phone.news() == ["disclaimer_theirs"]
    assert write(make_agent(told), told, to=PARIS).reason == "quiet_hours"


@pytest.mark.parametrize(("category", "news"), [("transactional", ["request_theirs"]), ("marketing", [])])
def test_who_writes_first_by_night_is_asked_at_once_but_on_marketing_lines(
    clock: Clock, jane: Phone, category: str, news: list[str]
) -> None:
    line = make_line(category=category, quiet_hours=True)
    jane.texts(line, "Hello?")
    assert jane.news() == news
    clock.passes(hours=4)
    sweep()
    assert standing(line) == ("pending", "sent")


def test_a_keyword_s_reply_is_not_exempt(line: Line, jane: Phone, clock: Clock) -> None:
    change(line, category=Category.MARKETING)
    KeywordResponder.objects.create(keyword="HOURS", action="reply", reply="Nine to five")
    jane.texts(line, "HOURS")
    assert jane.news() == []
    clock.passes(hours=4)
    sweep()
    assert jane.news() == ["responder_reply"]


# ---- what has to go first waits, too --------------------------------------------------------------------------------


def test_the_request_waits_for_the_morning_and_the_text_for_the_answer(jane: Phone, clock: Clock) -> None:
    line = make_line(quiet_hours=True)
    text = write(make_agent(line), line)
    assert (text.status, jane.news(), standing(line)) == ("held", [], ("not_defined", "not_sent"))
    assert deferred(Message.objects.get(purpose="request_ours")) == ("quiet_hours", "Tue 08:00")
    clock.passes(hours=4)
    sweep()
    assert jane.news() == ["request_ours"] and standing(line) == ("pending", "sent")
    jane.texts(line, "YES")
    assert jane.news() == ["opt_in_confirmation", "ordinary"]


def test_the_disclaimer_goes_before_its_text_in_the_morning(jane: Phone, clock: Clock) -> None:
    line = make_line(mode=Mode.DISCLAIMER, category=Category.INFORMATIONAL, quiet_hours=True)
    text = write(make_agent(line), line)
    assert deferred(text) == deferred(Message.objects.get(purpose="disclaimer_ours")) == ("quiet_hours", "Tue 08:00")
    clock.passes(hours=4)
    sweep()
    assert jane.news() == ["disclaimer_ours", "ordinary"]


def test_somebody_can_be_asked_by_night_and_is_in_the_morning(jane: Phone, clock: Clock) -> None:
    line = make_line(quiet_hours=True)
    assert capture.ask(JANE, line, by=make_officer(), basis="asked us to")
    assert jane.news() == []
    clock.passes(hours=4)
    sweep()
    assert jane.news() == ["request_ours"]


def test_the_modal_offers_by_night_what_waits_for_the_morning(clock: Clock) -> None:
    line, contact = make_line(quiet_hours=True), make_contact()
    standings = consent_lines.standings(contact, JANE, make_agent(line), [line])
    offered = {action.verb: action.why_not for action in standings[0].actions}
    assert (offered["ask"], offered["record"]) == ("", "")


def test_who_was_not_asked_because_of_a_review_is_in_the_morning(jane: Phone, clock: Clock) -> None:
    line = make_line(quiet_hours=True)
    jane.texts(line, "wrong number")
    clock.passes(hours=1)
    review.it_was_no_opt_out(Review.objects.get(), by=make_officer(), reason="A joke between us.")
    work()
    assert jane.news() == []
    clock.passes(hours=3)
    sweep()
    assert jane.news() == ["request_theirs"]


# ---- whose hours ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "until"),
    [
        ({"postal_code": "33101"}, None),  # Miami: seven in the morning there, and it leaves at eight
        ({"postal_code": "96813"}, "Tue 10:00"),  # Honolulu
        ({"time_zone": "Europe/Paris"}, None),
        ({"time_zone": "America/Phoenix"}, "Tue 07:00"),
    ],
)
def test_the_contact_s_own_place_counts(
    line: Line, ann: User, jane: Phone, clock: Clock, fields: dict[str, str], until: str | None
) -> None:
    clock.passes(hours=1)
    change(Contact.objects.get(), **fields)
    text = write(ann, line)
    assert (text.status == "sent") if until is None else deferred(text) == ("quiet_hours", until)


def test_a_line_s_own_hours_narrow_those_of_the_place(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    change(line, texts_from=dt.time(10), texts_until=dt.time(23))
    assert deferred(write(ann, line)) == ("quiet_hours", "Tue 10:00")
    clock.passes(hours=16)
    assert deferred(write(ann, line)) == ("quiet_hours", "Wed 10:00"), "at eight in the evening"


def test_where_the_place_is_not_known_every_one_must_allow_it(clock: Clock, provider: FakeProvider) -> None:
    line = make_line(quiet_hours=True)
    make_opted_in(line, "+18505550142")
    clock.passes(hours=1, minutes=30)
    text = write(make_agent(line), line, to="+18505550142")
    assert text.status == "deferred" and text.not_before == dt.datetime(2026, 12, 1, 14, tzinfo=dt.UTC)
    assert text.reason_text == (
        "It is 07:30 where the contact may be (America/Chicago). It leaves at 08:00 there, unless they opt out."
    )


def test_a_wait_of_more_than_a_day_names_the_day(clock: Clock, provider: FakeProvider) -> None:
    line = make_line(category=Category.MARKETING, quiet_hours=True)
    make_opted_in(line, PARIS)
    clock.passes(days=4, hours=8)
    text = write(make_agent(line), line, to=PARIS)
    assert text.reason_text == (
        "It is Saturday, 21:00 where the contact is (Europe/Paris). "
        "It leaves on Monday, 7 December at 08:00 there, unless they opt out."
    )


def test_a_row_that_an_officer_changes_holds(line: Line, ann: User, jane: Phone) -> None:
    write(ann, line)
    SendingHours.objects.update(valid_to=dt.date(2026, 11, 30))
    timing.forget_rules()
    assert write(ann, line).status == "sent"


def test_rules_for_marketing_lines_are_for_them_alone(line: Line, ann: User, jane: Phone) -> None:
    SendingHours.objects.update(applies_to="marketing")
    timing.forget_rules()
    assert write(ann, line).status == "sent"
    change(line, category=Category.MARKETING)
    assert write(ann, line).status == "deferred"


def test_the_tables_are_read_anew_after_a_few_seconds(
    line: Line, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(3):
        assert timing.rulebook() is timing.rulebook()
    SendingHours.objects.all().delete()
    assert timing.rulebook().hours
    monkeypatch.setattr("messaging.timing.RULES_KEPT_SECONDS", 0.0)
    assert not timing.rulebook().hours


# ---- what people are told -------------------------------------------------------------------------------------------

SENTENCE = "It is 04:00 where the contact is (America/Los_Angeles). It leaves at 08:00 there, unless they opt out."


def test_the_api_says_why_and_until_when(line: Line, ann: User, jane: Phone) -> None:
    client = Api(ann)
    sent = client.send(line).json()
    checked = client.get("/api/v1/consents/check/", line=line.number, phone=JANE).json()
    assert (sent["status"], checked["verdict"]) == ("deferred", "defer")
    for shown in (sent, checked):
        assert shown["reason"] == {"code": "quiet_hours", "text": SENTENCE}
        assert shown["until"] == "2026-12-01T16:00:00Z"
    reasons = [item["reason"] for item in client.get("/api/v1/conversations/", line=line.number, phone=JANE).json()]
    assert reasons == [{"code": "quiet_hours", "text": SENTENCE}]


def test_the_thread_and_the_modal_say_so(line: Line, ann: User, jane: Phone, client: Client) -> None:
    write(ann, line)
    client.force_login(ann)
    pages = [
        reverse("admin:messaging_conversation_change", args=[Conversation.objects.get().pk]),
        reverse("admin:consent_contact_consent", args=[make_contact().pk]),
    ]
    for page in pages:
        assert SENTENCE in client.get(page).content.decode()


def test_it_is_the_gate_s_word_before_anything_is_written(line: Line, jane: Phone) -> None:
    decision = api.check(line, JANE)
    assert (decision.reason, decision.text) == ("quiet_hours", SENTENCE)


# ---- what it costs --------------------------------------------------------------------------------------------------


def cost(line: Line, number: str = JANE) -> int:
    with CaptureQueriesContext(connection) as queries:
        facts.gather(line, number)
    return len(queries)


def test_by_day_the_gate_asks_no_more_than_without_quiet_hours(line: Line, clock: Clock) -> None:
    without = make_line("+12065550101", quiet_hours=False)
    make_opted_in(line, FLORIDA)
    timing.rulebook()
    least = cost(without)
    assert cost(line) == least + 1, "by night: whether they wrote lately"
    clock.passes(hours=5)
    assert cost(line) == least
    assert cost(line, FLORIDA) == least + 1, "where a cap holds: what they had"
    assert text_in(JANE, line, "hello") and cost(line) == least
