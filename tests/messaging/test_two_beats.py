"""Two clocks (beats) by mistake do no harm: each periodic task, run twice at once, leaves what one run leaves."""

from collections import Counter

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from config.celery import app
from consent.models import LedgerEntry, Line, OptInRequest, User
from consent.verification import verify
from consent.vocabulary import RequestOutcome
from messaging.models import Message, Notice, Receipt, Review
from messaging.turns import Turn
from reporting import figures
from reporting.models import Figure, Mark
from tests.fake_provider import FakeProvider
from tests.make import ago, make_agent, make_line
from tests.messaging.test_races import together
from tests.world import say, text_in, work, write

PERIODIC = sorted({entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()})
# What the sweep rings for.
RUNG_FOR = [
    "messaging.tasks.settle_waiting",
    "messaging.tasks.send_due",
    "messaging.tasks.open_lines",
    "messaging.tasks.look_up_unknown",
]
NUMBERS = [f"+1206555016{digit}" for digit in range(4)]


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process a task's second run would wait for its turn; here each thread is a process of its own."""
    monkeypatch.setattr(Turn, "take", lambda turn: turn._work())


def test_every_periodic_task_is_one_of_ours() -> None:
    app.loader.import_default_modules()
    assert set(PERIODIC) <= set(app.tasks)
    assert {"messaging.tasks.sweep", "reporting.tasks.count"} <= set(PERIODIC)


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one writer in at a time by itself")
def test_two_of_each_at_once_leave_what_one_leaves(provider: FakeProvider, two_processes: None) -> None:
    app.loader.import_default_modules()
    line = make_line(name="Sales")
    ann = make_agent(line)
    _everything_that_is_due(line, ann)
    for name in [*PERIODIC, *RUNG_FOR]:
        task = app.tasks[name]
        assert together(task.run, task.run) == [], name
    work()
    for _ in range(3):  # on PostgreSQL counts become final with the next looks
        assert together(*[app.tasks["reporting.tasks.count"].run] * 2) == []

    kinds = Counter(LedgerEntry.objects.values_list("kind", flat=True))
    assert kinds["request_expired"] == len(NUMBERS), kinds
    assert Counter(OptInRequest.objects.values_list("outcome", flat=True))[RequestOutcome.EXPIRED] == len(NUMBERS)
    assert Notice.objects.filter(kind="notice_expired").count() == len(NUMBERS)
    assert Review.objects.get().outcome == "undecided"
    assert not Receipt.objects.unsettled().exists()
    assert Message.objects.get(body="lost").status == "unknown"
    assert Message.objects.get(body="late").status == "cancelled"
    assert Line.objects.get(name="New").is_open
    sent = Counter(text.callback_url for text in provider.sent)
    assert set(sent.values()) == {1}, "no text left twice"
    assert Mark.objects.count() == 1
    counted = _figures()
    assert counted
    figures.recount()
    assert _figures() == counted, "each entry is counted once"
    assert list(verify()) == []


def _figures() -> Counter[tuple[object, ...]]:
    return Counter(Figure.objects.values_list("what", "line", "day", "key", "number"))


def _everything_that_is_due(line: Line, ann: User) -> None:
    """For each step of the sweep something to do, for the workers too."""
    for number in NUMBERS:
        write(ann, line, to=number)
    OptInRequest.objects.update(expires_at=ago(minutes=1))
    say("+12065550170", line, "START")
    say("+12065550170", line, "I don't know why you keep texting me")
    Review.objects.update(last_day=ago(days=1).date())
    say("+12065550171", line, "START")
    for body, changes in {
        "lost": {"status": "sending", "claimed_at": ago(minutes=5)},
        "late": {"status": "queued", "send_before": ago(minutes=1), "not_before": timezone.now()},
    }.items():
        message = write(ann, line, body, to="+12065550171")
        Message.objects.filter(pk=message.pk).update(**changes)
    make_line("+12065550101", name="New", opened=False)
    for digit in range(4):
        text_in(f"+1206555018{digit}", line, "hello")
