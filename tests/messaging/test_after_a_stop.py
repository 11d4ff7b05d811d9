"""After a STOP: one confirmation, at once or never, then a day of silence (PRODUCT; 47 CFR 64.1200(a)(12))."""

import datetime as dt

import pytest
from django.utils import timezone

from consent.models import Line
from messaging import inbound, outbound
from messaging.models import KeywordResponder, Message, Receipt
from messaging.provider import ProviderError
from tests.make import JANE, make_agent, make_line
from tests.world import Clock, Phone, standing, sweep, text_in, work, write

pytestmark = pytest.mark.django_db

BOTH_MODES = pytest.mark.parametrize("mode", ["consent", "disclaimer"])
BUSY = ProviderError("20429", "slow down", permanent=False, may_have_left=False)


@pytest.fixture
def line() -> Line:
    return make_line()


def confirmation() -> Message:
    return Message.objects.filter(purpose="opt_out_confirmation").latest("pk")


# ---- silence --------------------------------------------------------------------------------------------------------


@BOTH_MODES
@pytest.mark.parametrize("words", ["hello?", "YES", "NO", "STOP", "👍", "why?", "HOURS"])
def test_for_a_day_nothing_answers_them(mode: str, words: str, jane: Phone, clock: Clock) -> None:
    line = make_line(mode=mode)
    KeywordResponder.objects.create(keyword="HOURS", action="reply", reply="We are open from 9 to 5.")
    jane.texts(line, "STOP")
    jane.news()
    clock.passes(hours=23, minutes=55)
    jane.texts(line, words)
    assert jane.news() == []
    assert standing(line)[0] == "opted_out"


@BOTH_MODES
def test_help_and_start_are_answered_all_the_same(mode: str, jane: Phone) -> None:
    line = make_line(mode=mode)
    jane.texts(line, "STOP")
    jane.news()
    jane.texts(line, "HELP")
    assert jane.news() == ["help_reply"]
    jane.texts(line, "START")
    assert jane.news() == ["opt_in_confirmation"]


def test_help_is_answered_three_times_a_day(line: Line, jane: Phone, clock: Clock) -> None:
    jane.texts(line, "STOP")
    jane.news()
    for _ in range(4):
        jane.texts(line, "HELP")
    assert jane.news() == ["help_reply"] * 3
    clock.passes(hours=24, minutes=1)
    jane.texts(line, "HELP")
    assert jane.news() == ["help_reply"]


def test_the_day_begins_with_the_last_stop(line: Line, jane: Phone, clock: Clock) -> None:
    jane.texts(line, "STOP")
    clock.passes(hours=20)
    jane.texts(line, "STOP")
    jane.news()
    clock.passes(hours=20)
    jane.texts(line, "hello?")
    assert jane.news() == []


def test_a_responders_reply_never_reaches_somebody_opted_out(line: Line, jane: Phone, clock: Clock) -> None:
    KeywordResponder.objects.create(keyword="HOURS", action="reply", reply="We are open from 9 to 5.")
    jane.texts(line, "Hours")
    assert jane.news() == ["responder_reply"], "Not Defined: passes"
    jane.texts(line, "STOP")
    clock.passes(days=3)
    jane.news()
    jane.texts(line, "hours")
    assert "responder_reply" not in jane.news()


# ---- one confirmation -----------------------------------------------------------------------------------------------


def test_a_repeated_stop_leaves_a_waiting_confirmation_alone(line: Line, jane: Phone) -> None:
    for _ in range(3):
        text_in(JANE, line, "STOP")
        inbound.settle_number(JANE)
    work()
    assert jane.news() == ["opt_out_confirmation"]


def test_a_repeated_webhook_confirms_once(line: Line, jane: Phone) -> None:
    for _ in range(3):
        jane.texts(line, "STOP", sid="SM" + "5" * 32)
    assert jane.news() == ["opt_out_confirmation"]
    assert Receipt.objects.count() == 1


def test_start_cancels_a_waiting_confirmation(line: Line, jane: Phone) -> None:
    text_in(JANE, line, "STOP")
    inbound.settle_number(JANE)
    text_in(JANE, line, "START")
    work()
    assert jane.news() == ["opt_in_confirmation"]
    assert confirmation().status == "cancelled"


def test_stop_start_stop_confirms_each_change_that_stood(line: Line, jane: Phone) -> None:
    for words in ("STOP", "START", "STOP"):
        jane.texts(line, words)
    assert jane.news() == ["opt_out_confirmation", "opt_in_confirmation", "opt_out_confirmation"]
    assert standing(line)[0] == "opted_out"


def test_stop_on_two_lines_in_scope_confirms_once(line: Line, jane: Phone) -> None:
    sibling = make_line("+12065550102")
    jane.texts(line, "STOP")
    jane.texts(sibling, "STOP")
    assert jane.news() == ["opt_out_confirmation"]


def test_a_responders_own_words_replace_the_template(line: Line, jane: Phone) -> None:
    KeywordResponder.objects.filter(keyword="STOP").update(reply="Bye from {company_name}.")
    jane.texts(line, "STOP")
    assert jane.last_words() == "Bye from Our company."


# ---- within five minutes, or never ----------------------------------------------------------------------------------


def test_it_leaves_within_five_minutes(line: Line, jane: Phone, clock: Clock) -> None:
    text_in(JANE, line, "STOP")
    inbound.settle_number(JANE)
    clock.passes(minutes=4, seconds=50)
    work()
    assert jane.news() == ["opt_out_confirmation"]


@pytest.mark.parametrize("finder", [work, sweep], ids=["the worker", "the sweep"])
def test_after_five_minutes_it_never_leaves(line: Line, jane: Phone, clock: Clock, finder) -> None:
    text_in(JANE, line, "STOP")
    inbound.settle_number(JANE)
    clock.passes(minutes=5, seconds=1)
    finder()
    assert jane.news() == []
    assert (confirmation().status, confirmation().reason) == ("cancelled", "too_late")


def test_the_sweep_drops_a_late_one_that_waits_for_its_next_try(line: Line, jane: Phone, clock: Clock) -> None:
    jane.provider.errors.append(BUSY)
    jane.texts(line, "STOP")
    assert confirmation().status == "queued"
    clock.passes(minutes=6)
    outbound.drop_late(timezone.now())
    assert confirmation().status == "cancelled"


@pytest.mark.parametrize(("minutes", "confirmed"), [(4, True), (5, False), (60, False)])
def test_the_minutes_count_from_the_stop_not_from_its_webhook(
    line: Line, jane: Phone, minutes: int, confirmed: bool
) -> None:
    receipt = text_in(JANE, line, "STOP")
    Receipt.objects.filter(pk=receipt.pk).update(occurred_at=timezone.now() - dt.timedelta(minutes=minutes))
    work()
    assert jane.news() == (["opt_out_confirmation"] if confirmed else [])
    assert standing(line)[0] == "opted_out"


def test_a_stop_that_was_settled_late_is_not_confirmed(line: Line, jane: Phone, clock: Clock) -> None:
    text_in(JANE, line, "STOP")
    clock.passes(minutes=10)
    work()
    assert jane.news() == []
    assert standing(line)[0] == "opted_out"


def test_a_repeated_stop_gives_a_late_confirmation_no_more_time(line: Line, jane: Phone, clock: Clock) -> None:
    text_in(JANE, line, "STOP")
    inbound.settle_number(JANE)
    clock.passes(minutes=4, seconds=55)
    text_in(JANE, line, "STOP")
    inbound.settle_number(JANE)
    clock.passes(seconds=10)
    work()
    assert jane.news() == []


# ---- other ways of saying it ----------------------------------------------------------------------------------------


def test_a_revocation_recorded_by_hand_sends_nothing(line: Line, jane: Phone) -> None:
    from messaging import capture

    ann = make_agent(line)
    jane.texts(line, "START")
    held = write(ann, line, "one")
    Message.objects.filter(pk=held.pk).update(status="held")
    jane.news()
    capture.record_revocation(JANE, line, by=ann, route="call", words="no more", occurred_at=timezone.now())
    work()
    assert jane.news() == []
    assert standing(line)[0] == "opted_out"
    held.refresh_from_db()
    assert held.status == "cancelled"
