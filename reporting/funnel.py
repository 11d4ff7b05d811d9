"""The double opt-in funnel: what became of the opt-in requests that were sent.

PRODUCT "Capture channels" and "Screens" 6. A request counts on the day on which the provider took it, and once only: as
accepted, rejected, expired, silent (open, no answer yet), undelivered (taken, but it never arrived), or settled
otherwise (a START overtook it). These add up to sent. A YES that comes late, after the request had expired, makes it an
accepted one.

The time to answer is that from sent to accepted or rejected. An answer dated before its request, such as consent given
in an earlier call and recorded by hand, counts as accepted or rejected and has no time.
"""

import datetime as dt
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    Aggregate,
    Count,
    DateField,
    DurationField,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextChoices,
    TextField,
)
from django.db.models.functions import JSONObject, TruncDate, TruncMonth, TruncWeek
from django.utils.formats import date_format

from consent.models import Line, OptInRequest, User
from consent.vocabulary import Channel, Language, RequestKind, RequestOutcome
from messaging.models import TemplateVersion
from messaging.wordings import Kind
from reporting import files
from reporting.figures import begin


class By(TextChoices):
    """What the funnel can be broken down by: the API's value and people's word."""

    LINE = "line", "Line"
    INITIATOR = "initiator", "Who began"
    ASKED_BY = "asked_by", "Asked by"
    CHANNEL = "channel", "Capture channel"
    BATCH = "batch", "Import batch"
    WORDING = "wording", "Template version"
    DAY = "day", "Day"
    WEEK = "week", "Week"
    MONTH = "month", "Month"

    @property
    def is_period(self) -> bool:
        return self in _PERIODS


_PERIODS = {
    By.DAY: TruncDate("sent_at"),
    By.WEEK: TruncWeek("sent_at", output_field=DateField()),  # from Monday on
    By.MONTH: TruncMonth("sent_at", output_field=DateField()),
}


@dataclass(frozen=True)
class Filters:
    """Which requests are counted. ``lines`` are all whose requests may be: none given, none counted.

    ``since`` and ``until`` are days in the install's time zone, both included; None leaves that end open. Of the rest
    an empty one does not narrow; the batch "" is that of requests which came from no import.
    """

    lines: Collection[Line]
    since: dt.date | None = None
    until: dt.date | None = None
    initiators: Collection[str] = ()
    channels: Collection[str] = ()
    batches: Collection[str] = ()

    def requests(self) -> QuerySet[OptInRequest]:
        # The first condition is the one that the index of sent requests is made for.
        found = OptInRequest.objects.filter(sent_at__isnull=False, line__in=[line.pk for line in self.lines])
        if self.since:
            found = found.filter(sent_at__gte=begin(self.since))
        if self.until:
            found = found.filter(sent_at__lt=begin(self.until + dt.timedelta(days=1)))
        narrowed = {"kind__in": self.initiators, "channel__in": self.channels, "batch__in": self.batches}
        return found.filter(**{lookup: list(wanted) for lookup, wanted in narrowed.items() if wanted})

    def as_json(self) -> dict[str, Any]:
        """In the words of the API; what was not chosen is left out."""
        chosen = {
            "line": [line.number for line in self.lines],
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "initiator": sorted(map(str, self.initiators)),
            "channel": sorted(map(str, self.channels)),
            "batch": sorted(self.batches),
        }
        return {name: value for name, value in chosen.items() if value}

    @classmethod
    def from_json(cls, chosen: Mapping[str, Any]) -> "Filters":
        """What ``as_json`` gave."""
        days = {name: dt.date.fromisoformat(chosen[name]) for name in ("since", "until") if name in chosen}
        return cls(
            lines=list(Line.objects.filter(number__in=chosen.get("line", []))),
            initiators=chosen.get("initiator", []),
            channels=chosen.get("channel", []),
            batches=chosen.get("batch", []),
            **days,
        )


@dataclass(frozen=True)
class Row:
    """One group of the funnel, or all of it. ``value`` is the API's name of the group, ``label`` what people read.

    A group of requests that have no such thing (no import, no person …) has the value "". ``median`` and ``p90`` are
    times to answer by nearest rank: the shortest that at least half, or nine in ten, of the answers did not exceed.
    None where there was no answer.
    """

    by: str
    value: str
    label: str
    sent: int
    accepted: int
    rejected: int
    expired: int
    silent: int
    undelivered: int
    settled_otherwise: int
    median: dt.timedelta | None
    p90: dt.timedelta | None

    @property
    def rate(self) -> float | None:
        """Accepted of sent, from 0 to 1. None where nothing was sent."""
        return self.accepted / self.sent if self.sent else None


def table(filters: Filters, by: By) -> list[Row]:
    """A row for each group in which a request was sent, in the order in which people look for them. One query."""
    groups: QuerySet[Any, Any] = filters.requests().order_by().annotate(key=_key(by)).values("key")
    groups = groups.annotate(**_numbers())
    if names := _names(by):
        groups = groups.annotate(names=names)  # after the counting, so once for each group
    named = []
    for group in groups:
        key, name = group.pop("key"), group.pop("names", None)
        place, value, label = _say(by, key, name) if key else (None, "", _NOTHING[by])
        named.append(((not value, place, value), _row(by, value, label, group)))
    return [row for _, row in sorted(named, key=lambda each: each[0])]


def total(filters: Filters) -> Row:
    """All of it in one row, zeros where nothing was sent. One query."""
    return _row("", "", "Total", filters.requests().aggregate(**_numbers()))


def unbroken(rows: list[Row], by: By) -> list[Row]:
    """The rows of a table by periods, and between them those in which nothing was sent, as zeros."""
    known = {row.value: row for row in rows}
    found = []
    day, last = (dt.date.fromisoformat(f"{row.value}-01"[:10]) for row in (rows[0], rows[-1]))
    while day <= last:
        _, value, label = _say(by, day, None)
        found.append(known.get(value) or _row(by, value, label, {"sent": 0, **dict.fromkeys(_OUTCOMES, 0)}))
        match by:
            case By.MONTH:
                day = (day + dt.timedelta(days=31)).replace(day=1)
            case By.WEEK:
                day += dt.timedelta(days=7)
            case _:
                day += dt.timedelta(days=1)
    return found


# ---- as a file ------------------------------------------------------------------------------------------------------

# The names that machines read, which stay, and those that people do.
_COLUMNS = {
    "by": "Compared by",
    "value": "Short name",
    "label": "Name",
    "sent": "Sent",
    "accepted": "Accepted",
    "rejected": "Rejected",
    "expired": "Expired",
    "silent": "No answer yet",
    "undelivered": "Not delivered",
    "settled_otherwise": "Settled otherwise",
    "rate": "Rate",
    "median_seconds_to_answer": "Half answered within (seconds)",
    "p90_seconds_to_answer": "Nine in ten within (seconds)",
}


def columns() -> list[str]:
    return list(_COLUMNS)


def cells(row: Row) -> list[str | int | float | None]:
    """A row under ``columns``. The rate is rounded to four places, times to milliseconds; None where there is none."""
    counts = [row.sent, row.accepted, row.rejected, row.expired, row.silent, row.undelivered, row.settled_otherwise]
    rate = None if row.rate is None else round(row.rate, 4)
    times = [None if time is None else round(time.total_seconds(), 3) for time in (row.median, row.p90)]
    return [row.by, row.value, row.label, *counts, rate, *times]


@dataclass
class Content:
    """A table as it stands in a file (reporting.files). With ``words`` its heading is in people's words."""

    filters: Filters
    by: By
    words: bool = False
    rows: int = 0

    @classmethod
    def from_json(cls, chosen: Mapping[str, Any], words: bool = False) -> "Content":
        """What ``Filters.as_json`` gave, and "by"."""
        return cls(Filters.from_json(chosen), By(chosen.get("by", By.LINE)), words)

    def headings(self) -> list[str]:
        return list(_COLUMNS.values()) if self.words else columns()

    def cells(self) -> Iterator[list[str | int | float | None]]:
        return map(cells, table(self.filters, self.by))

    def csv(self) -> Iterator[bytes]:
        lines = []
        for by, value, label, *numbers in self.cells():
            name = value if self.by == By.LINE else files.guarded(str(value))  # a line's is its number
            lines.append([by, name, files.guarded(str(label)), *numbers])
        yield files.lines(lines)
        self.rows += len(lines)


# ---- counting -------------------------------------------------------------------------------------------------------

_OUTCOMES = {
    "accepted": RequestOutcome.ACCEPTED,
    "rejected": RequestOutcome.REJECTED,
    "expired": RequestOutcome.EXPIRED,
    "silent": RequestOutcome.OPEN,
    "undelivered": RequestOutcome.FAILED,
    "settled_otherwise": RequestOutcome.WITHDRAWN,
}


class MedianAndP90(Aggregate):
    """The 50th and 90th percentile of durations by nearest rank: a pair of timedeltas, or None for no durations."""

    template = "PERCENTILE_DISC(ARRAY[0.5, 0.9]::float8[]) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = TextField()  # converted below

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        # SQLite has no percentiles: it hands over all durations, as numbers of microseconds.
        durations = self.copy()
        durations.template = "JSON_GROUP_ARRAY(%(expressions)s)"
        return durations.as_sql(compiler, connection, **extra_context)

    def convert_value(self, value: Any, expression: Any, connection: Any) -> tuple[dt.timedelta, dt.timedelta] | None:
        if connection.vendor == "sqlite":
            durations = sorted(json.loads(value))
            ranks = [-(-len(durations) * percent // 100) for percent in (50, 90)]  # rounded up
            value = [dt.timedelta(microseconds=durations[rank - 1]) for rank in ranks] if durations else None
        return (value[0], value[1]) if value else None


def _numbers() -> dict[str, Any]:
    answered = Q(outcome__in=[RequestOutcome.ACCEPTED, RequestOutcome.REJECTED], ended_at__gte=F("sent_at"))
    took = ExpressionWrapper(F("ended_at") - F("sent_at"), output_field=DurationField())
    return {
        "sent": Count("pk"),
        **{name: Count("pk", filter=Q(outcome=outcome)) for name, outcome in _OUTCOMES.items()},
        "times": MedianAndP90(took, filter=answered),
    }


def _row(by: str, value: str, label: str, numbers: dict[str, Any]) -> Row:
    median, p90 = numbers.pop("times", None) or (None, None)
    return Row(by, value, label, **numbers, median=median, p90=p90)


# ---- groups and their names -----------------------------------------------------------------------------------------


def _key(by: By) -> Any:
    match by:
        case By.LINE:
            return F("line_id")
        case By.INITIATOR:
            return F("kind")
        case By.ASKED_BY:
            return F("asked_by_id")
        case By.CHANNEL | By.BATCH | By.WORDING:
            return F(by.value)
    return _PERIODS[by]


def _names(by: By) -> Subquery | None:
    """What names a group that only has an id."""
    rows: QuerySet[Any]
    match by:
        case By.LINE:
            rows = Line.objects.filter(pk=OuterRef("key"))
            parts = {"number": "number", "name": "name"}
        case By.ASKED_BY:
            rows = User.objects.filter(pk=OuterRef("key"))
            parts = {"username": "username", "first_name": "first_name", "last_name": "last_name"}
        case By.WORDING:
            rows = TemplateVersion.objects.filter(uuid=OuterRef("key"))
            parts = {
                "kind": "template__kind",
                "line": "template__line__name",
                "line_number": "template__line__number",
                "language": "template__language",
                "number": "number",
            }
        case _:
            return None
    return Subquery(rows.order_by().values(names=JSONObject(**parts)))


_NOTHING = {By.ASKED_BY: "– No person", By.BATCH: "– No import", By.WORDING: "– No wording on record"}


def _say(by: By, key: Any, name: dict[str, Any] | None) -> tuple[Any, str, str]:
    """Where a group stands among its like, its API value, and its label."""
    match by:
        case By.DAY:
            return key, key.isoformat(), date_format(key, "D, j M Y")
        case By.WEEK:
            return key, key.isoformat(), f"Week of {date_format(key, 'j M Y')}"
        case By.MONTH:
            return key, f"{key:%Y-%m}", date_format(key, "F Y")
        case By.INITIATOR:
            return RequestKind.values.index(key), key, str(RequestKind(key).label)
        case By.CHANNEL:
            return Channel.values.index(key), key, str(Channel(key).label)
        case By.LINE if name:
            return name["name"].casefold(), name["number"], f"{name['name']} ({name['number']})"
        case By.ASKED_BY if name:
            full, username = f"{name['first_name']} {name['last_name']}".strip(), name["username"]
            return (full or username).casefold(), username, f"{full} ({username})" if full else username
        case By.WORDING:
            return _say_version(str(key), name) if name else ((), str(key), "– Unknown version")
    return key, str(key), str(key)


def _say_version(uuid: str, name: dict[str, Any]) -> tuple[Any, str, str]:
    """The wordings of a kind stand together: that for every line first, each with its versions in order."""
    kind, language, number = Kind(name["kind"]), Language(name["language"]), name["number"]
    special = [f"{name['line']} ({name['line_number']})"] if name["line_number"] else []
    if language != Language.ENGLISH:
        special.append(str(language.label))
    label = ", ".join([str(kind.label), *special, f"version {number}"])
    return (Kind.values.index(kind), name["line_number"] or "", language.value, number), uuid, label
