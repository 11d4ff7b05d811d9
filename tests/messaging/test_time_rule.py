"""An opt-in counts only if it is later than the line's last opt-out; a tie or doubt is out (PRODUCT "Rules …")."""

import datetime as dt
import itertools

import pytest
from django.utils import timezone

from consent.models import Consent, Contact, LedgerEntry, Line
from consent.verification import verify
from consent.vocabulary import EntryKind
from messaging import capture, inbound
from messaging.models import Receipt
from tests.make import JANE, make_agent, make_line, make_officer, make_opted_in
from tests.world import Clock, Phone, standing, text_in, work, write

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def line() -> Line:
    return make_line()


def text_at(line: Line, body: str, minutes_ago: float) -> Receipt:
    """A text whose time the provider knows: it was written some minutes ago and comes in only now."""
    receipt = text_in(JANE, line, body)
    Receipt.objects.filter(pk=receipt.pk).update(occurred_at=NOON - dt.timedelta(minutes=minutes_ago))
    return receipt


# What was texted, with the minutes since then, and where that leaves the contact.
STORIES = [
    ([("STOP", 3), ("START", 2)], "opted_in"),
    ([("START", 3), ("STOP", 2)], "opted_out"),
    ([("STOP", 3), ("START", 2), ("STOP", 1)], "opted_out"),
    ([("START", 3), ("STOP", 2), ("START", 1)], "opted_in"),
    ([("STOP", 2), ("START", 2)], "opted_out"),  # a tie
]
ORDERS = [
    pytest.param(order, ends, id="-".join(f"{word}{minutes}" for word, minutes in order))
    for story, ends in STORIES
    for order in itertools.permutations(story)
]


@pytest.mark.parametrize(("order", "ends"), ORDERS)
def test_the_order_in_which_they_are_read_does_not_matter(
    line: Line, clock: Clock, order: list[tuple[str, float]], ends: str
) -> None:
    for word, minutes in order:
        text_at(line, word, minutes)
    inbound.settle_number(JANE)
    assert standing(line)[0] == ends


def test_without_the_providers_time_the_receipts_counts(line: Line, clock: Clock) -> None:
    text_in(JANE, line, "START", at=timezone.now() - dt.timedelta(minutes=1))
    text_in(JANE, line, "STOP", at=timezone.now() - dt.timedelta(minutes=2))
    inbound.settle_number(JANE)
    assert standing(line)[0] == "opted_in"


def test_a_late_stop_older_than_their_own_start_is_recorded_and_leaves_them_in(line: Line, jane: Phone) -> None:
    make_opted_in(line)
    text_at(line, "STOP", 5)
    work()
    assert standing(line)[0] == "opted_in"
    assert jane.news() == []
    assert LedgerEntry.objects.filter(kind=EntryKind.OPT_OUT_OUTDATED).count() == 1


def test_a_late_stop_leaves_in_only_the_line_with_the_own_start(line: Line, jane: Phone) -> None:
    sibling = make_line("+12065550102")
    jane.texts(line, "START")
    text_at(line, "STOP", 5)
    work()
    assert standing(line)[0] == "opted_in"
    assert standing(sibling)[0] == "opted_out"


def test_a_late_stop_beats_what_others_recorded(line: Line, jane: Phone) -> None:
    """Only the contact's own word is later than their STOP; an officer's is not."""
    capture.record_consent(
        JANE, line, channel="paper", evidence={"sheet": "7"}, occurred_at=timezone.now(), double=False
    )
    assert standing(line)[0] == "opted_in"
    text_at(line, "STOP", 5)
    work()
    assert standing(line)[0] == "opted_out"


def test_a_start_older_than_the_stop_is_recorded_and_nothing_follows(line: Line, jane: Phone) -> None:
    jane.texts(line, "STOP")
    jane.news()
    text_at(line, "START", 5)
    work()
    assert standing(line)[0] == "opted_out"
    assert jane.news() == []
    assert LedgerEntry.objects.filter(kind=EntryKind.OPT_IN_TOO_LATE).count() == 1


def test_a_yes_older_than_the_stop_lets_nothing_go(line: Line, jane: Phone, clock: Clock) -> None:
    write(make_agent(line), line)
    clock.passes(minutes=10)
    jane.texts(line, "STOP")
    jane.news()
    text_at(line, "YES", -5)
    work()
    assert jane.news() == []
    assert standing(line)[0] == "opted_out"


BOTH_ORDERS = pytest.mark.parametrize("first_read", ["what was said first", "what was said last"])


def asked_then(line: Line, clock: Clock, said: list[str], first_read: str) -> str:
    """Jane was asked at noon and said these, a minute apart; the status that leaves her in."""
    write(make_agent(line), line)
    clock.passes(minutes=len(said) + 1)
    texts = [(word, -minute) for minute, word in enumerate(said, 1)]
    for word, minutes_ago in texts if first_read == "what was said first" else reversed(texts):
        text_at(line, word, minutes_ago)
    inbound.settle_number(JANE)
    return standing(line)[0]


@BOTH_ORDERS
def test_a_stop_between_the_request_and_the_yes_voids_the_yes(
    line: Line, jane: Phone, clock: Clock, first_read
) -> None:
    assert asked_then(line, clock, ["STOP", "YES"], first_read) == "opted_out"
    assert list(verify()) == []


@BOTH_ORDERS
def test_a_stop_between_the_request_and_a_start_does_not(line: Line, jane: Phone, clock: Clock, first_read) -> None:
    """START always opts in, request or not."""
    assert asked_then(line, clock, ["STOP", "START"], first_read) == "opted_in"
    assert list(verify()) == []


@BOTH_ORDERS
def test_a_stop_after_the_yes_counts(line: Line, jane: Phone, clock: Clock, first_read) -> None:
    assert asked_then(line, clock, ["YES", "STOP"], first_read) == "opted_out"


def test_a_stop_from_before_the_request_leaves_in_who_said_yes(line: Line, jane: Phone, clock: Clock) -> None:
    write(make_agent(line), line)
    jane.texts(line, "YES")
    text_at(line, "STOP", 5)
    work()
    assert standing(line)[0] == "opted_in"


def test_an_officers_lift_must_be_later_too(line: Line, jane: Phone, clock: Clock) -> None:
    jane.texts(line, "STOP")
    clock.passes(minutes=1)
    contact = Contact.objects.lock(JANE)
    capture.lift_opt_out(contact, line, by=make_officer(), reason="wrong number", evidence={"call": "12"})
    assert standing(line)[0] == "opted_in"
    text_at(line, "STOP", -0.5)
    work()
    assert standing(line)[0] == "opted_out"
    assert Consent.objects.get(line=line).own_opt_in_at is None
