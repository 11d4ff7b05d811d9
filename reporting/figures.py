"""Counting ahead for the dashboard, and reading what was counted.

Consents and ledger entries only grow in number, so they are counted once: ``count`` adds what is new to the figures and
moves a mark, and ``read`` adds what lies behind the mark. What ``read`` gives is therefore as new as the database,
whatever the worker does; its cost depends on how much came in since the last count. One figure of the ledger is too
dear for a page: which text came before each opt-out. It is as new as the mark.

An entry with a lower id may be committed after one with a higher id (PostgreSQL). So the mark moves only to ids that
were seen by an earlier count, once every transaction that was under way then has ended: all of them wrote under a
contact's lock, so each had its transaction id before it took an id for its entry. SQLite has one writer, and there the
order of ids is the order of commits.

Requests and texts change after they were written, so their figures are counted anew each time, over a window of days
and in the background; the page says when that was.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import (
    BigIntegerField,
    Case,
    CharField,
    Count,
    DateField,
    DateTimeField,
    Exists,
    F,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Concat, TruncDate
from django.utils import timezone

from consent.gate import Purpose
from consent.models import Consent, LedgerEntry, OptInRequest
from consent.vocabulary import EntryKind, Status
from messaging import health
from messaging.models import Message, SavedTextVersion, TemplateVersion
from messaging.models.message import Direction, MessageStatus
from reporting.models import Figure, Mark

What = Figure.What

CHART_DAYS = 30  # today is one of them
REFUSED_DAYS = 7
# Days are kept a little longer than they are shown.
KEPT_DAYS = 62
# A queued text that is older than this should have left.
LATE = dt.timedelta(minutes=10)
# A text that left longer ago has nothing to do with an opt-out.
REMEMBERED = dt.timedelta(days=30)
# At most so many ids behind the mark are read for a page: about 50 ms. More is in the figures after the next counts.
LIVE_IDS = 50_000

# What is counted, of which line (its id; None: all together), on which day (None: now), and which of its kind.
Key = tuple[str, Any, dt.date | None, str]


@dataclass(frozen=True)
class Figures:
    """What was counted; ``counted_at`` is when those of requests and texts were, None for never.

    Keys have a line only where the figures were read line by line. ``behind`` says that more entries came in than one
    page may read, so that the figures of consent are not complete yet.
    """

    numbers: Counter[Key]
    counted_at: dt.datetime | None
    behind: bool

    def status(self, status: Status, line: int | None = None) -> int:
        """Contacts in this status now, a contact counted once on each line."""
        if status != Status.NOT_DEFINED:
            return self.numbers[What.STATUS, line, None, status]
        others = sum(self.status(other, line) for other in Status if other != Status.NOT_DEFINED)
        return self.numbers[What.PAIRS, line, None, ""] - others

    def into(self, status: Status, since: dt.date) -> int:
        """Changes to this status since that day."""
        return sum(self._changes(since, lambda before, after: after == status))

    def net(self, status: Status, since: dt.date) -> int:
        """By how much the number in this status has changed since that day."""
        return self.into(status, since) - sum(self._changes(since, lambda before, after: before == status))

    def on(self, day: dt.date, status: Status) -> int:
        """Changes to this status on that day."""
        return sum(self._changes(day, lambda before, after: after == status, until=day))

    def by_key(self, what: str, since: dt.date | None, line: int | None = None) -> Counter[str]:
        """Numbers of one kind since that day (None: now), each under its key."""
        found: Counter[str] = Counter()
        for (kind, of, day, key), number in self.numbers.items():
            if kind == what and of == line and (day is None if since is None else day is not None and day >= since):
                found[key] += number
        return found

    def _changes(self, since: dt.date, wanted: Any, until: dt.date | None = None) -> Iterable[int]:
        for (what, _, day, key), number in self.numbers.items():
            if what == What.CHANGES and day is not None and since <= day <= (until or day):
                before, _, after = key.partition(">")
                if wanted(before, after):
                    yield number


def since(today: dt.date, days: int) -> dt.date:
    """The first of so many days, the last of which is today."""
    return today - dt.timedelta(days=days - 1)


def begin(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))


# ---- reading --------------------------------------------------------------------------------------------------------


def read(today: dt.date, lines: Collection[int] | None = None) -> Figures:
    """The figures of all lines together, or line by line of ``lines``. Two queries; changes nothing."""
    rows = Figure.objects.filter(Q(day=None) | Q(day__gte=since(today, CHART_DAYS)))
    if lines is not None:
        rows = rows.filter(line__in=lines)
    nobody, no_day = Value(None, output_field=BigIntegerField()), Value(None, output_field=DateField())
    figures = rows.annotate(
        of=F("line_id") if lines is not None else nobody,
        **dict.fromkeys(("up_to", "up_to_consent", "seen"), nobody),
        at=Value(None, output_field=DateTimeField()),
    )
    mark = Mark.objects.annotate(
        what=Value("mark"),
        of=nobody,
        day=no_day,
        key=Value(""),
        total=Value(0, output_field=BigIntegerField()),
        up_to=F("ledger"),
        up_to_consent=F("consent"),
        seen=F("seen_ledger"),
        at=F("counted_at"),
    )
    # In one statement with the numbers, or a count that commits in between would be seen in half.
    columns = ["what", "of", "day", "key", "up_to", "up_to_consent", "seen", "at"]
    both = (
        figures.order_by()
        .values_list(*columns)
        .annotate(total=Sum("number"))
        .union(mark.values_list(*columns, "total"), all=True)
    )
    numbers: Counter[Key] = Counter()
    ledger, consent, seen_ledger, counted_at = 0, 0, 0, None
    for what, line, day, key, *marked, number in both:
        if what == "mark":
            ledger, consent, seen_ledger, counted_at = marked
        else:
            numbers[what, line, day, key] = number
    new = _tally((ledger, ledger + LIVE_IDS), (consent, consent + LIVE_IDS), lines)
    for (what, line, day, key), number in new.items():
        numbers[what, line if lines is not None else None, day, key] += number
    return Figures(numbers, counted_at, behind=seen_ledger - ledger > LIVE_IDS)


# ---- counting -------------------------------------------------------------------------------------------------------


def count() -> None:
    """Bring the figures up to date. May run at any time and anywhere; of two at once the second finds less to do."""
    now = timezone.now()
    today = timezone.localdate(now)
    problem = " ".join(found["text"] for found in health.problems())
    replaced = _requests(today) | _refused(today) | _texts(now)  # read before the lock, which others wait for
    with transaction.atomic():
        mark = Mark.objects.lock()
        _add(_up_to_final(mark), today)
        _replace(replaced)
        mark.counted_at, mark.problem, mark.versions = now, problem, _versions()
        mark.save()


def recount() -> None:
    """Count all of it again, as far as it was counted; the rest follows with the next counts, as always."""
    with transaction.atomic():
        mark = Mark.objects.lock()
        Figure.objects.filter(what__in=_GROWING).delete()
        _add(_between((0, mark.ledger), (0, mark.consent)), timezone.localdate())
    count()


_GROWING = [What.PAIRS, What.STATUS, What.CHANGES, What.OPT_OUTS, What.LEFT_AFTER]
_REPLACED = [What.REQUESTS, What.REFUSED, What.TEXTS]


def _up_to_final(mark: Mark) -> Counter[Key]:
    """What lies between the mark and the last ids that nobody can write before any more; moves the mark there."""
    if connection.vendor == "sqlite":
        _look(mark)
        return _move(mark)
    if mark.seen_xid is not None and _transactions()[0] < mark.seen_xid:
        return Counter()  # somebody who was under way at the last look still is
    new = _move(mark)  # the first time there is nothing to move to yet
    _look(mark)
    mark.seen_xid = _transactions()[1]  # after looking: who holds a lower id has begun before this
    return new


def _look(mark: Mark) -> None:
    mark.seen_ledger, mark.seen_consent = (
        model.objects.aggregate(last=Max("pk"))["last"] or 0 for model in (LedgerEntry, Consent)
    )


def _move(mark: Mark) -> Counter[Key]:
    new = _between((mark.ledger, mark.seen_ledger), (mark.consent, mark.seen_consent))
    mark.ledger, mark.consent = mark.seen_ledger, mark.seen_consent
    return new


def _transactions() -> tuple[int, int]:
    """Below the first number every transaction that writes has ended; from the second on none has begun."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint "
            "FROM pg_current_snapshot() AS now"
        )
        return cursor.fetchone()


def _between(entries: tuple[int, int], consents: tuple[int, int]) -> Counter[Key]:
    """All that the rows add whose ids are above the first and up to the second number."""
    new = _tally(entries, consents)
    new.update(_left_after(entries))
    return new


def _tally(entries: tuple[int, int], consents: tuple[int, int], lines: Collection[int] | None = None) -> Counter[Key]:
    """What the rows add that a page may ask for itself. One query."""
    changes: QuerySet[Any] = LedgerEntry.objects.filter(pk__gt=entries[0], pk__lte=entries[1], line__isnull=False)
    pairs: QuerySet[Any] = Consent.objects.filter(pk__gt=consents[0], pk__lte=consents[1])
    if lines is not None:
        changes, pairs = changes.filter(line__in=lines), pairs.filter(line__in=lines)
    changes = changes.exclude(status_from=F("status_to")).annotate(
        day=TruncDate("recorded_at"), by=Case(When(kind=EntryKind.OPTED_OUT, then=F("rule")), default=Value(""))
    )
    nothing = Value("")
    pairs = pairs.annotate(day=Value(None, output_field=DateField()), before=nothing, after=nothing, by=nothing)
    columns = ["line_id", "day", "before", "after", "by"]
    both = (
        changes.annotate(before=F("status_from"), after=F("status_to"))
        .order_by()
        .values_list(*columns)
        .annotate(number=Count("pk"))
        .union(pairs.values_list(*columns).annotate(number=Count("pk")), all=True)
    )
    found: Counter[Key] = Counter()
    for line, day, before, after, by, number in both:
        if day is None:
            found[What.PAIRS, line, None, ""] += number
            continue
        found[What.CHANGES, line, day, f"{before}>{after}"] += number
        for status, step in ((before, -number), (after, number)):
            if status != Status.NOT_DEFINED:  # what is left of the pairs
                found[What.STATUS, line, None, status] += step
        if after == Status.OPTED_OUT:
            found[What.OPT_OUTS, line, day, by] += number
    return found


def _left_after(entries: tuple[int, int]) -> Counter[Key]:
    """Opt-outs that contacts texted, by the last text of ours that the provider had taken before. One query.

    Each counts once, on the line that was texted, however many lines it is valid for; other lines' texts don't count.
    Keys: "template:" or "savedtext:" and the id of the version; "own" (words that somebody wrote), "reply" (of a
    keyword responder), "long ago", "nothing".

    When a text left is written under the contact's lock, so whatever left before an opt-out is known once that is
    read, and stays as it is. The one exception: a text of unknown fate that somebody finds out to have left counts from
    the next recount on.
    """
    texts = Message.objects.filter(conversation__contact=OuterRef("contact"), conversation__line=OuterRef("line"))
    said = OuterRef("occurred_at")
    # The contact's text, whose time may have been corrected since, or ours to which the provider answered "opted out".
    source = Q(direction=Direction.IN) & (Q(receipt__received_at=said) | Q(receipt__occurred_at=said))
    source |= Q(direction=Direction.OUT, claimed_at=said)
    last = (
        texts.filter(direction=Direction.OUT, sent_at__lt=said)
        .order_by("-sent_at", "-place")
        .values(
            found=Case(
                When(sent_at__lt=said - REMEMBERED, then=Value("long ago")),
                When(saved_text__isnull=False, then=Concat(Value("savedtext:"), Cast("saved_text", CharField()))),
                When(purpose=Purpose.ORDINARY, then=Value("own")),  # its wording is that of the footer
                When(wording__isnull=False, then=Concat(Value("template:"), Cast("wording", CharField()))),
                default=Value("reply"),
            )
        )
    )
    texted = LedgerEntry.objects.filter(
        Exists(texts.filter(source)),
        pk__gt=entries[0],
        pk__lte=entries[1],
        kind=EntryKind.OPTED_OUT,
        recorded_at__gte=begin(since(timezone.localdate(), KEPT_DAYS)),
    ).annotate(day=TruncDate("recorded_at"), after=Coalesce(Subquery(last[:1]), Value("nothing")))
    rows = texted.order_by().values_list("line", "day", "after").annotate(number=Count("pk"))
    return Counter({(What.LEFT_AFTER, line, day, after): number for line, day, after, number in rows})


def _requests(today: dt.date) -> Counter[Key]:
    sent = OptInRequest.objects.filter(sent_at__gte=begin(since(today, CHART_DAYS))).annotate(day=TruncDate("sent_at"))
    rows = sent.order_by().values_list("line", "day", "outcome").annotate(number=Count("pk"))
    return Counter({(What.REQUESTS, line, day, outcome): number for line, day, outcome, number in rows})


def _refused(today: dt.date) -> Counter[Key]:
    refused = Message.objects.filter(
        status=MessageStatus.REFUSED, created__gte=begin(since(today, REFUSED_DAYS))
    ).annotate(day=TruncDate("created"))
    rows = refused.order_by().values_list("conversation__line", "day", "reason").annotate(number=Count("pk"))
    return Counter({(What.REFUSED, line, day, reason): number for line, day, reason, number in rows})


def _texts(now: dt.datetime) -> Counter[Key]:
    """Texts that are held or of unknown fate, and those that are late: queued or sending for too long."""
    S = MessageStatus
    waiting = Message.objects.filter(status__in=[S.QUEUED, S.DEFERRED, S.HELD, S.SENDING, S.UNKNOWN])  # as the index
    shown = waiting.filter(
        Q(status__in=[S.HELD, S.UNKNOWN]) | Q(status__in=[S.QUEUED, S.SENDING], created__lt=now - LATE)
    )
    rows = shown.order_by().values_list("conversation__line", "status").annotate(number=Count("pk"))
    return Counter({(What.TEXTS, line, None, status): number for line, status, number in rows})


def _versions() -> dict[str, list[Any]]:
    """What is to be said of each version that LEFT_AFTER names: its number, template or saved text, and their names."""
    keys = Figure.objects.filter(what=What.LEFT_AFTER, key__contains=":").values_list("key", flat=True).distinct()
    named = [key.partition(":") for key in keys]
    nothing = Value("")
    found: dict[str, list[Any]] = {}
    for prefix, model, columns in (
        ("template", TemplateVersion, ["template", "template__kind", "template__line__name", "template__language"]),
        ("savedtext", SavedTextVersion, ["saved_text", "saved_text__name", nothing, nothing]),
    ):
        rows = model.objects.filter(pk__in=[pk for name, _, pk in named if name == prefix])
        found |= {f"{prefix}:{pk}": said for pk, *said in rows.values_list("pk", "number", *columns)}
    return found


def _add(new: Counter[Key], today: dt.date) -> None:
    """Add to the figures of consent and ledger; days that nobody asks for any more go."""
    oldest = since(today, KEPT_DAYS)
    Figure.objects.filter(what__in=_GROWING, day__lt=oldest).delete()
    new = Counter({key: number for key, number in new.items() if number and (key[2] is None or key[2] >= oldest)})
    if not new:
        return
    days = {key[2] for key in new} - {None}
    kept = Figure.objects.filter(Q(day=None) | Q(day__in=days), what__in=_GROWING, line__in={key[1] for key in new})
    known = {(row.what, row.line_id, row.day, row.key): row for row in kept}
    _write({key: number + (known[key].number if key in known else 0) for key, number in new.items()}, known)


def _replace(wanted: Counter[Key]) -> None:
    known = {(row.what, row.line_id, row.day, row.key): row for row in Figure.objects.filter(what__in=_REPLACED)}
    gone = [row.pk for key, row in known.items() if key not in wanted]
    if gone:
        Figure.objects.filter(pk__in=gone).delete()
    _write({key: number for key, number in wanted.items() if key not in known or known[key].number != number}, known)


def _write(numbers: dict[Key, int], known: dict[Key, Figure]) -> None:
    changed = [known[key] for key in numbers if key in known]
    for row in changed:
        row.number = numbers[row.what, row.line_id, row.day, row.key]
    Figure.objects.bulk_update(changed, ["number"], batch_size=500)
    Figure.objects.bulk_create(
        Figure(what=what, line_id=line, day=day, key=key, number=number)
        for (what, line, day, key), number in numbers.items()
        if (what, line, day, key) not in known
    )
