"""Many receipts at once: what officers set is looked up once for those that waited, never too late for others."""

import datetime as dt

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.beat import Scheduler
from config.celery import app
from consent.models import Line, Organisation
from consent.remembered import Memory, recall
from messaging import inbound
from messaging.models import KeywordResponder, Message
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_line, make_opted_in
from tests.world import text_in, work

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def line() -> Line:
    return make_line()


def test_an_ordinary_text_takes_few_statements(line: Line, provider: FakeProvider) -> None:
    for number in (JANE, OMAR):
        make_opted_in(line, number)
        text_in(number, line, "hello")
    inbound.settle_waiting()
    for number in (JANE, OMAR):
        text_in(number, line, "where is my order?")
    memory = Memory()
    inbound._settle_all(JANE, memory)
    with CaptureQueriesContext(connection) as found:
        inbound._settle_all(OMAR, memory)
    assert Message.objects.filter(direction="in").count() == 4
    assert len(found) <= 17, [query["sql"][:90] for query in found]


def test_a_memory_serves_what_came_in_before_it_began() -> None:
    looked_up: list[str] = []

    def look_up() -> int:
        looked_up.append("again")
        return len(looked_up)

    memory = Memory()
    with memory.serving(received_at=NOON - SECOND, now=NOON):
        assert [recall("words", look_up), recall("words", look_up)] == [1, 1]
    with memory.serving(received_at=NOON - SECOND, now=NOON + SECOND):
        assert recall("words", look_up) == 1
    # This one came in after the look-up: somebody may have changed something in between.
    with memory.serving(received_at=NOON, now=NOON + SECOND):
        assert recall("words", look_up) == 2
    assert recall("words", look_up) == 3, "outside a memory nothing is remembered"


def test_a_memory_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consent.remembered.KEPT_SECONDS", 0.0)
    memory = Memory()
    for serial in range(2):
        with memory.serving(received_at=NOON - SECOND, now=NOON):
            assert recall("words", lambda serial=serial: serial) == serial


def test_a_word_that_is_added_before_it_is_texted_works(line: Line, provider: FakeProvider) -> None:
    """In the middle of a backlog: the text that follows the change is read by it."""
    make_opted_in(line)
    memory = Memory()
    text_in(JANE, line, "BASTANTE")
    inbound._settle_all(JANE, memory)
    KeywordResponder(keyword="BASTANTE", action="opt_out").enter()
    Organisation.objects.filter(pk=1).update(name="Harbor Clinic")
    text_in(JANE, line, "BASTANTE")
    inbound._settle_all(JANE, memory)
    assert list(Message.objects.filter(direction="in").order_by("pk").values_list("meaning", flat=True)) == [
        "conversation",
        "opt_out",
    ]
    work()
    assert "Harbor Clinic" in provider.sent[-1].body


def test_beat_goes_on_when_its_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = Scheduler(app=app, lazy=True)
    sent: list[str] = []
    monkeypatch.setattr(Scheduler, "apply_async", lambda self, entry, **kwargs: sent.append(entry.task))
    with time_machine.travel(NOON, tick=False) as clock:
        scheduler.setup_schedule()
        clock.shift(3600)
        while not scheduler.tick():
            pass
        often = {"messaging.tasks.sweep", "messaging.tasks.reconcile_inbound", "reporting.tasks.count"}
        assert often <= set(sent)
        sent.clear()
        clock.shift(-3600)
        scheduler.tick()
        clock.shift(400)
        while not scheduler.tick():
            pass
        assert often <= set(sent)
