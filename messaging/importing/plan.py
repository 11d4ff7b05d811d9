"""What the columns of a file mean, and what holds for all its rows. Pure.

Chosen by an officer for one file, and remembered for the next one whose columns are called the same.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import TextChoices

from consent.vocabulary import Level


class What(TextChoices):
    """What the rows of a file are."""

    OPT_INS = "opt_ins", "Consents: people who agreed to be texted"
    OPT_OUTS = "opt_outs", "Opt-outs: people who asked not to be texted"
    BOTH = "both", "Both: a column says who is in and who is out"
    DO_NOT_CONTACT = "do_not_contact", "Numbers for the do-not-contact list"


class Column(TextChoices):
    """What a column holds."""

    IGNORE = "", "Not needed"
    NUMBER = "number", "Mobile number"
    LINE = "line", "Line (its number)"
    STATUS = "status", "In or out"
    LEVEL = "level", "Level of consent"
    DATE = "date", "When they said it"
    SOURCE = "source", "Where it comes from"
    FIRST_NAME = "first_name", "First name"
    LAST_NAME = "last_name", "Last name"
    EVIDENCE = "evidence", "Keep as evidence"


ONCE = set(Column) - {Column.IGNORE, Column.EVIDENCE}

# How columns are called in the lists that people have, in lower case without spaces and signs.
_CALLED = {
    Column.NUMBER: "number phone phonenumber mobile mobilenumber mobilephone cell cellphone telephone tel msisdn"
    " contact recipient to phonee164 primaryphone",
    Column.LINE: "line linenumber sender from ournumber shortcode",
    Column.STATUS: "status optstatus optinstatus consentstatus subscribed consent inorout optin",
    Column.LEVEL: "level consentlevel levelofconsent consenttype",
    Column.DATE: "date since optindate optedinat optoutdate optedoutat consentdate consentedat capturedat timestamp"
    " signupdate createdat statussince when whentheysaidit datetime time",
    Column.SOURCE: "source origin channel optinsource consentsource",
    Column.FIRST_NAME: "firstname givenname forename first name contactname",
    Column.LAST_NAME: "lastname surname familyname last",
    Column.EVIDENCE: "ip ipaddress formurl url wording consenttext disclosure signature useragent",
}
_BY_NAME = {name: column for column, names in _CALLED.items() for name in names.split()}


class DateOrder(TextChoices):
    """How dates are written that are not ISO 8601; that is always understood."""

    ISO = "iso", "2026-03-14"
    MONTH_FIRST = "mdy", "03/14/2026, month first"
    DAY_FIRST = "dmy", "14/03/2026 or 14.03.2026, day first"


@dataclass(frozen=True)
class Plan:
    """What was chosen for one file.

    ``columns`` says for each column of the file, by place, what it holds. ``lines`` are numbers: those that the rows
    are about, unless a column says it. ``date``, ``level`` and ``source`` hold where a row says nothing of its own. A
    ``date`` without a time of day is a whole day in ``zone``. ``region`` is the country of numbers that name none.
    """

    what: What
    columns: tuple[Column, ...]
    lines: tuple[str, ...] = ()
    source: str = ""
    level: str = Level.EXPRESS
    date: str = ""
    zone: str = "UTC"
    date_order: DateOrder = DateOrder.ISO
    region: str = "US"
    double_opt_in: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "what": str(self.what),
            "columns": [str(each) for each in self.columns],
            "lines": list(self.lines),
            "source": self.source,
            "level": str(self.level),
            "date": self.date,
            "zone": self.zone,
            "date_order": str(self.date_order),
            "region": self.region,
            "double_opt_in": self.double_opt_in,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Plan":
        return cls(
            **{
                **stored,
                "what": What(stored["what"]),
                "columns": tuple(Column(each) for each in stored["columns"]),
                "lines": tuple(stored["lines"]),
                "date_order": DateOrder(stored["date_order"]),
            }
        )

    def place(self, column: Column) -> int | None:
        return self.columns.index(column) if column in self.columns else None

    @property
    def passes(self) -> int:
        """How often the file is gone through: opt-outs first, so that they win whatever the order of the rows."""
        return 2 if self.what == What.BOTH else 1

    @property
    def needs_level(self) -> bool:
        return self.what in {What.OPT_INS, What.BOTH}


@dataclass
class Faults:
    """What is wrong with a plan, by the field of the form that puts it right."""

    found: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, why: str) -> None:
        self.found.setdefault(name, why)


def faults(plan: Plan) -> dict[str, str]:
    """Why this plan can't be followed; empty where it can."""
    wrong = Faults()
    for column in ONCE:
        if plan.columns.count(column) > 1:
            wrong.add("columns", f"Two columns are “{column.label}”. Choose one of them.")
    if Column.NUMBER not in plan.columns:
        wrong.add("columns", "Say which column holds the mobile numbers.")
    if plan.what == What.BOTH and Column.STATUS not in plan.columns:
        wrong.add("columns", "Say which column tells who is in and who is out.")
    if plan.what != What.BOTH and Column.STATUS in plan.columns:
        wrong.add("columns", "A column that tells who is in and who is out is only read where the file has both.")
    about_lines = plan.what != What.DO_NOT_CONTACT
    if about_lines and Column.LINE not in plan.columns and not plan.lines:
        wrong.add("lines", "Choose at least one line, or say which column names it.")
    if about_lines and Column.LINE in plan.columns and plan.lines:
        wrong.add("lines", "A column names the line of each row. Untick the lines here, or ignore that column.")
    if not plan.source:
        wrong.add("source", "Say where this list comes from. It is kept as evidence with each row.")
    if about_lines and not plan.date and Column.DATE not in plan.columns:
        wrong.add("date", "Say when they said it: a day for all rows, or a column that holds it.")
    if plan.double_opt_in and not plan.needs_level:
        wrong.add("double_opt_in", "Only people who agreed can be asked to confirm it.")
    return wrong.found


def guess(headings: Sequence[str], remembered: Mapping[str, str]) -> tuple[Column, ...]:
    """What each column probably holds: what it was chosen to hold last time, else what its name says."""
    found: list[Column] = []
    for heading in headings:
        known = remembered.get(heading)
        column = Column(known) if known is not None else _BY_NAME.get(plain(heading), Column.IGNORE)
        if column in ONCE and column in found:
            column = Column.IGNORE
        found.append(column)
    return tuple(found)


def plain(words: str) -> str:
    return re.sub(r"[\W_]+", "", words).lower()


# ---- moments --------------------------------------------------------------------------------------------------------

_ISO_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]+(.+))?", re.ASCII)
_OTHER_DAY = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:,?[T ]+(.+))?", re.ASCII)
_TIME = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,6})\d*)?)?\s*(am|pm)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?",
    re.ASCII | re.IGNORECASE,
)
OLDEST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)
_DAY = dt.timedelta(days=1)


class MomentError(ValueError):
    """No moment that counts. The message says why, and how one is written."""


def moment(written: str, zone: ZoneInfo, order: DateOrder, *, latest: bool) -> dt.datetime:
    """The moment that is written here, in UTC. Raises MomentError.

    Without a time of day, or in an hour that a clock change repeats, it is the earliest that is meant, or with
    ``latest`` the last: what is in doubt speaks for being out (PRODUCT "Rules around the flows").
    """
    iso, other = _ISO_DAY.fullmatch(written), _OTHER_DAY.fullmatch(written)
    try:
        if iso:
            day, rest = dt.date(int(iso[1]), int(iso[2]), int(iso[3])), iso[4]
        elif other and order != DateOrder.ISO:
            first, second = int(other[1]), int(other[2])
            month, date = (first, second) if order == DateOrder.MONTH_FIRST else (second, first)
            day, rest = dt.date(int(other[3]), month, date), other[4]
        else:
            raise MomentError(f"“{written[:40]}” is not a date that is written as chosen. 2026-03-14 always is one.")
        if rest is None:
            begin = dt.datetime.combine(day, dt.time(), zone)
            end = dt.datetime.combine(day + _DAY, dt.time(), zone).astimezone(dt.UTC) - dt.timedelta(microseconds=1)
            return end if latest else begin.astimezone(dt.UTC)
        return _at(day, rest, zone, latest)
    except (ValueError, OverflowError) as error:
        if isinstance(error, MomentError):
            raise
        raise MomentError(f"There is no moment “{written[:40]}”.") from None


def _at(day: dt.date, rest: str, zone: ZoneInfo, latest: bool) -> dt.datetime:
    found = _TIME.fullmatch(rest.strip())
    if not found:
        raise MomentError(f"“{rest[:40]}” is not a time of day. Write it like 09:30 or 09:30:15.")
    hour, half = int(found[1]), (found[5] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise MomentError(f"“{rest[:40]}” is not a time of day. Write it like 09:30 AM.")
        hour = hour % 12 + (12 if half == "pm" else 0)
    time = dt.time(hour, int(found[2]), int(found[3] or 0), int((found[4] or "0").ljust(6, "0")))
    offset = (found[6] or "").upper()
    if offset in {"Z", "UTC"}:
        return dt.datetime.combine(day, time, dt.UTC)
    if offset:
        return dt.datetime.fromisoformat(f"{day}T{time.isoformat()}{offset}").astimezone(dt.UTC)
    return dt.datetime.combine(day, time.replace(fold=int(latest)), zone).astimezone(dt.UTC)
