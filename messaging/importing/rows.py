"""What one row of a file says, by the plan. Pure: nothing is looked up but the lines, which are handed in."""

import datetime as dt
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from consent import phones
from consent.phones import PhoneError
from consent.vocabulary import Level
from messaging.importing.plan import OLDEST, Column, MomentError, Plan, What, moment
from messaging.importing.sheets import Row

# Of one cell that is kept as evidence, in characters.
LONGEST_CELL = 2000
_NAME = 60  # as long as Contact.first_name


class Kind(Enum):
    """What a row wants."""

    IN = "in"
    OUT = "out"
    NEVER = "never"


class Wish(NamedTuple):
    """What a row wants, readable and allowed in itself.

    ``lines`` are ids; ``cells`` is what is kept as evidence. Where an opt-out has no time of day, ``at`` is the end of
    that day and ``earliest`` its beginning.
    """

    row: int
    kind: Kind
    number: str
    lines: tuple[int, ...]
    level: str
    at: dt.datetime
    earliest: dt.datetime
    source: str
    names: tuple[str, str]
    cells: dict[str, str]


class Unreadable(NamedTuple):
    """A row that can't be followed, with the reason's code and words. ``kind`` is None where it does not even say what
    it wants."""

    row: int
    kind: Kind | None
    code: str
    why: str


# Reasons for which a row is refused before anybody is looked up, as totals name them.
REASONS = {
    "row": "The row can't be read",
    "number": "Not a phone number",
    "own_line": "The number is one of our own lines",
    "line": "No line of ours",
    "status": "Says neither in nor out",
    "level": "No level of consent",
    "date": "No date that counts",
    "cell": "A cell is too long to keep",
}

_IN = frozenset(
    {"in", "optin", "optedin", "yes", "y", "true", "1", "subscribed", "active", "consented", "granted"}
    | {"si", "sí", "oui", "sim"}
)
_OUT = frozenset(
    {"out", "optout", "optedout", "no", "n", "false", "0", "unsubscribed", "stop", "stopped", "revoked", "blocked"}
    | {"declined", "donotcontact", "non", "não"}
)
_LEVELS = {
    "implied": Level.IMPLIED,
    "implicit": Level.IMPLIED,
    "express": Level.EXPRESS,
    "expressed": Level.EXPRESS,
    "explicit": Level.EXPRESS,
    "written": Level.WRITTEN,
    "expresswritten": Level.WRITTEN,
}


class _Fault(Exception):
    def __init__(self, code: str, why: str) -> None:
        self.code, self.why = code, why


class Reader:
    """Reads rows by one plan. Remembers a bounded number of what it has read: lists repeat themselves."""

    _REMEMBERED = 50_000

    def __init__(self, plan: Plan, headings: Sequence[str], lines: Mapping[str, int], now: dt.datetime) -> None:
        self._plan, self._lines, self._now = plan, lines, now
        self._zone = ZoneInfo(plan.zone)
        self._chosen = tuple(lines[number] for number in plan.lines if number in lines)
        self._number = plan.columns.index(Column.NUMBER)
        self._line, self._status = plan.place(Column.LINE), plan.place(Column.STATUS)
        self._level, self._date = plan.place(Column.LEVEL), plan.place(Column.DATE)
        self._source = plan.place(Column.SOURCE)
        self._first, self._last = plan.place(Column.FIRST_NAME), plan.place(Column.LAST_NAME)
        self._kept = [
            (place, headings[place])
            for place, column in enumerate(plan.columns)
            if column not in {Column.IGNORE, Column.FIRST_NAME, Column.LAST_NAME}
        ]
        self._numbers: dict[str, str | Unreadable] = {}
        self._moments: dict[tuple[str, bool], tuple[dt.datetime, dt.datetime] | Unreadable] = {}
        self._named: dict[str, tuple[int, ...] | Unreadable] = {}

    def read(self, row: Row) -> Wish | Unreadable:
        """What the row wants, or why that can't be followed."""
        kind: Kind | None = None
        try:
            if row.fault:
                raise _Fault("row", row.fault)
            cells = row.cells

            def cell(place: int | None) -> str:
                return cells[place] if place is not None and place < len(cells) else ""

            kind = self._kind(cell(self._status))
            number = self._of(self._numbers, cell(self._number), self._read_number)
            lines = self._chosen
            if self._line is not None and kind is not Kind.NEVER:
                lines = self._of(self._named, cell(self._line), self._read_line)
            level = self._read_level(cell(self._level)) if kind is Kind.IN else ""
            at = earliest = self._now
            if kind is not Kind.NEVER:
                written = cell(self._date) or self._plan.date
                at, earliest = self._of(self._moments, (written, kind is Kind.OUT), self._read_moment)
            kept = {heading: cell(place) for place, heading in self._kept if cell(place)}
            if too_long := next((heading for heading, text in kept.items() if len(text) > LONGEST_CELL), None):
                raise _Fault("cell", f"“{too_long[:40]}” holds more than {LONGEST_CELL:,} characters.")
            return Wish(
                row.number,
                kind,
                number,
                lines,
                level,
                at,
                earliest,
                cell(self._source)[:200] or self._plan.source,
                (_name(cell(self._first)), _name(cell(self._last))),
                kept,
            )
        except _Fault as fault:
            return Unreadable(row.number, kind, fault.code, fault.why)

    def _of(self, known: dict, key, read):  # type: ignore[no-untyped-def, type-arg]
        found = known.get(key)
        if found is None:
            if len(known) >= self._REMEMBERED:
                known.clear()
            try:
                found = read(key)
            except _Fault as fault:
                found = Unreadable(0, None, fault.code, fault.why)
            known[key] = found
        if isinstance(found, Unreadable):
            raise _Fault(found.code, found.why)
        return found

    def _kind(self, written: str) -> Kind:
        match self._plan.what:
            case What.OPT_INS:
                return Kind.IN
            case What.OPT_OUTS:
                return Kind.OUT
            case What.DO_NOT_CONTACT:
                return Kind.NEVER
        word = "".join(char for char in written.lower() if char.isalnum())
        if word in _IN:
            return Kind.IN
        if word in _OUT:
            return Kind.OUT
        raise _Fault("status", f"“{written[:40]}” says neither in nor out. Write “opted in” or “opted out”.")

    def _read_number(self, written: str) -> str:
        if not written:
            raise _Fault("number", "The row has no number.")
        try:
            number = phones.normalise_listed(written, self._plan.region)
        except PhoneError as error:
            raise _Fault("number", str(error)) from None
        if number in self._lines:
            raise _Fault("own_line", "This is one of our own lines.")
        return number

    def _read_line(self, written: str) -> tuple[int, ...]:
        known = self._lines.get(written.strip())
        if known is None and written:
            try:
                known = self._lines.get(phones.normalise_listed(written, self._plan.region))
            except PhoneError:
                known = None
        if known is None:
            raise _Fault("line", f"“{written[:40]}” is no line of ours. Lines are named by their numbers.")
        return (known,)

    def _read_level(self, written: str) -> str:
        if not written:
            return self._plan.level
        found = _LEVELS.get("".join(char for char in written.lower() if char.isalnum()))
        if found is None:
            raise _Fault("level", f"“{written[:40]}” is no level of consent: implied, express or written.")
        return str(found)

    def _read_moment(self, key: tuple[str, bool]) -> tuple[dt.datetime, dt.datetime]:
        written, is_out = key
        if not written:
            raise _Fault("date", "The row has no date, and none was given for all rows.")
        try:
            at = moment(written, self._zone, self._plan.date_order, latest=is_out)
            first = at if not is_out else moment(written, self._zone, self._plan.date_order, latest=False)
        except MomentError as error:
            raise _Fault("date", str(error)) from None
        if first > self._now:
            raise _Fault("date", f"“{written[:40]}” lies in the future.")
        if at < OLDEST:
            raise _Fault("date", f"“{written[:40]}” is before 1990. Write the year with four digits.")
        return min(at, self._now), first  # the day of an opt-out may still be under way


def _name(written: str) -> str:
    return "".join(char for char in written if char.isprintable())[:_NAME].strip()
