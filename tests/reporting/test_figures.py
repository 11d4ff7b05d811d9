"""What is counted bit by bit is what a full count finds, whatever happened in between."""

import datetime as dt
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from consent import ledger
from consent.ledger import Authority, Proof
from consent.models import Consent, Contact, LedgerEntry, Line, OptInRequest
from consent.vocabulary import Channel, EntryKind, Level, Scope, Status
from messaging.models import Conversation, Message
from reporting import checks, figures
from reporting.figures import What
from reporting.models import Figure, Mark
from tests.make import make_contact, make_line, make_opted_in
from tests.world import Clock

TODAY = dt.date(2026, 12, 1)


def stored() -> dict[tuple[object, ...], int]:
    """All figures but those that came to nothing."""
    rows = Figure.objects.values_list("what", "line", "day", "key", "number")
    return {row[:-1]: row[-1] for row in rows if row[-1]}


def in_the_tables(line: Line | None = None) -> Counter[str]:
    rows = Consent.objects.filter(line=line) if line else Consent.objects.all()
    return Counter(rows.values_list("status", flat=True))


def as_read(line: Line | None = None) -> Counter[str]:
    found = figures.read(timezone.localdate(), [line.pk] if line else None)
    return Counter({str(status): found.status(status, line.pk if line else None) for status in Status})


def count_all() -> None:
    """Count until nothing is left. On PostgreSQL transactions in the server's other databases delay that."""
    give_up = time.monotonic() + 30
    while True:
        figures.count()
        if Mark.objects.get().ledger == LedgerEntry.objects.latest("pk").pk:
            return
        assert time.monotonic() < give_up


def something_happens(chance: random.Random, lines: list[Line]) -> None:
    """One change of consent, of somebody, somewhere."""
    contact, line = make_contact(f"+1206555{chance.randrange(100, 110):04}"), chance.choice(lines)
    now = timezone.now()
    proof = Proof(
        Channel.KEYWORD, {"text": str(chance.random())}, rule=chance.choice(["keyword:STOP", "en.asks_to_stop"])
    )
    with transaction.atomic():
        contact = Contact.objects.lock(contact.number)
        match chance.randrange(6):
            case 0:
                ledger.opt_out(contact, line, proof, occurred_at=now, scope=chance.choice(list(Scope)))
            case 1 | 2:
                ledger.opt_in(contact, line, proof, occurred_at=now, level=Level.EXPRESS, authority=Authority.CONTACT)
            case 3:
                ledger.told(contact, line, proof, at=now)
            case 4:
                ledger.set_blocked_at_provider(contact, line, chance.random() < 0.5)  # a row without an entry
            case 5:
                if not OptInRequest.objects.open().filter(contact=contact, line=line).exists():
                    asked = OptInRequest.objects.create(
                        contact=contact, line=line, kind="ours", channel=Channel.AGENT, created=now
                    )
                    ledger.asked(asked, proof, at=now, expires_after=dt.timedelta(days=7))
                    if chance.random() < 0.5:
                        ledger.request_expired(asked, proof, at=now)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_counted_bit_by_bit_is_what_a_full_count_finds(seed: int) -> None:
    chance = random.Random(seed)
    lines = [make_line(f"+1425555010{serial}") for serial in range(3)]
    for _ in range(60):
        something_happens(chance, lines)
        if chance.random() < 0.3:
            figures.count()
        if chance.random() < 0.2:
            assert as_read() == in_the_tables()
            assert as_read(lines[0]) == in_the_tables(lines[0])
    count_all()
    bit_by_bit = stored()
    figures.recount()
    assert stored() == bit_by_bit
    assert as_read() == in_the_tables()
    outs = LedgerEntry.objects.filter(kind=EntryKind.OPTED_OUT).count()
    assert outs and figures.read(timezone.localdate()).on(timezone.localdate(), Status.OPTED_OUT) == outs
    assert not checks.figures_are_right(databases=["default"])


@pytest.mark.django_db
def test_the_page_knows_what_nobody_has_counted_yet() -> None:
    line = make_line()
    make_opted_in(line)
    assert not Mark.objects.exists()
    assert as_read()[Status.OPTED_IN] == 1
    assert as_read(line)[Status.OPTED_IN] == 1


@pytest.mark.django_db
def test_a_page_reads_only_so_much_of_what_was_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    line = make_line()
    for serial in range(4):
        make_opted_in(line, f"+1206555010{serial}")
    first = LedgerEntry.objects.earliest("pk").pk
    Mark.objects.create(pk=1, ledger=first - 1, seen_ledger=first + 3)
    monkeypatch.setattr(figures, "LIVE_IDS", 2)
    found = figures.read(timezone.localdate())
    assert found.status(Status.OPTED_IN) == 2
    assert found.behind


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_an_entry_that_commits_late_is_counted() -> None:
    """It has a lower id than others that were committed, and counted or seen, before it."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer: ids are in the order of commits")
    line = make_line()
    written, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                make_contact("+12065550101")
                make_opted_in(line, "+12065550101")
                written.set()
                assert go_on.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert written.wait(20)
    with transaction.atomic():
        make_opted_in(line, "+12065550102")
    for _ in range(3):
        figures.count()
    assert Mark.objects.get().ledger == 0  # somebody may still write below what was seen
    assert as_read() == Counter({Status.OPTED_IN: 1})
    go_on.set()
    thread.join()
    assert as_read() == Counter({Status.OPTED_IN: 2})
    count_all()
    assert as_read() == Counter({Status.OPTED_IN: 2})


@pytest.fixture
def written(clock: Clock) -> Iterator[Conversation]:
    line = make_line()
    yield Conversation.objects.create(contact=make_contact(), line=line)


def text(conversation: Conversation, status: str, reason: str = "", days: int = 0) -> Message:
    created = timezone.now() - dt.timedelta(days=days)
    return Message.objects.create(
        conversation=conversation,
        direction="out",
        purpose="ordinary",
        body="x",
        status=status,
        reason=reason,
        created=created,
    )


def test_what_changes_after_it_was_counted_is_counted_anew(written: Conversation, clock: Clock) -> None:
    refused, held = text(written, "refused", "opted_out", days=6), text(written, "held")
    text(written, "refused", "opted_out", days=7)  # one day too old
    text(written, "queued")
    figures.count()
    since = figures.since(TODAY, figures.REFUSED_DAYS)
    found = figures.read(TODAY)
    assert found.by_key(What.REFUSED, since) == {"opted_out": 1}
    assert found.by_key(What.TEXTS, None) == {"held": 1}
    assert found.counted_at and timezone.now() - found.counted_at < dt.timedelta(minutes=1)
    Message.objects.filter(pk=refused.pk).update(reason="unreachable")
    Message.objects.filter(pk=held.pk).update(status="cancelled")
    clock.passes(minutes=11)  # the queued one is late now
    figures.count()
    found = figures.read(TODAY)
    assert found.by_key(What.REFUSED, since) == {"unreachable": 1}
    assert found.by_key(What.TEXTS, None) == {"queued": 1}


def test_days_are_those_of_the_install(written: Conversation, settings: object) -> None:
    settings.TIME_ZONE = "America/Los_Angeles"  # type: ignore[attr-defined]
    with timezone.override("America/Los_Angeles"):
        created = dt.datetime(2026, 12, 1, 6, tzinfo=dt.UTC)  # late on 30 November there
        Message.objects.filter(pk=text(written, "refused", "opted_out").pk).update(created=created)
        figures.count()
        assert set(Figure.objects.filter(what=What.REFUSED).values_list("day", flat=True)) == {dt.date(2026, 11, 30)}


@pytest.mark.django_db(transaction=True)
def test_the_check_and_the_command_find_and_mend_what_is_wrong() -> None:
    line = make_line()
    with transaction.atomic():
        make_opted_in(line)
    count_all()
    Figure.objects.filter(what=What.STATUS).update(number=7)
    assert [found.id for found in checks.figures_are_right(databases=["default"])] == ["reporting.W001"]
    assert not checks.figures_are_right(databases=None)
    call_command("recount_figures")
    assert not checks.figures_are_right(databases=["default"])
    assert as_read() == in_the_tables()


@pytest.mark.django_db
def test_days_that_nobody_asks_for_are_forgotten() -> None:
    line = make_line()
    figures.count()
    today = timezone.localdate()
    old, young = figures.since(today, figures.KEPT_DAYS + 1), figures.since(today, figures.KEPT_DAYS)
    for day in (old, young):
        Figure.objects.create(what=What.CHANGES, line=line, day=day, key=">", number=1)
    figures.count()
    assert list(Figure.objects.filter(what=What.CHANGES).values_list("day", flat=True)) == [young]
