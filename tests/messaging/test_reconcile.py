"""Texts that came in are compared with the provider's list (ARCHITECTURE "The way in" 7): what has no webhook is found,
what has one learns the provider's time, and the time rule holds by that."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from consent.models import Consent, Contact, Line, User
from consent.verification import verify
from messaging import capture, inbound, outbound, reconcile, tasks
from messaging.models import Message, Receipt, Reconciled
from messaging.provider import ProviderError
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_agent, make_line, make_officer, make_opted_in, make_toll_free
from tests.messaging.test_races import together
from tests.world import (
    Clock,
    Phone,
    inbound_fields,
    notices_seen,
    post_webhook,
    standing,
    text_in,
    texts_seen,
    work,
    write,
)

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR, DAY = (dt.timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


@pytest.fixture
def watched(jane: Phone, line: Line, clock: Clock) -> Phone:
    """Jane's phone, on a line that was compared before."""
    reconcile.reconcile()
    clock.passes(minutes=5)
    return jane


def compare() -> None:
    tasks.reconcile_inbound()
    work()


def listed_only(jane: Phone, line: Line, body: str, ago: dt.timedelta = MINUTE, number: str = JANE) -> str:
    """A text whose webhook never came."""
    return jane.provider.receives(number, line.number, body, timezone.now() - ago)


def told_late(jane: Phone, line: Line, body: str, said: dt.timedelta, told: dt.timedelta) -> Receipt:
    """A text that came in at the provider ``said`` ago, and at our webhook only ``told`` ago."""
    now = timezone.now()
    receipt = text_in(JANE, line, body, at=now - told)
    jane.provider.receives(JANE, line.number, body, now - said, sid=receipt.provider_id)
    return receipt


# ---- what had no webhook --------------------------------------------------------------------------------------------


def test_a_stop_without_a_webhook_is_found(line: Line, ann: User, watched: Phone, clock: Clock) -> None:
    make_opted_in(line)
    clock.passes(minutes=5)
    sid = listed_only(watched, line, "STOP")
    compare()
    assert standing(line)[0] == "opted_out"
    assert watched.news() == ["opt_out_confirmation"]
    assert write(ann, line).reason == "opted_out"
    receipt = Receipt.objects.get()
    assert (receipt.provider_id, receipt.kind, receipt.number) == (sid, "inbound", JANE)
    assert receipt.occurred_at == watched.provider.received[0].at
    assert Consent.objects.get(line=line).opted_out_at == receipt.occurred_at
    assert list(verify()) == []


def test_it_is_settled_once_however_often_it_is_found_and_told(line: Line, watched: Phone, clock: Clock) -> None:
    sid = listed_only(watched, line, "STOP")
    compare()
    assert post_webhook("/twilio/inbound/", inbound_fields(JANE, line, "STOP", sid=sid)).status_code == 200
    for _ in range(3):
        compare()
        clock.passes(minutes=1)
    assert Receipt.objects.count() == Message.objects.filter(direction="in").count() == 1
    assert watched.news() == ["opt_out_confirmation"]


@pytest.mark.parametrize(("minutes", "confirmed"), [(4, True), (6, False)])
def test_it_is_confirmed_only_within_five_minutes(
    line: Line, watched: Phone, clock: Clock, minutes: int, confirmed: bool
) -> None:
    """47 CFR 64.1200(a)(12), by the STOP's own time."""
    listed_only(watched, line, "STOP")
    clock.passes(minutes=minutes - 1)
    compare()
    assert standing(line)[0] == "opted_out"
    assert watched.news() == (["opt_out_confirmation"] if confirmed else [])


def test_a_contact_who_wrote_is_asked_all_the_same(line: Line, ann: User, watched: Phone) -> None:
    listed_only(watched, line, "Is it ready?")
    compare()
    assert watched.news() == ["request_theirs"]
    watched.texts(line, "YES")
    assert texts_seen(ann, line) == [("Is it ready?", "received")]


def test_a_yes_that_is_found_answers_the_request(line: Line, ann: User, watched: Phone, clock: Clock) -> None:
    write(ann, line, "hello")
    clock.passes(minutes=2)
    listed_only(watched, line, "YES")
    compare()
    assert watched.news() == ["request_ours", "opt_in_confirmation", "ordinary"]


def test_what_is_found_together_is_read_in_its_order(line: Line, watched: Phone) -> None:
    listed_only(watched, line, "START", ago=2 * MINUTE)
    listed_only(watched, line, "STOP", ago=3 * MINUTE)
    compare()
    assert standing(line)[0] == "opted_in"
    bodies = Message.objects.filter(direction="in").order_by("pk").values_list("body", flat=True)
    assert list(bodies) == ["STOP", "START"]


def test_until_it_is_settled_nothing_goes_to_the_number(line: Line, ann: User, watched: Phone) -> None:
    make_opted_in(line)
    listed_only(watched, line, "hello")
    tasks.reconcile_inbound()
    text = outbound.submit(line=line, to=JANE, body="hi", author=ann)
    assert (text.status, text.reason) == ("deferred", "inbound_unsettled")
    work()
    text.refresh_from_db()
    assert text.status == "sent"


def test_a_sender_who_is_no_number_is_kept_for_a_person(line: Line, watched: Phone) -> None:
    listed_only(watched, line, "win a prize", number="WINNER")
    compare()
    assert Receipt.objects.get().outcome == "unroutable"
    assert not Message.objects.exists()


def test_a_young_text_is_left_to_its_webhook(line: Line, watched: Phone, clock: Clock) -> None:
    """The webhook says whether the provider answered it; the list does not."""
    listed_only(watched, line, "STOP", ago=20 * SECOND)
    compare()
    assert not Receipt.objects.exists()
    clock.passes(seconds=20)
    compare()
    assert standing(line)[0] == "opted_out"


def test_what_the_network_answered_is_not_answered_again(jane: Phone, clock: Clock) -> None:
    line = make_toll_free()
    reconcile.reconcile()
    clock.passes(minutes=5)
    listed_only(jane, line, "STOP")
    compare()
    assert standing(line)[0] == "opted_out"
    assert jane.news() == []
    assert line.consents.get().blocked_at_provider


def test_lines_that_are_switched_off_are_compared_too(line: Line, watched: Phone) -> None:
    Line.objects.update(active=False)
    listed_only(watched, line, "STOP")
    compare()
    assert standing(line)[0] == "opted_out"


# ---- how far back ---------------------------------------------------------------------------------------------------


def test_what_was_texted_before_the_line_was_ours_is_left_alone(line: Line, jane: Phone) -> None:
    listed_only(jane, line, "Hello, old number", ago=HOUR)
    compare()
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(("days", "found"), [(0.1, True), (3, True), (14.5, True), (15.5, False)])
def test_a_gap_is_made_up_for_up_to_a_bound(
    line: Line, watched: Phone, clock: Clock, caplog: pytest.LogCaptureFixture, days: float, found: bool
) -> None:
    """We were down."""
    listed_only(watched, line, "STOP")
    clock.passes(days=days)
    compare()
    assert (standing(line)[0] == "opted_out") is found
    assert ("not looked for any more" in caplog.text) is not found
    mark = Reconciled.objects.get(line=line).up_to
    assert timezone.now() - mark <= MINUTE


def test_a_text_that_the_list_shows_late_is_found_in_the_overlap(line: Line, watched: Phone, clock: Clock) -> None:
    compare()
    clock.passes(minutes=5)
    compare()
    listed_only(watched, line, "STOP", ago=9 * MINUTE)
    clock.passes(minutes=1)
    compare()
    assert standing(line)[0] == "opted_out"


def test_a_provider_that_is_silent_leaves_the_mark(
    line: Line, watched: Phone, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    before = Reconciled.objects.get().up_to
    listed_only(watched, line, "STOP")
    watched.provider.silent = True
    clock.passes(days=1)
    compare()
    assert Reconciled.objects.get().up_to == before
    assert JANE not in caplog.text
    watched.provider.silent = False
    compare()
    assert standing(line)[0] == "opted_out"


def test_a_line_that_cannot_be_asked_about_does_not_keep_the_others(
    line: Line, watched: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_line("+12065550109", category="informational")
    Reconciled.objects.create(line=other, up_to=timezone.now() - HOUR)
    listed_only(watched, other, "STOP")

    def refuses_one(**query: Any) -> Any:
        if query["line"] == line.number:
            raise ProviderError("", "no", permanent=False, may_have_left=False)
        return FakeProvider.list_received(watched.provider, **query)

    monkeypatch.setattr("messaging.provider.list_received", refuses_one)
    compare()
    assert standing(other)[0] == "opted_out"


def test_more_than_fits_into_one_answer_is_asked_for_in_pieces(line: Line, watched: Phone, clock: Clock) -> None:
    for minute in range(40):
        watched.provider.receives(f"+1206556{minute:04}", line.number, "STOP", timezone.now() + minute * MINUTE)
    clock.passes(hours=2)
    watched.provider.page = 5
    compare()
    assert Receipt.objects.count() == 40
    assert Consent.objects.filter(status="opted_out").count() == 40


def test_more_than_can_be_compared_is_said(
    line: Line, watched: Phone, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(4):
        listed_only(watched, line, "STOP", number=f"+1206556{number:04}")
    watched.provider.page = 3
    compare()
    assert Receipt.objects.count() == 3
    assert "than can be compared" in caplog.text


# ---- the provider's time --------------------------------------------------------------------------------------------


def test_what_came_in_learns_the_providers_time(line: Line, ann: User, watched: Phone) -> None:
    make_opted_in(line)
    receipt = told_late(watched, line, "hello", said=3 * MINUTE, told=2 * MINUTE)
    work()
    compare()
    receipt.refresh_from_db()
    assert receipt.at == watched.provider.received[0].at
    assert Message.objects.get(direction="in").said_at == receipt.at
    assert Receipt.objects.count() == 1


# What was texted, with when it was said and when it was told, in minutes ago; where it leaves Jane, and why.
STORIES = [
    ([("START", 4.5, 2), ("STOP", 4, 3)], "opted_out", "the START's webhook was late"),
    ([("STOP", 4.5, 2), ("START", 4, 3)], "opted_in", "the STOP's webhook was late"),
    ([("STOP", 4.5, 4), ("START", 3.5, 3)], "opted_in", "both were prompt"),
    ([("START", 4.5, 4), ("STOP", 3.5, 3)], "opted_out", "both were prompt"),
    ([("STOP", 4.8, 4.5), ("START", 4.2, 2.5), ("STOP", 4, 3)], "opted_out", "the START overtook nothing"),
    ([("STOP", 4.8, 2), ("START", 4.5, 4), ("STOP", 4, 3)], "opted_out", "a STOP is last either way"),
    ([("START", 4.8, 2), ("STOP", 4.5, 4), ("START", 4, 3)], "opted_in", "a START is last either way"),
]


@pytest.mark.parametrize(("texts", "ends"), [pytest.param(*story[:2], id=story[2]) for story in STORIES])
@pytest.mark.parametrize("settled", ["as they came", "all at once", "after the comparison"])
def test_who_was_last_by_the_providers_clock_decides(
    line: Line, watched: Phone, texts: list[tuple[str, float, float]], ends: str, settled: str
) -> None:
    for body, said, told in sorted(texts, key=lambda text: -text[2]):
        told_late(watched, line, body, said * MINUTE, told * MINUTE)
        if settled == "as they came":
            work()
    if settled == "all at once":
        work()
    compare()
    assert standing(line)[0] == ends
    entries = line.entries.count()
    compare()
    assert (standing(line)[0], line.entries.count()) == (ends, entries), "once is enough"
    assert list(verify()) == []


def test_a_late_opt_out_cancels_what_waits_and_tells_the_agents(line: Line, ann: User, watched: Phone) -> None:
    told_late(watched, line, "STOP", said=4 * MINUTE, told=3 * MINUTE)
    work()
    told_late(watched, line, "START", said=4.5 * MINUTE, told=2 * MINUTE)
    work()
    assert standing(line)[0] == "opted_in"
    assert watched.news() == ["opt_out_confirmation", "opt_in_confirmation"]
    watched.provider.errors.append(ProviderError("20429", "slow down", permanent=False, may_have_left=False))
    text = write(ann, line)
    assert text.status == "queued"
    compare()
    text.refresh_from_db()
    assert (text.status, text.reason) == ("cancelled", "opted_out")
    assert notices_seen(ann, line).count("opted_out") == 2
    assert watched.news() == [], "the STOP had its confirmation"


def test_an_opt_out_that_was_overruled_is_confirmed_when_it_counts_after_all(line: Line, watched: Phone) -> None:
    """Settled the other way round than told, it got none."""
    start = told_late(watched, line, "START", said=4.5 * MINUTE, told=2 * MINUTE)
    work()
    told_late(watched, line, "STOP", said=4 * MINUTE, told=3 * MINUTE)
    work()
    assert start.pk and standing(line)[0] == "opted_in"
    assert watched.news() == ["opt_in_confirmation"]
    compare()
    assert standing(line)[0] == "opted_out"
    assert watched.news() == ["opt_out_confirmation"]


def test_a_confirmation_that_the_start_cancelled_goes_out_after_all(line: Line, watched: Phone) -> None:
    told_late(watched, line, "STOP", said=4 * MINUTE, told=3 * MINUTE)
    told_late(watched, line, "START", said=4.5 * MINUTE, told=2 * MINUTE)
    work()
    assert watched.news() == ["opt_in_confirmation"]
    compare()
    assert watched.news() == ["opt_out_confirmation"]


def test_who_is_in_after_all_is_told_so_once(line: Line, watched: Phone) -> None:
    told_late(watched, line, "START", said=4 * MINUTE, told=3 * MINUTE)
    work()
    told_late(watched, line, "STOP", said=4.5 * MINUTE, told=2 * MINUTE)
    work()
    assert watched.news() == ["opt_in_confirmation", "opt_out_confirmation"]
    compare()
    assert standing(line)[0] == "opted_in"
    assert watched.news() == [], "the START had its confirmation"
    assert write(make_agent(line), line).status == "sent"


def test_within_one_second_the_stop_wins_whatever_the_order_of_arrival(line: Line, watched: Phone) -> None:
    """The provider's times are whole seconds, and webhooks overtake each other. A tie is out."""
    now = timezone.now().replace(microsecond=0) - 2 * MINUTE
    for body, fraction in (("STOP", 100), ("START", 900)):
        receipt = text_in(JANE, line, body, at=now + dt.timedelta(milliseconds=fraction))
        watched.provider.receives(JANE, line.number, body, now, sid=receipt.provider_id)
        work()
    compare()
    assert standing(line)[0] == "opted_out"


def test_a_start_that_the_list_shows_after_a_stop_of_the_same_second_counts_for_nothing(
    line: Line, watched: Phone
) -> None:
    start = told_late(watched, line, "START", said=3 * MINUTE, told=2.9 * MINUTE)
    work()
    listed = watched.provider.received.pop()
    listed_only(watched, line, "STOP", ago=3 * MINUTE)
    compare()
    assert standing(line)[0] == "opted_in", "so far as is known"
    watched.provider.received.append(listed)
    compare()
    assert Receipt.objects.get(pk=start.pk).occurred_at == listed.at
    assert standing(line)[0] == "opted_out"


@pytest.mark.parametrize(("seconds", "ends"), [(-1, "opted_in"), (0, "opted_out"), (1, "opted_out")])
def test_a_stop_that_is_found_is_compared_by_the_providers_clock_alone(
    line: Line, watched: Phone, seconds: int, ends: str
) -> None:
    """The START's webhook took its time, so that by ours the START would seem the later one. A tie is out."""
    told_late(watched, line, "START", said=3 * MINUTE, told=2.9 * MINUTE)
    work()
    listed_only(watched, line, "STOP", ago=3 * MINUTE - seconds * SECOND)
    compare()
    assert standing(line)[0] == ends


@pytest.mark.parametrize("elsewhere", ["STOPALL", "STOP"])
def test_on_a_line_that_another_lines_stop_reached(line: Line, watched: Phone, elsewhere: str) -> None:
    other = make_line("+12065550109")
    told_late(watched, other, elsewhere, said=4 * MINUTE, told=3 * MINUTE)
    told_late(watched, line, "START", said=4.5 * MINUTE, told=2 * MINUTE)
    work()
    assert (standing(line)[0], standing(other)[0]) == ("opted_in", "opted_out")
    watched.news()
    compare()
    assert (standing(line)[0], standing(other)[0]) == ("opted_out", "opted_out")
    assert watched.news() == []


def test_an_officers_word_after_them_stands(line: Line, ann: User, watched: Phone, clock: Clock) -> None:
    """The START's webhook was late, but the opt-out was lifted since, with evidence."""
    told_late(watched, line, "STOP", said=4 * MINUTE, told=3 * MINUTE)
    told_late(watched, line, "START", said=4.5 * MINUTE, told=2 * MINUTE)
    work()
    capture.record_revocation(JANE, line, by=ann, route="call", words="stop", occurred_at=timezone.now() - SECOND)
    contact = Contact.objects.lock(JANE)
    capture.lift_opt_out(contact, line, by=make_officer(), reason="asked", evidence={"letter": "7"})
    compare()
    assert standing(line)[0] == "opted_in"


# ---- at the same moment ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
@pytest.mark.skipif(connection.vendor != "postgresql", reason="row locks and READ COMMITTED exist on PostgreSQL only")
def test_webhook_and_comparison_at_the_same_moment(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    line = make_line()
    monkeypatch.setattr(reconcile, "PATIENCE", dt.timedelta(0))
    for index in range(12):
        number, word = f"+1206555{index:04}", ["STOP", "START"][index % 2]
        sid = provider.receives(number, line.number, word, timezone.now() - SECOND)
        fields = inbound_fields(number, line, word, sid=sid)
        webhook: Callable[[], Any] = lambda fields=fields: post_webhook("/twilio/inbound/", fields)  # noqa: E731
        raised = together(webhook, webhook, reconcile.reconcile, reconcile.reconcile, inbound.settle_waiting)
        assert not raised
        reconcile.reconcile()
        work()
        assert Receipt.objects.filter(number=number).count() == 1
        assert Message.objects.filter(conversation__contact__number=number, direction="in").count() == 1
        assert standing(line, number)[0] == ("opted_out" if word == "STOP" else "opted_in")
        assert len(provider.to(number)) == 1, "one confirmation"
    assert list(verify()) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
@pytest.mark.skipif(connection.vendor != "postgresql", reason="row locks and READ COMMITTED exist on PostgreSQL only")
def test_settling_and_comparison_at_the_same_moment(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they interleave, the text that was said last decides."""
    line = make_line()
    for index in range(12):
        number, now = f"+1206555{index:04}", timezone.now()
        said = [("STOP", 3.0), ("START", 4.0)] if index % 2 else [("START", 3.0), ("STOP", 4.0)]
        for told, (word, minutes) in zip((2.5, 2.0), said, strict=True):
            receipt = text_in(number, line, word, at=now - told * MINUTE)
            provider.receives(number, line.number, word, now - minutes * MINUTE, sid=receipt.provider_id)
        raised = together(
            lambda number=number: inbound.settle_number(number),
            reconcile.reconcile,
            reconcile.reconcile,
        )
        assert not raised
        reconcile.reconcile()
        work()
        assert standing(line, number)[0] == ("opted_out" if index % 2 else "opted_in")
    assert list(verify()) == []


def test_two_contacts_are_told_apart(line: Line, watched: Phone) -> None:
    listed_only(watched, line, "STOP")
    listed_only(watched, line, "START", number=OMAR)
    compare()
    assert (standing(line)[0], standing(line, OMAR)[0]) == ("opted_out", "opted_in")
