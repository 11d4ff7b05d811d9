"""The Opt In & Out Snapshot: page, file and totals agree row for row with the state table, and with any past one."""

import contextlib
import csv
import datetime as dt
import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import openpyxl
import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent import ledger, phones
from consent.ledger import Authority, Proof
from consent.models import Consent, Contact, Line, OptInRequest
from consent.vocabulary import Channel, Level, RequestKind, RequestState, Scope, Status
from reporting import files, snapshot
from reporting.snapshot import IN_AND_OUT, Filters, Row
from tests.make import make_contact, make_line
from tests.world import Clock

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
NUMBERS = [f"+1206555014{digit}" for digit in range(4)]
EVERYTHING = tuple(Status)


# ---- a reference that is slow and plain -----------------------------------------------------------------------------


def iso(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None


def plainly(filters: Filters) -> list[Row]:
    """What the snapshot should show now, from the model's objects."""
    found = []
    for line in filters.lines:
        for contact in Contact.objects.order_by("pk"):
            consent = Consent.objects.filter(contact=contact, line=line).first() or Consent(line=line, contact=contact)
            if consent.pk is None and not filters.without_record:
                continue
            if consent.status in filters.statuses and _fits(consent, contact, filters):
                found.append(
                    Row(
                        line.name,
                        line.number,
                        contact.name or None,
                        phones.mask(contact.number) if filters.hidden else contact.number,
                        str(consent.status),
                        iso(consent.since),
                        consent.source or None,
                        str(consent.request_state),
                        consent.entry_id,
                    )
                )
    return found


def _fits(consent: Consent, contact: Contact, filters: Filters) -> bool:
    since = consent.since
    return (
        (not filters.sources or consent.source in filters.sources)
        and (filters.since_from is None or (since is not None and since >= filters.since_from))
        and (filters.since_until is None or (since is not None and since < filters.since_until))
        and filters.search.lower() in f"{contact.first_name} {contact.last_name} {contact.number}".lower()
    )


def read(filters: Filters) -> list[Row]:
    return [Row(*each) for each in snapshot.rows(filters)]


def in_a_file(filters: Filters, format: str = "csv", *, words: bool = False) -> bytes:
    content = snapshot.Content(filters, words)
    return b"".join(files.blocks(content, format, {}))


def as_csv(filters: Filters, *, words: bool = False) -> list[list[str]]:
    return list(csv.reader(io.StringIO(in_a_file(filters, words=words).decode())))


def as_xlsx(filters: Filters) -> list[Row]:
    sheet = openpyxl.load_workbook(io.BytesIO(in_a_file(filters, "xlsx")), read_only=True).active
    assert sheet is not None
    found = list(sheet.iter_rows(values_only=True))
    assert found[0] == tuple(snapshot.COLUMNS)
    return [Row(*each) for each in found[1:]]


def as_json(filters: Filters) -> list[Row]:
    found = json.loads(in_a_file(filters, "json"))
    assert found["count"] == len(found["rows"])
    return [Row(**each) for each in found["rows"]]


def by_pages(filters: Filters, size: int) -> list[Row]:
    """All rows, page by page forwards; each page must come again on the way back."""
    pages = [snapshot.page(filters, size=size)]
    while pages[-1].has_next:
        pages.append(snapshot.page(filters, after=pages[-1].rows[-1][0], size=size))
    for earlier, later in zip(pages[-2::-1], pages[:0:-1], strict=True):
        assert later.has_previous
        back = snapshot.page(filters, before=later.rows[0][0], size=size)
        assert (back.rows, back.has_previous) == (earlier.rows, earlier is not pages[0])
    assert not pages[0].has_previous
    return [row for page in pages for _, row in page.rows]


# ---- random histories -----------------------------------------------------------------------------------------------


def _in(contact: Contact, line: Line, at: dt.datetime) -> None:
    proof = Proof(Channel.KEYWORD, {"text": "START"})
    ledger.opt_in(contact, line, proof, occurred_at=at, level=Level.EXPRESS, authority=Authority.CONTACT)


def _in_by_paper(contact: Contact, line: Line, at: dt.datetime) -> None:
    proof = Proof(Channel.PAPER, {"words": "signed"})
    ledger.opt_in(contact, line, proof, occurred_at=at, level=Level.WRITTEN, authority=Authority.OFFICER)


def _out(contact: Contact, line: Line, at: dt.datetime) -> None:
    ledger.opt_out(contact, line, Proof(Channel.KEYWORD, {"text": "STOP"}), occurred_at=at, scope=Scope.LINE)


def _out_everywhere(contact: Contact, line: Line, at: dt.datetime) -> None:
    ledger.opt_out(contact, line, Proof(Channel.PROVIDER, {"code": 21610}), occurred_at=at, scope=Scope.ALL)


def _ask(contact: Contact, line: Line, at: dt.datetime) -> None:
    if OptInRequest.objects.open().filter(contact=contact, line=line).exists():
        return
    request = OptInRequest.objects.create(
        contact=contact, line=line, kind=RequestKind.OURS, channel=Channel.AGENT, created=at
    )
    ledger.asked(request, Proof(Channel.AGENT, {}), at=at, expires_after=dt.timedelta(days=7))


def _expire(contact: Contact, line: Line, at: dt.datetime) -> None:
    for request in OptInRequest.objects.open().filter(contact=contact, line=line):
        ledger.request_expired(request, Proof(Channel.AGENT, {}), at=at)


def _fail(contact: Contact, line: Line, at: dt.datetime) -> None:
    for request in OptInRequest.objects.open().filter(contact=contact, line=line):
        ledger.request_failed(request, Proof(Channel.AGENT, {}), at=at)


def _tell(contact: Contact, line: Line, at: dt.datetime) -> None:
    ledger.told(contact, line, Proof(Channel.AGENT, {}), at=at)


def _doubt(contact: Contact, line: Line, at: dt.datetime) -> None:
    ledger.open_review(contact, line, Proof(Channel.KEYWORD, {"text": "hm"}), at=at)


def _block(contact: Contact, line: Line, at: dt.datetime) -> None:
    ledger.set_blocked_at_provider(contact, line, True)  # makes a row of the state table without an entry


DOINGS: list[Callable[[Contact, Line, dt.datetime], None]] = [
    _in, _in_by_paper, _out, _out_everywhere, _ask, _expire, _fail, _tell, _doubt, _block,
]  # fmt: skip
# Who does what on which line, and how many seconds before it is recorded it happened.
HISTORIES = st.lists(
    st.tuples(st.sampled_from(NUMBERS), st.integers(0, 1), st.sampled_from(DOINGS), st.integers(0, 7200)), max_size=25
)
CHOICES = st.builds(
    dict,
    statuses=st.sets(st.sampled_from(EVERYTHING), min_size=1).map(lambda found: tuple(sorted(found))),
    sources=st.sets(st.sampled_from([Channel.KEYWORD, Channel.PAPER, Channel.AGENT]), max_size=2).map(tuple),
    since_from=st.none() | st.integers(-2, 30).map(lambda hours: NOON + dt.timedelta(hours=hours)),
    since_until=st.none() | st.integers(-2, 30).map(lambda hours: NOON + dt.timedelta(hours=hours)),
    search=st.sampled_from(["", "", "0142", "jane"]),
    hidden=st.just(False),
)


def played(history: list[Any], lines: list[Line], look: Callable[[dt.datetime], None] | None = None) -> dt.datetime:
    """Play a history, an hour a step; ``look`` is called between the steps. Gives the time at its end."""
    at = NOON
    for number, place, doing, earlier in history:
        with time_machine.travel(at, tick=False):
            contact = make_contact(number, first_name="Jane" if number.endswith("2") else "")
            doing(contact, lines[place], at - dt.timedelta(seconds=earlier))
        if look:
            look(at)
        at += dt.timedelta(hours=1)
    return at


def two_lines() -> list[Line]:
    return [make_line("+12065550100", name="Orders"), make_line("+12065550101", name="Clinic")]


class _TakenBack(Exception):
    pass


@contextmanager
def taken_back() -> Iterator[None]:
    """What is written inside is taken back at the end: the next example of hypothesis finds nobody."""
    with contextlib.suppress(_TakenBack), transaction.atomic():
        yield
        raise _TakenBack


many_examples = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


# ---- what must be true ----------------------------------------------------------------------------------------------


@given(history=HISTORIES, choices=CHOICES, size=st.integers(1, 5))
@many_examples
def test_page_file_totals_and_the_state_table_agree(history: list[Any], choices: dict[str, Any], size: int) -> None:
    with taken_back():
        lines = two_lines()
        played(history, lines)
        filters = Filters(tuple(lines), **choices)
        wanted = plainly(filters)
        assert read(filters) == as_json(filters) == wanted
        assert as_xlsx(filters) == wanted
        assert by_pages(filters, size) == wanted
        assert as_csv(filters)[1:] == [["" if cell is None else str(cell) for cell in row] for row in wanted]
        counted = snapshot.totals(filters)
        assert list(counted) == list(filters.lines)
        assert sum(map(Counter.total, counted.values())) == len(wanted)
        for line in lines:
            statuses = Counter(row.status for row in wanted if row.line_number == line.number)
            assert +counted[line] == statuses


@given(history=HISTORIES, choices=CHOICES)
@many_examples
def test_a_past_instant_shows_what_stood_there_then(history: list[Any], choices: dict[str, Any]) -> None:
    with taken_back():
        lines = two_lines()
        Contact.objects.bulk_create([Contact(number=number) for number in NUMBERS])
        Contact.objects.update(created=NOON - dt.timedelta(days=1))
        stood: dict[dt.datetime, list[Row]] = {}

        def look(at: dt.datetime) -> None:
            stood[at] = plainly(Filters(tuple(lines), **choices))

        end = played(history, lines, look)
        for at, then in stood.items():
            filters = Filters(tuple(lines), **choices, as_of=at)
            assert read(filters) == then
            assert by_pages(filters, 3) == then
            assert sum(map(Counter.total, snapshot.totals(filters).values())) == len(then)
        now = read(Filters(tuple(lines), **choices))
        assert read(Filters(tuple(lines), **choices, as_of=end)) == now


def test_what_is_recorded_late_shows_from_when_it_was_recorded(clock: Clock) -> None:
    """An opt-out told on Monday and recorded on Thursday was not known on Tuesday."""
    line, jane = make_line(), make_contact()
    monday = timezone.now()
    clock.passes(days=3)
    _out(jane, line, monday)
    told = Filters((line,), as_of=monday + dt.timedelta(days=1))
    assert read(told) == []
    (row,) = read(Filters((line,), as_of=timezone.now()))
    assert row.since == iso(monday)


def test_an_unknown_contact_is_not_defined_only_from_when_they_are_known(clock: Clock) -> None:
    line = make_line()
    before = timezone.now()
    clock.passes(hours=1)
    make_contact()
    wanted = dict(lines=(line,), statuses=(Status.NOT_DEFINED,))
    (row,) = read(Filters(**wanted))
    assert (row.status, row.since, row.source, row.request_state, row.ledger_entry) == (
        "not_defined", None, None, RequestState.NOT_SENT, None,
    )  # fmt: skip
    assert read(Filters(**wanted, as_of=before)) == []
    assert read(Filters(**wanted, as_of=timezone.now())) == [row]


def test_a_place_that_is_nowhere_costs_nothing() -> None:
    """As an address may name it."""
    line = make_line()
    _in(make_contact(), line, NOON)
    found = snapshot.page(Filters((line,)), before=snapshot.Place(2**62, 1))
    assert not found.has_previous
    assert snapshot.page(Filters((line,)), after=snapshot.Place(2**62, 1)).rows == []
    assert snapshot.page(Filters(()), before=snapshot.Place(3, 1)).rows == []


def test_who_was_recorded_before_they_were_known_shows_once(clock: Clock) -> None:
    """Clocks of two hosts differ: the contact seems younger than their opt-in."""
    line, jane = make_line(), make_contact()
    _in(jane, line, timezone.now())
    between = timezone.now()
    Contact.objects.update(created=between + dt.timedelta(seconds=1))
    for statuses in (IN_AND_OUT, EVERYTHING):
        assert len(read(Filters((line,), statuses=statuses, as_of=between))) == 1


def test_lines_stand_in_the_order_of_their_names_whatever_the_order_of_choosing() -> None:
    b, a = make_line("+12065550100", name="B"), make_line("+12065550101", name="A")
    for line in (a, b):
        _in(make_contact(), line, NOON)
    assert [row.line_name for row in read(Filters((b, a)))] == ["A", "B"]


# ---- cells ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_name_that_a_spreadsheet_would_run_is_made_harmless(first: str) -> None:
    line = make_line(name="=HYPERLINK(1)")
    _in(make_contact(first_name=f'{first}cmd|" /C calc"!A0', last_name="B,c"), line, NOON)
    cells = as_csv(Filters((line,)))[1]
    assert cells[0] == "'=HYPERLINK(1)"
    assert cells[2] == f"""'{first}cmd|" /C calc"!A0 B,c"""
    assert cells[3] == "+12065550142", "a number in E.164 stays a number"
    (row,) = read(Filters((line,)))
    assert row.contact_name is not None and row.contact_name.startswith(first), (
        "only files for spreadsheets are guarded"
    )


@pytest.mark.parametrize(
    "name", ["Zoë 🙂 Østergård", 'Quote "d", Comma', "Two\nlines", "陳大文", "\\.", "'", "%s %(x)s {}"]
)
def test_names_come_through_a_file_as_they_are(name: str) -> None:
    line = make_line()
    _in(make_contact(first_name=name), line, NOON)
    assert as_csv(Filters((line,)))[1][2] == name


def test_words_for_people() -> None:
    line = make_line()
    _in(make_contact(), line, NOON)
    make_contact("+12065550143")
    rows = as_csv(Filters((line,), statuses=EVERYTHING), words=True)
    assert rows[0][:5] == ["Line name", "Line number", "Contact name", "Mobile number", "Status"]
    assert [rows[1][4], rows[1][6], rows[1][7]] == ["Opted in", "Text message", "Not Sent"]
    assert [rows[2][4], rows[2][6], rows[2][7]] == ["Not Defined", "", "Not Sent"]


def test_a_byte_order_mark_only_where_it_is_wanted() -> None:
    filters = Filters((make_line(),))
    assert in_a_file(filters).startswith(b"line_name,line_number,")
    assert in_a_file(filters, "csv-excel").startswith(b"\xef\xbb\xbfline_name,")


def test_hidden_numbers_are_hidden_and_found_by_their_end_only() -> None:
    line = make_line()
    for number in NUMBERS:
        _in(make_contact(number), line, NOON)
    assert [row.mobile_number for row in read(Filters((line,), hidden=True))] == [phones.mask(each) for each in NUMBERS]
    assert len(read(Filters((line,), hidden=True, search="0142"))) == 1
    assert read(Filters((line,), hidden=True, search="206555")) == []
    assert len(read(Filters((line,), search="206555"))) == 4


def test_blocks_are_not_rows() -> None:
    """A block a row would cost several times as much on the way to the browser."""
    line = make_line()
    contacts = Contact.objects.bulk_create([Contact(number=f"+1206{serial:07}") for serial in range(3000)])
    Consent.objects.bulk_create([Consent(contact=contact, line=line, status=Status.OPTED_IN) for contact in contacts])
    content = snapshot.Content(Filters((line,)))
    blocks = list(content.csv())
    assert len(blocks) < 10
    assert b"".join(blocks).count(b"\n") == content.rows == 3000


# ---- one moment -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_file_is_of_one_moment_while_others_write() -> None:
    """The second line is read after somebody opted out on both: the file still shows neither."""
    lines = two_lines()
    with transaction.atomic():
        for line in lines:
            _in(make_contact(), line, timezone.now())
    filters = Filters(tuple(lines))

    def opt_out() -> None:
        try:
            with transaction.atomic():
                _out_everywhere(Contact.objects.lock("+12065550142"), lines[0], timezone.now())
        finally:
            connection.close()

    with snapshot.one_moment():
        rows = snapshot.rows(filters)
        first = list(islice(rows, 1))
        other = threading.Thread(target=opt_out)
        other.start()
        other.join(20)
        assert not other.is_alive(), "who writes does not wait for who reads"
        seen = [Row(*each).status for each in [*first, *rows]]
    assert seen == ["opted_in", "opted_in"]
    assert [row.status for row in read(filters)] == ["opted_out", "opted_out"]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_open_when_the_reader_goes_away() -> None:
    line = make_line()
    with snapshot.one_moment():
        next(snapshot.rows(Filters((line,))), None)
    make_contact()  # a transaction that was left open would refuse this
    assert Contact.objects.count() == 1
