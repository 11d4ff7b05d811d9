"""Hosts whose clocks are wrong: the database's clock decides what leaves when (ARCHITECTURE "The way out")."""

import datetime as dt
from collections.abc import Iterator
from unittest import mock

import pytest
import time_machine
from django.utils import timezone

from consent.models import Line
from messaging import inbound, look_up, outbound, queue, reconcile, tasks
from messaging.models import Conversation, Message
from messaging.provider import ProviderError
from tests.fake_provider import FakeProvider
from tests.make import JANE, make_agent, make_line, make_opted_in
from tests.world import standing, text_in

pytestmark = pytest.mark.django_db

# In Seattle, where Jane is, texts may arrive from 8:00.
EIGHT = dt.datetime(2027, 12, 1, 16, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


class Host:
    """True time, which the database has, and a host that is wrong by ``off``."""

    def __init__(self, traveller: time_machine.Traveller, off: dt.timedelta) -> None:
        self._traveller, self._off = traveller, off

    def true_now(self) -> dt.datetime:
        return timezone.now() - self._off

    def in_sql(self) -> str:
        return f"'{self.true_now():%Y-%m-%d %H:%M:%S.%f}'"

    def it_is(self, moment: dt.datetime) -> None:
        self._traveller.move_to(moment + self._off, tick=False)


@pytest.fixture(params=[HOUR, -HOUR], ids=["ahead", "behind"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with time_machine.travel(EIGHT, tick=False) as traveller:
        host = Host(traveller, request.param)
        with (
            mock.patch("consent.clock.database_now", host.true_now),
            mock.patch("consent.clock.now_in_sql", host.in_sql),
        ):
            yield host


def send() -> None:
    for conversation in Conversation.objects.all():
        outbound.send_conversation(conversation.pk)


def test_what_is_due_is_called(host: Host, line: Line, provider: FakeProvider) -> None:
    """Also where every host is behind: else it would be an hour late."""
    host.it_is(EIGHT - dt.timedelta(minutes=30))
    text = outbound.submit(line=line, to=JANE, body="Your order is ready", author=make_agent(line))
    assert list(queue.conversations(bulk=False)) == []
    host.it_is(EIGHT + dt.timedelta(seconds=1))
    assert list(queue.conversations(bulk=False)) == [text.conversation_id]


@pytest.fixture
def line(host: Host) -> Line:
    host.it_is(EIGHT - 3 * HOUR)
    line = make_line(quiet_hours=True)
    make_opted_in(line)
    return line


def test_nothing_leaves_before_the_hour_and_all_of_it_after(host: Host, line: Line, provider: FakeProvider) -> None:
    host.it_is(EIGHT - dt.timedelta(minutes=30))
    text = outbound.submit(line=line, to=JANE, body="Your order is ready", author=make_agent(line))
    tasks.sweep()
    send()
    assert not provider.sent
    host.it_is(EIGHT + dt.timedelta(seconds=1))
    tasks.sweep()
    send()
    assert len(provider.sent) == 1
    text.refresh_from_db()
    assert text.claimed_at == EIGHT + dt.timedelta(seconds=1)


def test_what_may_leave_is_not_put_off(host: Host, line: Line, provider: FakeProvider) -> None:
    """A quarter to eight in the evening: a host that is ahead believes that it is too late."""
    host.it_is(EIGHT + dt.timedelta(hours=11, minutes=45))
    outbound.submit(line=line, to=JANE, body="Your order is ready", author=make_agent(line))
    send()
    assert len(provider.sent) == 1


def test_nothing_leaves_after_the_hour(host: Host, line: Line, provider: FakeProvider) -> None:
    host.it_is(EIGHT + dt.timedelta(hours=12, minutes=15))
    text = outbound.submit(line=line, to=JANE, body="Your order is ready", author=make_agent(line))
    send()
    assert not provider.sent
    assert text.not_before == EIGHT + dt.timedelta(days=1)


def test_a_stop_is_confirmed_in_time(host: Host, line: Line, provider: FakeProvider) -> None:
    host.it_is(EIGHT)
    text_in(JANE, line, "STOP")
    inbound.settle_waiting()
    tasks.sweep()
    host.it_is(EIGHT + dt.timedelta(minutes=1))
    tasks.sweep()
    send()
    assert [text.body for text in provider.sent] == [Message.objects.get(purpose="opt_out_confirmation").body]


def test_workers_find_what_waits_when_its_hour_has_come(host: Host, line: Line, provider: FakeProvider) -> None:
    host.it_is(EIGHT - dt.timedelta(minutes=30))
    text = outbound.submit(line=line, to=JANE, body="Your order is ready", author=make_agent(line))
    assert not list(queue.conversations(bulk=False))
    host.it_is(EIGHT + dt.timedelta(seconds=1))
    assert list(queue.conversations(bulk=False)) == [text.conversation_id]


def test_workers_come_back_when_the_line_has_room(host: Host, line: Line, provider: FakeProvider) -> None:
    host.it_is(EIGHT)
    line.texts_per_second = 1
    line.save()
    for serial in range(2):
        outbound.submit(line=line, to=JANE, body=f"Text {serial}", author=make_agent(line))
    send()
    assert len(provider.sent) == 1
    assert queue.next_turn(bulk=False) == EIGHT + dt.timedelta(seconds=1)


def test_texts_bear_the_true_time(host: Host, line: Line, provider: FakeProvider) -> None:
    host.it_is(EIGHT)
    text = outbound.submit(line=line, to=JANE, body="Your order is ready", author=make_agent(line))
    send()
    text.refresh_from_db()
    assert text.created == text.sent_at == EIGHT


def test_a_stop_without_a_webhook_is_found(host: Host, line: Line, provider: FakeProvider) -> None:
    host.it_is(EIGHT)
    reconcile.reconcile()
    host.it_is(EIGHT + dt.timedelta(minutes=5))
    provider.receives(JANE, line.number, "STOP", at=host.true_now())
    host.it_is(EIGHT + dt.timedelta(minutes=10))
    reconcile.reconcile()
    inbound.settle_waiting()
    assert standing(line)[0] == "opted_out"


def test_what_became_of_a_text_is_asked_again_in_time(host: Host, line: Line, provider: FakeProvider) -> None:
    host.it_is(EIGHT)
    provider.errors.append(ProviderError("", "no answer", permanent=False, may_have_left=True))
    text = outbound.submit(line=line, to=JANE, body="Your order is ready", author=make_agent(line))
    send()
    provider.silent = True
    tasks.look_up_unknown()
    text.refresh_from_db()
    assert text.status == "unknown" and text.look_up_after == EIGHT + look_up.FIRST_PAUSE
