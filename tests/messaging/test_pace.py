"""A line sends as many texts a second and a day as an officer allows; the others wait here, where a STOP catches them
(PRODUCT "The gate": line_pace)."""

import datetime as dt
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.db import connection, connections, transaction  # noqa: F401  (named by a mark)
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from consent.models import Line, User
from messaging import outbound, pace, queue, sending
from messaging.models import Message, Turnstile
from messaging.provider import ProviderError
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_agent, make_line, make_opted_in
from tests.world import Clock, Phone, now_in_sql, sweep, work

BUSY = ProviderError("20429", "slow down", permanent=False, may_have_left=False)
CROWD = [f"+12065550{serial}" for serial in range(110, 120)]


@pytest.fixture
def clock(db: None) -> Iterator[Clock]:
    """A Tuesday noon at which time stands still but for what passes, however slow the machine is."""
    with (
        time_machine.travel(dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC), tick=False) as traveller,
        mock.patch("consent.clock.database_now", timezone.now),
        mock.patch("consent.clock.now_in_sql", now_in_sql),
    ):
        yield Clock(traveller)


@pytest.fixture
def line(db: None, clock: Clock) -> Line:
    return make_line(mode="disclaimer", texts_per_second=1, category="informational")


@pytest.fixture
def ann(line: Line) -> User:
    for number in [JANE, OMAR, *CROWD]:
        make_opted_in(line, number)
    return make_agent(line)


def submit(ann: User, line: Line, to: str = JANE, **more: Any) -> Message:
    return outbound.submit(line=line, to=to, body="hello", author=ann, **more)


def status(text: Message) -> str:
    return Message.objects.get(pk=text.pk).status


def send(bulk: bool = False) -> None:
    """One worker's turn on one of the queues."""
    for conversation in queue.conversations(bulk=bulk):
        outbound.send_conversation(conversation)


# ---- a second -------------------------------------------------------------------------------------------------------


def test_the_second_text_of_a_second_waits_and_leaves_by_itself(
    line: Line, ann: User, clock: Clock, jane: Phone
) -> None:
    first, second = submit(ann, line), submit(ann, line, OMAR)
    assert (first.status, second.status, second.reason) == ("queued", "deferred", "line_pace")
    assert second.reason_text == "This line sends as fast as it may. This waits its turn."
    send()
    assert [status(first), status(second)] == ["sent", "deferred"]
    clock.passes(seconds=1.1)
    send()
    assert status(second) == "sent"


def test_three_a_second_are_three_in_any_second(clock: Clock, provider: FakeProvider) -> None:
    line = make_line(mode="disclaimer", texts_per_second=3)
    for number in CROWD:
        make_opted_in(line, number)
    ann = make_agent(line)
    for number in CROWD:
        submit(ann, line, number)
    for _ in range(12):
        send()
        clock.passes(seconds=0.45)
    claimed = sorted(Message.objects.exclude(claimed_at=None).values_list("claimed_at", flat=True))
    assert len(claimed) == len(CROWD)
    assert all(later - earlier >= pace.SECOND for earlier, later in zip(claimed, claimed[3:], strict=False))


def test_each_is_told_when_its_turn_is_expected(line: Line, ann: User, clock: Clock, jane: Phone) -> None:
    texts = [submit(ann, line, number) for number in CROWD]
    waits = [(text.not_before - texts[0].created).total_seconds() for text in texts[1:]]
    assert waits == pytest.approx(range(1, len(CROWD)), abs=0.5)
    for serial in range(1, len(CROWD)):
        send()
        clock.passes(seconds=1)
        left = Message.objects.filter(status="sent").count()
        assert left == serial


def test_what_waits_leaves_in_the_order_in_which_it_came(line: Line, ann: User, clock: Clock, jane: Phone) -> None:
    texts = [submit(ann, line, number) for number in [*CROWD[:3], CROWD[0], *CROWD[3:]]]
    for _ in texts:
        send()
        clock.passes(seconds=1.1)
    claimed = Message.objects.order_by("claimed_at").values_list("pk", flat=True)
    assert list(claimed) == [text.pk for text in texts]


def test_a_stop_cancels_what_the_pace_holds(line: Line, ann: User, clock: Clock, jane: Phone) -> None:
    submit(ann, line, OMAR)
    texts = [submit(ann, line), submit(ann, line, bulk=True)]
    jane.texts(line, "STOP")
    assert [status(text) for text in texts] == ["cancelled", "cancelled"]
    assert jane.news() == ["opt_out_confirmation"], "which waits for nobody"
    clock.passes(seconds=5)
    sweep()
    assert jane.news() == []


def test_who_comes_behind_one_that_opted_out_moves_up(line: Line, ann: User, clock: Clock, jane: Phone) -> None:
    submit(ann, line, OMAR)
    gone, last = submit(ann, line), submit(ann, line, CROWD[0])
    send()
    jane.texts(line, "STOP")
    assert status(gone) == "cancelled"
    clock.passes(seconds=1.1)
    assert last.not_before > timezone.now()
    send()
    assert status(last) == "sent"


def test_help_is_answered_at_once(line: Line, ann: User, clock: Clock, jane: Phone) -> None:
    submit(ann, line, OMAR)
    send()
    jane.texts(line, "HELP")
    assert jane.news() == ["help_reply"]


def test_a_quicker_pace_lets_go_what_waits(line: Line, ann: User, clock: Clock, jane: Phone) -> None:
    for number in CROWD:
        submit(ann, line, number)
    send()
    Line.objects.filter(pk=line.pk).update(texts_per_second=None)
    send()
    assert Message.objects.filter(status="sent").count() == len(CROWD)


def test_a_slower_pace_holds_for_what_waits(line: Line, ann: User, clock: Clock, jane: Phone) -> None:
    Line.objects.filter(pk=line.pk).update(texts_per_second=5)
    line.refresh_from_db()
    for number in CROWD:
        submit(ann, line, number)
    send()
    assert Message.objects.filter(status="sent").count() == 5
    Line.objects.filter(pk=line.pk).update(texts_per_second=1)
    clock.passes(seconds=1.1)
    send()
    assert Message.objects.filter(status="sent").count() == 6
    assert Turnstile.objects.count() == 1


# ---- a day ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def daily(db: None, clock: Clock) -> Line:
    return make_line(mode="disclaimer", texts_per_day=3)


@pytest.fixture
def ben(daily: Line) -> User:
    for number in [JANE, *CROWD]:
        make_opted_in(daily, number)
    return make_agent(daily, name="ben")


def test_a_day_has_its_texts_and_the_next_has_new_ones(daily: Line, ben: User, clock: Clock, jane: Phone) -> None:
    for number in CROWD[:4]:
        submit(ben, daily, number)
    work()
    waits = Message.objects.get(status="deferred")
    assert waits.not_before == dt.datetime(2026, 12, 2, tzinfo=dt.UTC)
    assert submit(ben, daily, CROWD[4]).not_before == dt.datetime(2026, 12, 2, 8, tzinfo=dt.UTC), "spread over the day"
    clock.passes(hours=11, minutes=59)
    send()
    assert status(waits) == "deferred"
    clock.passes(minutes=2)
    send()
    assert Message.objects.filter(status="sent").count() == 5


def test_the_day_is_that_of_the_install(daily: Line, ben: User, clock: Clock, jane: Phone, settings: Any) -> None:
    settings.TIME_ZONE = "America/New_York"
    for number in CROWD[:4]:
        submit(ben, daily, number)
    work()
    assert Message.objects.get(status="deferred").not_before == dt.datetime(2026, 12, 2, 5, tzinfo=dt.UTC)


def test_a_text_that_is_tried_again_counts_once(daily: Line, ben: User, clock: Clock, jane: Phone) -> None:
    jane.provider.errors.extend([BUSY, BUSY])
    text = submit(ben, daily)
    for _ in range(3):
        work()
        clock.passes(seconds=10)
    assert status(text) == "sent" and Message.objects.get().tries == 2
    for number in CROWD[:3]:
        submit(ben, daily, number)
    work()
    assert Message.objects.filter(status="sent").count() == 3


def test_a_text_that_was_given_back_counts_once(daily: Line, ben: User, clock: Clock, jane: Phone) -> None:
    text = submit(ben, daily)
    for _ in range(5):
        claimed = outbound.claim(text.conversation_id)
        assert claimed
        outbound.give_back(claimed.message)
    for number in CROWD[:3]:
        submit(ben, daily, number)
    send()
    assert Message.objects.filter(status="sent").count() == 3


def test_a_changed_pace_forgets_nothing_of_today(daily: Line, ben: User, clock: Clock, jane: Phone) -> None:
    for number in CROWD[:2]:
        submit(ben, daily, number)
    work()
    Line.objects.filter(pk=daily.pk).update(texts_per_second=2)
    daily.refresh_from_db()
    for number in CROWD[2:6]:
        submit(ben, daily, number)
    for _ in range(3):
        work()
        clock.passes(seconds=1.1)
    assert Message.objects.filter(status="sent").count() == 3


# ---- bulk -----------------------------------------------------------------------------------------------------------


def test_a_text_that_somebody_waits_for_goes_before_bulk(line: Line, ann: User, clock: Clock, jane: Phone) -> None:
    many = [submit(ann, line, number, bulk=True) for number in CROWD]
    send(bulk=True)
    one = submit(ann, line)
    clock.passes(seconds=1.1)
    for _ in range(2):
        send(bulk=True)
        send()
    assert status(one) == "sent"
    assert sum(status(text) == "sent" for text in many) <= 2
    assert one.not_before is None or one.not_before <= one.created + pace.SECOND


def test_it_takes_along_what_stands_before_it_in_its_conversation(
    line: Line, ann: User, clock: Clock, jane: Phone
) -> None:
    for number in CROWD:
        submit(ann, line, number, bulk=True)
    before, text = submit(ann, line, bulk=True), submit(ann, line)
    for _ in range(3):
        send()
        clock.passes(seconds=1.1)
    assert [status(before), status(text)] == ["sent", "sent"]
    assert Message.objects.filter(status="sent").count() == 2


def test_bulk_is_left_to_its_own_queue(line: Line, ann: User, clock: Clock, jane: Phone) -> None:
    text = submit(ann, line, bulk=True)
    assert list(queue.conversations(bulk=False)) == []
    assert list(queue.conversations(bulk=True)) == [text.conversation_id]


def test_who_sends_to_many_without_saying_so_sends_bulk(
    ann: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "MANY", 5)
    line = make_line("+12065550101", mode="disclaimer")
    many = [submit(ann, line, number) for number in CROWD]
    assert [text.bulk for text in many] == [False] * 5 + [True] * 5 or [text.bulk for text in many][-1]
    assert not submit(make_agent(line), line).bulk


def test_a_request_before_a_bulk_text_is_bulk(clock: Clock) -> None:
    line = make_line("+12065550101")
    submit(make_agent(line), line, bulk=True)
    assert set(Message.objects.values_list("purpose", "bulk")) == {("request_ours", True), ("ordinary", True)}


# ---- fairness between lines -----------------------------------------------------------------------------------------


def test_lines_take_turns(db: None, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "PAGE", 4)
    busy, calm = make_line(mode="disclaimer"), make_line("+12065550101", mode="disclaimer")
    for each in (busy, calm):
        for number in CROWD:
            make_opted_in(each, number)
    ann = make_agent(busy, calm)
    for number in CROWD:
        submit(ann, busy, number)
    few = [submit(ann, calm, number) for number in CROWD[:3]]
    first = list(itertools.islice(queue.conversations(bulk=False), 6))
    assert {text.conversation_id for text in few} <= set(first)


def test_a_line_without_room_costs_others_nothing(line: Line, ann: User, clock: Clock, jane: Phone) -> None:
    for number in CROWD:
        submit(ann, line, number)
    send()
    other = make_line("+12065550101", mode="disclaimer")
    make_opted_in(other)
    text = submit(make_agent(other), other)
    assert list(queue.conversations(bulk=False)) == [text.conversation_id]


def test_one_that_cannot_move_does_not_block_its_line(line: Line, clock: Clock, jane: Phone) -> None:
    ann = make_agent(line)
    stuck = submit(ann, line)  # Jane is told first, and nobody knows whether that left
    Message.objects.filter(purpose="disclaimer_ours").update(status="unknown")
    for number in CROWD[:3]:
        make_opted_in(line, number)
        submit(ann, line, number)
    for _ in range(5):
        send()
        clock.passes(seconds=1.1)
    assert Message.objects.filter(status="sent").count() == 3
    assert status(stuck) in {"queued", "deferred"}


IN_THE_WAY = {
    "of unknown fate": {"status": "unknown"},
    "being sent": {"status": "sending"},
    "turned away for now": {
        "status": "queued",
        "reason": "",
        "not_before": dt.datetime(2026, 12, 1, 13, tzinfo=dt.UTC),
    },
    "put off to the morning": {
        "status": "deferred",
        "reason": "quiet_hours",
        "not_before": dt.datetime(2026, 12, 2, tzinfo=dt.UTC),
    },
}


@pytest.mark.parametrize("became", IN_THE_WAY.values(), ids=IN_THE_WAY.keys())
def test_one_that_cannot_move_keeps_no_bell_ringing_and_no_bulk_waiting(
    line: Line, clock: Clock, jane: Phone, became: dict[str, Any]
) -> None:
    """It may be days before a person says what became of the text before it."""
    ann = make_agent(line)
    make_opted_in(line, OMAR)
    submit(ann, line, OMAR)
    stuck = submit(ann, line)
    assert (stuck.status, stuck.reason) == ("deferred", "line_pace")
    Message.objects.filter(purpose="disclaimer_ours").update(**became)
    send()
    clock.passes(seconds=1.1)
    assert queue.next_turn(bulk=False) is None
    make_opted_in(line, CROWD[0])
    bulk = submit(ann, line, CROWD[0], bulk=True)
    send(bulk=True)
    clock.passes(seconds=1.1)
    send(bulk=True)
    assert status(bulk) == "sent"
    Message.objects.filter(purpose="disclaimer_ours").update(status="sent")
    assert queue.next_turn(bulk=False) is not None


def test_where_nothing_left_the_queue_is_not_looked_through_again_at_once(
    line: Line, clock: Clock, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.SWEEP_SECONDS = 5.0
    monkeypatch.setattr(queue, "next_turn", lambda *, bulk: timezone.now())
    sender = sending.Sender(bulk=False)
    sender.run()
    assert sender._alarm is not None
    sender._alarm.cancel()
    assert sender._alarm.interval >= 0.5


# ---- the estimate, pure ---------------------------------------------------------------------------------------------

NOON = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)


@given(
    number=st.integers(1, 200),
    per_second=st.none() | st.integers(1, 50),
    per_day=st.none() | st.integers(1, 500),
    gone=st.integers(0, 500),
)
def test_no_day_is_promised_more_texts_than_it_has(
    number: int, per_second: int | None, per_day: int | None, gone: int
) -> None:
    left = max(per_day - gone, 0) if per_day else 0
    moments, behind = [], NOON
    for _ in range(number):
        behind = pace.expected(behind, NOON, per_second=per_second, per_day=per_day, left_today=left)
        moments.append(behind)
    assert moments == sorted(moments)
    midnight = pace.next_midnight(NOON)
    if per_day:
        assert sum(moment < midnight for moment in moments) <= left
        for days in range(3):
            day = [m for m in moments if midnight + days * pace.DAY < m <= midnight + (days + 1) * pace.DAY]
            assert len(day) <= per_day + 1
    if per_second and not per_day:
        assert moments[-1] - NOON == pytest.approx(number * pace.SECOND / per_second, abs=dt.timedelta(milliseconds=1))


# ---- several workers at once ----------------------------------------------------------------------------------------


def together(*jobs: Callable[[], Any]) -> None:
    barrier, raised = threading.Barrier(len(jobs)), []

    def run(job: Callable[[], Any]) -> None:
        try:
            barrier.wait(10)
            job()
        except BaseException as error:
            raised.append(error)  # asserted on below
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not raised and not any(thread.is_alive() for thread in threads)


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one writer in at a time by itself")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("per_day", [None, 6])
def test_no_second_and_no_day_sees_more_than_the_line_may_send(provider: FakeProvider, per_day: int | None) -> None:
    line = make_line(mode="disclaimer", texts_per_second=4, texts_per_day=per_day)
    numbers = [f"+1206555{serial:04}" for serial in range(100, 120)]
    with transaction.atomic():
        for number in numbers:
            make_opted_in(line, number)
    ann = make_agent(line)
    conversations = [submit(ann, line, number).conversation_id for number in numbers]
    give_up = timezone.now() + dt.timedelta(seconds=2.5)

    def worker(mine: list[int]) -> Callable[[], None]:
        def job() -> None:
            for conversation in itertools.cycle(mine):
                if timezone.now() > give_up:
                    return
                outbound.send_conversation(conversation)

        return job

    together(*[worker(conversations[first::4]) for first in range(4)])
    claimed = sorted(Message.objects.exclude(claimed_at=None).values_list("claimed_at", flat=True))
    assert all(later - earlier >= pace.SECOND for earlier, later in zip(claimed, claimed[4:], strict=False))
    assert 5 <= len(claimed) <= (per_day or 60), "more than in the first second"
    assert len(provider.sent) == len(claimed)
