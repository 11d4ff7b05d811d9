"""The Opt In & Out Snapshot: who is in and who is out on which line, now or at any past instant.

``Filters`` says what is wanted; ``page``, ``totals`` and ``Content`` give it. All of them run the same
statement, line by line in the order of the lines' names and within a line in the order of the contacts' ids, which
never change: so a page, a file and a count agree row for row.

It is written in SQL, because the database has to write the cells itself: PostgreSQL hands out a million finished CSV
rows through COPY in the time in which the ORM makes a few thousand objects. Both databases read the same statement but
for the three expressions in ``_Dialect``.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from consent import search
from consent.models import Contact, Line
from consent.vocabulary import Channel, RequestState, Status
from reporting import figures
from reporting.files import BLOCK, FORMULA, guarded, lines

# The names of the columns in files for machines, and in those for people.
COLUMNS = {
    "line_name": "Line name",
    "line_number": "Line number",
    "contact_name": "Contact name",
    "mobile_number": "Mobile number",
    "status": "Status",
    "since": "Since",
    "source": "Source",
    "request_state": "Request state",
    "ledger_entry": "Ledger entry",
}
IN_AND_OUT = (Status.OPTED_IN, Status.OPTED_OUT)
_ROWS_AT_A_TIME = 2000


def in_range(moment: dt.datetime) -> bool:
    """Whether a database and every zone can work with it."""
    return dt.datetime(2000, 1, 1, tzinfo=dt.UTC) <= moment < dt.datetime(3000, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Filters:
    """What somebody wants to see. ``since_until`` is exclusive; ``as_of`` None means now.

    ``hidden`` says that this person may see only the end of contacts' numbers, and search by no more than that.
    """

    lines: tuple[Line, ...]
    statuses: tuple[str, ...] = IN_AND_OUT
    sources: tuple[str, ...] = ()
    since_from: dt.datetime | None = None
    since_until: dt.datetime | None = None
    search: str = ""
    as_of: dt.datetime | None = None
    hidden: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(sorted(self.lines, key=lambda line: (line.name, line.pk))))

    @classmethod
    def from_json(cls, chosen: Mapping[str, Any], *, hidden: bool) -> "Filters":
        """What ``as_json`` gave."""
        moments = {
            name: dt.datetime.fromisoformat(chosen[name])
            for name in ("since_from", "since_until", "as_of")
            if name in chosen
        }
        return cls(
            lines=tuple(Line.objects.filter(number__in=chosen.get("line", ()))),
            statuses=tuple(chosen["status"]),
            sources=tuple(chosen.get("source", ())),
            search=chosen.get("search", ""),
            hidden=hidden,
            **moments,
        )

    @property
    def without_record(self) -> bool:
        """Whether contacts of whom nothing is on record on a line belong in: they are Not Defined there."""
        unknown = Status.NOT_DEFINED in self.statuses
        return unknown and not (self.sources or self.since_from or self.since_until)

    @property
    def narrowed(self) -> bool:
        """Whether anything but line and status matters."""
        return bool(self.sources or self.since_from or self.since_until or self.search or self.as_of)

    def as_json(self) -> dict[str, Any]:
        """In the words of the API; what was not chosen is left out."""
        chosen = {
            "line": [line.number for line in self.lines],
            "status": list(map(str, self.statuses)),
            "source": list(map(str, self.sources)),
            "since_from": self.since_from and self.since_from.isoformat(),
            "since_until": self.since_until and self.since_until.isoformat(),
            "search": self.search,
            "as_of": self.as_of and self.as_of.isoformat(),
        }
        return {name: value for name, value in chosen.items() if value}


@dataclass(frozen=True)
class Cells:
    """How cells are written. ``words``: "Opted in" instead of opted_in. ``guarded``: what a spreadsheet would run as a
    formula gets an apostrophe before it."""

    words: bool = False
    guarded: bool = False


class Row(NamedTuple):
    """One contact on one line. ``since`` is ISO 8601 in UTC; empty cells are None."""

    line_name: str
    line_number: str
    contact_name: str | None
    mobile_number: str
    status: str
    since: str | None
    source: str | None
    request_state: str
    ledger_entry: int | None


# ---- the statement --------------------------------------------------------------------------------------------------


class _Part(NamedTuple):
    text: str
    params: tuple[Any, ...] = ()


# The state of a line's contacts: from the state table, or from the last entry of each up to an instant. ``{within}``
# narrows it to some contacts. PostgreSQL sorts all entries quickly, but finds those of a few contacts without sorting.
_STATE = (
    "SELECT contact_id, status, since, source, request_state, entry_id FROM consent_consent WHERE line_id = %s{within}"
)
_ENTRY = "contact_id, status_to AS status, since, source, request_state, id AS entry_id"
_UP_TO = "FROM consent_ledgerentry WHERE line_id = %s AND recorded_at <= %s{within}"


@dataclass(frozen=True)
class _Dialect:
    since: str
    last_entries: str
    last_entries_of_few: str


_POSTGRESQL = _Dialect(
    since="""to_char(s.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    last_entries=f"SELECT DISTINCT ON (contact_id) {_ENTRY} {_UP_TO} ORDER BY contact_id, seq DESC",
    last_entries_of_few=f"""SELECT {_ENTRY} {_UP_TO} AND NOT EXISTS (
        SELECT FROM consent_ledgerentry later WHERE later.line_id = consent_ledgerentry.line_id
        AND later.contact_id = consent_ledgerentry.contact_id AND later.seq > consent_ledgerentry.seq
        AND later.recorded_at <= %s)""",
)
# With max() SQLite takes the other columns from the row that holds it.
_GROUPED = f"SELECT {_ENTRY}, max(seq) {_UP_TO} GROUP BY contact_id"
_SQLITE = _Dialect(
    since="replace(s.since, ' ', 'T') || CASE length(s.since) WHEN 19 THEN '.000000Z' ELSE 'Z' END",
    last_entries=_GROUPED,
    last_entries_of_few=_GROUPED,
)


def _dialect() -> _Dialect:
    return _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE


@dataclass(frozen=True)
class _Edge:
    """Only the contacts on one side of this one."""

    contact: int
    backwards: bool

    def of(self, column: str) -> _Part:
        return _Part(f" AND {column} {'<' if self.backwards else '>'} %s", (self.contact,))


def _from(filters: Filters, line: Line, *, few: bool = False, edge: _Edge | None = None) -> _Part:
    within = edge.of("contact_id") if edge else _Part("")
    params: tuple[Any, ...] = (line.pk,)
    if filters.as_of is None:
        state = _STATE
    else:
        state = _dialect().last_entries_of_few if few else _dialect().last_entries
        params += (_time(filters.as_of),)
    params += within.params
    params += (_time(filters.as_of),) * (state.count("%s") - 2) if filters.as_of else ()
    join = "LEFT JOIN" if filters.without_record else "JOIN"
    return _Part(f"FROM consent_contact c {join} ({state.format(within=within.text)}) s ON s.contact_id = c.id", params)


def _where(filters: Filters) -> _Part:
    conditions: list[str] = []
    params: list[Any] = []

    def add(condition: str, *values: Any) -> None:
        conditions.append(condition)
        params.extend(values)

    known = f"s.status IN ({_marks(filters.statuses)})"
    add(f"({known} OR s.status IS NULL)" if filters.without_record else known, *map(str, filters.statuses))
    if filters.sources:
        add(f"s.source IN ({_marks(filters.sources)})", *map(str, filters.sources))
    if filters.since_from:
        add("s.since >= %s", _time(filters.since_from))
    if filters.since_until:
        add("s.since < %s", _time(filters.since_until))
    if filters.as_of and filters.without_record:
        add("(s.contact_id IS NOT NULL OR c.created <= %s)", _time(filters.as_of))
    if filters.search:
        found = Contact.objects.filter(search.contacts(filters.search, hidden=filters.hidden)).order_by().values("pk")
        text, values = found.query.sql_with_params()
        add(f"c.id IN ({text})", *values)
    return _Part("WHERE " + " AND ".join(conditions), tuple(params))


def _columns(filters: Filters, line: Line, cells: Cells) -> _Part:
    name = guarded(line.name) if cells.guarded else line.name
    contact = "trim(c.first_name || ' ' || c.last_name)"
    if cells.guarded:
        contact = f"CASE WHEN substr({contact}, 1, 1) IN ({_marks(FORMULA)}) THEN '''' || {contact} ELSE {contact} END"
    columns = [
        _Part("%s", (name,)),
        _Part("%s", (line.number,)),
        _Part(f"NULLIF({contact}, '')", FORMULA if cells.guarded else ()),
        _Part(_MASKED if filters.hidden else "c.number"),
        _spoken("COALESCE(s.status, 'not_defined')", Status, cells),
        _Part(_dialect().since),
        _spoken("NULLIF(s.source, '')", Channel, cells),
        _spoken("COALESCE(s.request_state, 'not_sent')", RequestState, cells),
        _Part("s.entry_id"),
    ]
    return _Part(", ".join(part.text for part in columns), tuple(value for part in columns for value in part.params))


# As consent.phones.mask writes it.
_MASKED = """'•••• ' || substr(c.number, length(c.number) - CASE WHEN length(c.number) > 8 THEN 3 ELSE 1 END)"""


def _spoken(column: str, choices: Any, cells: Cells) -> _Part:
    if not cells.words:
        return _Part(column)
    pairs = " ".join(["WHEN %s THEN %s"] * len(choices))
    return _Part(
        f"CASE {column} {pairs} END", tuple(word for choice in choices for word in (choice.value, choice.label))
    )


def _marks(values: Any) -> str:
    return ", ".join(["%s"] * len(values))


def _time(value: dt.datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(value)


def _select(filters: Filters, line: Line, cells: Cells) -> _Part:
    parts = [_columns(filters, line, cells), _from(filters, line), _where(filters)]
    text = f"SELECT {parts[0].text} {parts[1].text} {parts[2].text} ORDER BY c.id"
    return _Part(text, tuple(value for part in parts for value in part.params))


# ---- whole files ----------------------------------------------------------------------------------------------------


@contextmanager
def one_moment() -> Iterator[dt.datetime]:
    """Everything that is read inside is of one moment, which is given. Nobody waits for it, and nothing can be written.

    Inside a transaction of the caller's own it is that transaction which decides.
    """
    if connection.in_atomic_block:
        yield timezone.now()
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT now()")
            yield cursor.fetchone()[0]
    else:
        connection.ensure_connection()
        mode, connection.transaction_mode = connection.transaction_mode, "DEFERRED"  # IMMEDIATE keeps writers waiting
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                connection.transaction_mode = mode
                cursor.execute("SELECT 1 FROM consent_line LIMIT 1")  # from here on the moment stands still
                yield timezone.now()
        finally:
            connection.transaction_mode = mode


def rows(filters: Filters, cells: Cells = Cells()) -> Iterator[tuple[Any, ...]]:
    """All rows, as tuples in the order of ``Row``, in constant memory."""
    for line in filters.lines:
        statement = _select(filters, line, cells)
        with closing(_streaming_cursor()) as cursor:
            cursor.execute(statement.text, statement.params)
            while found := cursor.fetchmany(_ROWS_AT_A_TIME):
                yield from found


def _streaming_cursor() -> Any:
    return connection.chunked_cursor() if connection.vendor == "postgresql" else connection.cursor()


@dataclass
class Content:
    """The rows as they stand in a file (reporting.files). Read it inside ``one_moment``."""

    filters: Filters
    words: bool = False
    rows: int = 0

    def headings(self) -> list[str]:
        return list(COLUMNS.values() if self.words else COLUMNS)

    def cells(self) -> Iterator[tuple[Any, ...]]:
        return rows(self.filters, Cells(self.words))

    def csv(self) -> Iterator[bytes]:
        """In blocks of about 64 KiB: row by row it would cost several times as much on the way to the reader."""
        by_copy = connection.vendor == "postgresql"
        for line in self.filters.lines:
            yield from self._copied(line) if by_copy else self._written(line)

    def _copied(self, line: Line) -> Iterator[bytes]:
        statement = _select(self.filters, line, Cells(self.words, guarded=True))
        copying = connection.ops.compose_sql(f"COPY ({statement.text}) TO STDOUT (FORMAT csv)", statement.params)
        block, before = bytearray(), self.rows
        with connection.cursor() as cursor:
            with cursor.copy(copying) as copy:
                for piece in copy:
                    block += piece
                    if len(block) >= BLOCK:
                        self.rows += block.count(b"\n")  # more where a name has a line break; exact at the end
                        yield bytes(block)
                        block.clear()
            self.rows = before + cursor.rowcount
        if block:
            yield bytes(block)

    def _written(self, line: Line) -> Iterator[bytes]:
        statement = _select(self.filters, line, Cells(self.words, guarded=True))
        with connection.cursor() as cursor:
            cursor.execute(statement.text, statement.params)
            while found := cursor.fetchmany(_ROWS_AT_A_TIME):
                self.rows += len(found)
                yield lines(found)


# ---- a page, and the totals -----------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a row stands: its line's place among the chosen ones, and its contact's id."""

    line: int
    contact: int


@dataclass(frozen=True)
class Page:
    rows: list[tuple[Place, Row]]
    has_previous: bool
    has_next: bool


def page(filters: Filters, *, after: Place | None = None, before: Place | None = None, size: int = 50) -> Page:
    """``size`` rows behind ``after`` or up to ``before``: as quick on the last page as on the first."""
    backwards = before is not None
    start = before or after or Place(0, 0)
    found: list[tuple[Place, Row]] = []
    last = len(filters.lines) - 1
    numbers = range(min(start.line, last), -1, -1) if backwards else range(start.line, last + 1)
    for number in numbers:
        if len(found) <= size:
            contact = start.contact if number == start.line and (before or after) else None
            found += _some(filters, number, contact, backwards, size + 1 - len(found))
    more, found = len(found) > size, found[:size]
    if backwards:
        return Page(found[::-1], has_previous=more, has_next=True)
    return Page(found, has_previous=after is not None, has_next=more)


def _some(filters: Filters, number: int, contact: int | None, backwards: bool, most: int) -> list[tuple[Place, Row]]:
    line = filters.lines[number]
    edge = None if contact is None else _Edge(contact, backwards)
    parts = [_columns(filters, line, Cells()), _from(filters, line, few=True, edge=edge), _where(filters)]
    if edge:
        parts.append(edge.of("c.id"))
    columns, *rest = (part.text for part in parts)
    text = f"SELECT c.id, {columns} {' '.join(rest)} ORDER BY c.id {'DESC' if backwards else ''} LIMIT %s"
    params = [value for part in parts for value in part.params]
    with connection.cursor() as cursor:
        cursor.execute(text, [*params, most])
        return [(Place(number, contact), Row(*cells)) for contact, *cells in cursor.fetchall()]


def totals(filters: Filters) -> dict[Line, Counter[str]]:
    """How many rows there are of each line and status; statuses that were not asked for are left out.

    Where nothing but lines and statuses is chosen they come from the dashboard's counts, at the same cost at any size.
    """
    if not filters.narrowed and not filters.without_record and (counted := _counted_before(filters)):
        return counted
    found = {}
    for line in filters.lines:
        source, where = _from(filters, line), _where(filters)
        text = f"SELECT COALESCE(s.status, 'not_defined'), COUNT(*) {source.text} {where.text} GROUP BY 1"
        with connection.cursor() as cursor:
            cursor.execute(text, [*source.params, *where.params])
            found[line] = Counter(dict(cursor.fetchall()))
    return found


def _counted_before(filters: Filters) -> dict[Line, Counter[str]] | None:
    """None where so much came in lately that it is not all counted yet."""
    counted = figures.read(timezone.localdate(), [line.pk for line in filters.lines])
    if counted.behind:
        return None
    return {
        line: Counter({str(status): counted.status(Status(status), line.pk) for status in filters.statuses})
        for line in filters.lines
    }
