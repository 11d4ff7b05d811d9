"""The double opt-in funnel counts what a plain count in Python counts, by every dimension, filter and time zone."""

import contextlib
import csv
import datetime as dt
import io
import json
import math
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.models import Contact, Line, OptInRequest, User
from consent.vocabulary import Channel, Language, RequestKind, RequestOutcome
from messaging.models import Template
from messaging.wordings import Kind
from reporting import exports, files, funnel
from reporting.funnel import By, Content, Filters, Row, cells, columns, table, total
from reporting.models import ReportRun
from tests.make import make_agent, make_line
from tests.world import Clock, Phone, sweep, write

pytestmark = pytest.mark.django_db

O = RequestOutcome  # noqa: E741
NUMBERS = ["sent", "accepted", "rejected", "expired", "silent", "undelivered", "settled_otherwise", "median", "p90"]
# New York puts its clocks forward on 8 March 2026, at two in the night.
SPRING = dt.datetime(2026, 3, 8, 5, tzinfo=dt.UTC)


def make_request(
    line: Line,
    *,
    sent: dt.datetime | None = SPRING,
    outcome: str = O.OPEN,
    took: dt.timedelta | None = None,
    kind: str = RequestKind.OURS,
    channel: str = Channel.AGENT,
    **fields: Any,
) -> OptInRequest:
    """A request to a contact of its own, as it stands after the ledger's verbs."""
    return OptInRequest.objects.create(
        contact=Contact.objects.create(number=f"+1425555{Contact.objects.count():04}"),
        line=line,
        kind=kind,
        channel=channel,
        created=sent or SPRING,
        left_at=sent,
        sent_at=sent,
        outcome=outcome,
        ended_at=(sent or SPRING) + (took or dt.timedelta()) if outcome else None,
        **fields,
    )


def minutes(number: float) -> dt.timedelta:
    return dt.timedelta(minutes=number)


# ---- a reference that is slow and plain -----------------------------------------------------------------------------


def nearest_rank(times: list[dt.timedelta], percent: int) -> dt.timedelta | None:
    """The smallest of the times that at least so many per cent of them do not exceed."""
    return sorted(times)[math.ceil(Fraction(percent, 100) * len(times)) - 1] if times else None


def numbers(requests: list[OptInRequest]) -> tuple[Any, ...]:
    def of(outcome: str) -> int:
        return len([each for each in requests if each.outcome == outcome])

    times = [
        each.ended_at - each.sent_at
        for each in requests
        if each.outcome in {O.ACCEPTED, O.REJECTED} and each.ended_at >= each.sent_at
    ]
    outcomes = [of(outcome) for outcome in (O.ACCEPTED, O.REJECTED, O.EXPIRED, O.OPEN, O.FAILED, O.WITHDRAWN)]
    return (len(requests), *outcomes, nearest_rank(times, 50), nearest_rank(times, 90))


def value(request: OptInRequest, by: By, zone: ZoneInfo) -> str:
    day = request.sent_at.astimezone(zone).date()
    return {
        By.LINE: request.line.number,
        By.INITIATOR: request.kind,
        By.ASKED_BY: request.asked_by.username if request.asked_by else "",
        By.CHANNEL: request.channel,
        By.BATCH: request.batch,
        By.WORDING: str(request.wording or ""),
        By.DAY: day.isoformat(),
        By.WEEK: (day - dt.timedelta(days=day.weekday())).isoformat(),
        By.MONTH: day.isoformat()[:7],
    }[by]


def fits(request: OptInRequest, filters: Filters, zone: ZoneInfo) -> bool:
    if request.sent_at is None or request.line not in filters.lines:
        return False
    day = request.sent_at.astimezone(zone).date()
    return (
        (filters.since is None or day >= filters.since)
        and (filters.until is None or day <= filters.until)
        and (not filters.initiators or request.kind in filters.initiators)
        and (not filters.channels or request.channel in filters.channels)
        and (not filters.batches or request.batch in filters.batches)
    )


def found(row: Row) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in NUMBERS)


class _TakenBack(Exception):
    pass


@contextmanager
def taken_back() -> Iterator[None]:
    """What is written inside is taken back at the end: the next example of hypothesis finds nobody."""
    with contextlib.suppress(_TakenBack), transaction.atomic():
        yield
        raise _TakenBack


ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"]
PLACES = st.integers(0, 2)
DAYS = st.none() | st.integers(-9, 9).map(lambda days: SPRING.date() + dt.timedelta(days=days))
BATCHES = ["", "march.csv", "=1+1"]
REQUESTS = st.lists(
    st.fixed_dictionaries(
        {
            "line": PLACES,
            "kind": st.sampled_from(RequestKind.values),
            "channel": st.sampled_from([Channel.AGENT, Channel.IMPORT, Channel.API]),
            "asked_by": PLACES,
            "batch": st.sampled_from(BATCHES),
            "wording": PLACES,
            # Near the borders of days and of the change to summer time, and anywhere.
            "sent": st.none()
            | st.builds(
                lambda days, seconds: SPRING + dt.timedelta(days=days, seconds=seconds),
                st.integers(-40, 9),
                st.sampled_from([-1, 0, 1, 7199, 7200]) | st.integers(0, 86_400),
            ),
            "outcome": st.sampled_from([*O.values, O.ACCEPTED, O.REJECTED]),
            "took": st.integers(-2, 12).map(minutes) | st.timedeltas(minutes(0), dt.timedelta(days=37)),
        }
    ),
    max_size=30,
)
CHOICES = st.fixed_dictionaries(
    {
        "since": DAYS,
        "until": DAYS,
        "initiators": st.sets(st.sampled_from(RequestKind.values), max_size=2),
        "channels": st.sets(st.sampled_from([Channel.AGENT, Channel.IMPORT]), max_size=2),
        "batches": st.sets(st.sampled_from(BATCHES), max_size=2),
    }
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(requests=REQUESTS, choices=CHOICES, zone=st.sampled_from(ZONES))
def test_it_counts_what_a_plain_count_counts(requests: list[Any], choices: dict[str, Any], zone: str) -> None:
    with taken_back(), override_settings(TIME_ZONE=zone):
        lines = [make_line(f"+1206555010{place}") for place in range(3)]
        people = [None, User.objects.create(username="ann"), User.objects.create(username="bob")]
        wordings = [
            None,
            *(Template.objects.get(kind=kind).current.uuid for kind in ("request_ours", "request_theirs")),
        ]
        made = [
            make_request(
                **{
                    **each,
                    "line": lines[each["line"]],
                    "asked_by": people[each["asked_by"]],
                    "wording": wordings[each["wording"]],
                }
            )
            for each in requests
        ]
        filters = Filters(lines[:2], **choices)
        counted = [each for each in made if fits(each, filters, ZoneInfo(zone))]
        assert found(total(filters)) == numbers(counted)
        for by in By:
            groups = defaultdict(list)
            for each in counted:
                groups[value(each, by, ZoneInfo(zone))].append(each)
            rows = table(filters, by)
            assert {row.value: found(row) for row in rows} == {key: numbers(group) for key, group in groups.items()}
            assert len(rows) == len(groups)
            assert all(row.sent == sum(found(row)[1:7]) for row in rows)
            assert all(row.rate == row.accepted / row.sent for row in rows)


# ---- times to answer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "median", "p90"),
    [
        ([7], 7, 7),
        ([1, 2], 1, 2),
        ([1, 2, 3], 2, 3),
        ([1, 2, 3, 4], 2, 4),
        (range(1, 11), 5, 9),
        (range(1, 12), 6, 10),
        (range(1, 21), 10, 18),
        ([5, 5, 5, 60], 5, 60),
    ],
)
def test_percentiles_are_times_that_somebody_took(answers: Any, median: int, p90: int) -> None:
    line = make_line()
    for number in reversed(answers):
        make_request(line, outcome=O.REJECTED if number % 2 else O.ACCEPTED, took=minutes(number))
    filters = Filters([line])
    for row in [total(filters), *table(filters, By.LINE)]:
        assert (row.median, row.p90) == (minutes(median), minutes(p90))


def test_percentiles_are_exact_to_the_microsecond_and_over_many_days() -> None:
    line = make_line()
    took = dt.timedelta(days=36, hours=23, seconds=59, microseconds=123_457)
    make_request(line, outcome=O.ACCEPTED, took=took)
    assert total(Filters([line])).median == took


def test_those_who_did_not_answer_have_no_time() -> None:
    line = make_line()
    for outcome in (O.OPEN, O.EXPIRED, O.FAILED, O.WITHDRAWN):
        make_request(line, outcome=outcome, took=minutes(1))
    row = total(Filters([line]))
    assert (row.sent, row.median, row.p90, row.rate) == (4, None, None, 0)


def test_a_yes_given_before_the_request_counts_but_has_no_time() -> None:
    line = make_line()
    make_request(line, outcome=O.ACCEPTED, took=minutes(-90))
    assert (total(Filters([line])).accepted, total(Filters([line])).median) == (1, None)
    make_request(line, outcome=O.ACCEPTED, took=minutes(0))
    assert (total(Filters([line])).accepted, total(Filters([line])).median) == (2, minutes(0))


# ---- what counts as what --------------------------------------------------------------------------------------------


def test_the_life_of_a_request(clock: Clock, jane: Phone) -> None:
    """Sent and silent, then expired, then accepted by a YES that comes late."""
    line = make_line()
    ann = make_agent(line, name="ann")
    day = dt.date(2026, 12, 1)
    filters = Filters([line], since=day, until=day)
    write(ann, line)
    assert found(total(filters))[:7] == (1, 0, 0, 0, 1, 0, 0)
    clock.passes(days=8)
    sweep()
    assert found(total(filters))[:7] == (1, 0, 0, 1, 0, 0, 0)
    jane.texts(line, "YES")
    row = total(filters)
    assert found(row)[:7] == (1, 1, 0, 0, 0, 0, 0)
    assert row.rate == 1 and row.median is not None and dt.timedelta(days=8) <= row.median < dt.timedelta(days=8.1)
    [by_wording] = table(filters, By.WORDING)
    assert by_wording.label == "Opt-in request, we texted first, version 1"
    assert [row.label for row in table(filters, By.ASKED_BY)] == ["ann"]


def test_one_that_never_left_does_not_count() -> None:
    line = make_line()
    make_request(line, sent=None)
    make_request(line, sent=None, outcome=O.FAILED)
    make_request(line, sent=None, outcome=O.WITHDRAWN)
    assert total(Filters([line])).sent == 0 and total(Filters([line])).rate is None
    assert all(table(Filters([line]), by) == [] for by in By)


def test_only_the_lines_given_are_counted() -> None:
    sales, care = make_line(), make_line("+12065550101")
    make_request(sales)
    make_request(care)
    assert [row.value for row in table(Filters([sales]), By.LINE)] == [sales.number]
    assert table(Filters([]), By.DAY) == [] and total(Filters([])).sent == 0


@pytest.mark.parametrize(
    ("zone", "day"),
    [("UTC", 8), ("America/New_York", 7), ("America/Los_Angeles", 7), ("Asia/Tokyo", 8)],
)
def test_a_day_is_that_of_the_installs_zone(zone: str, day: int) -> None:
    with override_settings(TIME_ZONE=zone):
        line = make_line()
        make_request(line, sent=SPRING - dt.timedelta(seconds=1))  # in New York the last second of the day before
        of_that_day = dt.date(2026, 3, day)
        one = dt.timedelta(days=1)
        assert [row.value for row in table(Filters([line]), By.DAY)] == [of_that_day.isoformat()]
        assert total(Filters([line], since=of_that_day, until=of_that_day)).sent == 1
        assert total(Filters([line], since=of_that_day + one)).sent == 0
        assert total(Filters([line], until=of_that_day - one)).sent == 0


def test_the_day_on_which_clocks_change_has_23_hours_and_all_of_them() -> None:
    with override_settings(TIME_ZONE="America/New_York"):
        line = make_line()
        for hours in (-1, 0, 22, 23):
            make_request(line, sent=SPRING + dt.timedelta(hours=hours))
        assert total(Filters([line], since=dt.date(2026, 3, 8), until=dt.date(2026, 3, 8))).sent == 2
        assert [(row.value, row.sent) for row in table(Filters([line]), By.DAY)] == [
            ("2026-03-07", 1),
            ("2026-03-08", 2),
            ("2026-03-09", 1),
        ]
        # A Sunday ends its week, and the week is named for its Monday.
        assert [(row.value, row.label, row.sent) for row in table(Filters([line]), By.WEEK)] == [
            ("2026-03-02", "Week of 2 Mar 2026", 3),
            ("2026-03-09", "Week of 9 Mar 2026", 1),
        ]
        assert [(row.value, row.label) for row in table(Filters([line]), By.MONTH)] == [("2026-03", "March 2026")]


# ---- names and order ------------------------------------------------------------------------------------------------


def test_groups_are_named_as_people_know_them_and_stand_in_order() -> None:
    sales = make_line(name="Sales")
    care = make_line("+12065550101", name="care")
    twin = make_line("+12065550102", name="Sales")
    ann = User.objects.create(username="ann", first_name="Ann", last_name="Lee")
    bob = User.objects.create(username="bob")
    general = Template.objects.get(kind=Kind.REQUEST_OURS)
    first = general.current.uuid
    second = general.say("Automatic message: {company_name}. YES to agree, STOP to refuse.").uuid
    own = Template.objects.create(kind=Kind.REQUEST_OURS, line=sales, language=Language.SPANISH)
    spanish = own.say("Mensaje automático: {company_name}. {accept_word} o STOP.").uuid
    make_request(twin, batch="b.csv", kind=RequestKind.THEIRS, channel=Channel.KEYWORD, wording=second)
    make_request(sales, asked_by=bob, batch="a.csv", wording=spanish, kind=RequestKind.CONFIRM_SIGN_UP)
    make_request(care, asked_by=ann, wording=first)
    filters = Filters([sales, care, twin])

    def labels(by: By) -> list[str]:
        return [row.label for row in table(filters, by)]

    assert labels(By.LINE) == ["care (+12065550101)", "Sales (+12065550100)", "Sales (+12065550102)"]
    assert labels(By.ASKED_BY) == ["Ann Lee (ann)", "bob", "– No person"]
    assert labels(By.BATCH) == ["a.csv", "b.csv", "– No import"]
    assert labels(By.INITIATOR) == ["We texted first", "The contact texted first", "Confirms a sign-up"]
    assert labels(By.CHANNEL) == ["Text message", "Recorded by hand"]
    request = "Opt-in request, we texted first"
    assert labels(By.WORDING) == [
        f"{request}, version 1",
        f"{request}, version 2",
        f"{request}, Sales (+12065550100), Spanish, version 1",
    ]
    assert labels(By.DAY) == ["Sun, 8 Mar 2026"]


def test_requests_without_a_wording_on_record_are_told_apart_from_unknown_ones() -> None:
    line = make_line()
    unknown = uuid.uuid4()
    make_request(line)
    make_request(line, wording=unknown)
    rows = table(Filters([line]), By.WORDING)
    assert [(row.value, row.label) for row in rows] == [
        (str(unknown), "– Unknown version"),
        ("", "– No wording on record"),
    ]


# ---- cost and export ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", By)
def test_a_table_costs_one_query_at_any_size(by: By) -> None:
    lines = [make_line(f"+1206555010{place}") for place in range(3)]
    for place, line in enumerate(lines):
        make_request(line, sent=SPRING + dt.timedelta(days=place), asked_by=make_agent(), batch=f"{place}.csv")
    with CaptureQueriesContext(connection) as queries:
        table(Filters(lines, since=SPRING.date()), by)
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        total(Filters(lines))
    assert len(queries) == 1


def test_an_export_has_machine_names_and_times_in_seconds() -> None:
    line = make_line(name="Sales")
    make_request(line, outcome=O.ACCEPTED, took=dt.timedelta(seconds=90, milliseconds=250))
    make_request(line, outcome=O.EXPIRED)
    make_request(line)
    [row] = table(Filters([line]), By.LINE)
    assert dict(zip(columns(), cells(row), strict=True)) == {
        "by": "line",
        "value": line.number,
        "label": f"Sales ({line.number})",
        "sent": 3,
        "accepted": 1,
        "rejected": 0,
        "expired": 1,
        "silent": 1,
        "undelivered": 0,
        "settled_otherwise": 0,
        "rate": 0.3333,
        "median_seconds_to_answer": 90.25,
        "p90_seconds_to_answer": 90.25,
    }
    assert cells(total(Filters([])))[3:] == [0, 0, 0, 0, 0, 0, 0, None, None, None]


def test_what_was_chosen_is_kept_in_the_words_of_the_api() -> None:
    line, other = make_line(), make_line("+12065550101")
    make_request(line, channel=Channel.API, batch="a.csv")
    make_request(line, channel=Channel.AGENT, batch="a.csv")
    make_request(other, channel=Channel.API, batch="a.csv")
    chosen = Filters(
        [line],
        since=dt.date(2026, 3, 1),
        until=SPRING.date(),
        initiators=[RequestKind.OURS],
        channels={Channel.IMPORT, Channel.API},
        batches=["a.csv"],
    )
    kept = {
        "line": [line.number],
        "since": "2026-03-01",
        "until": "2026-03-08",
        "initiator": ["ours"],
        "channel": ["api", "import"],
        "batch": ["a.csv"],
    }
    assert chosen.as_json() == kept
    assert table(Filters.from_json(kept), By.DAY) == table(chosen, By.DAY) != []
    assert Filters([]).as_json() == {} and total(Filters.from_json({})).sent == 0


@pytest.mark.parametrize("format", files.TABLES)
def test_each_kind_of_file_has_all_rows(format: str) -> None:
    line = make_line(name="=1+1")
    for batch in ["-2", "b.csv", ""]:
        make_request(line, batch=batch, outcome=O.ACCEPTED, took=minutes(1))
    content = Content.from_json({"line": [line.number], "by": "batch"}, format == "xlsx")
    written = b"".join(files.blocks(content, format, {"report": "funnel"}))
    assert content.rows == 3
    if format == "json":
        assert [row["value"] for row in json.loads(written)["rows"]] == ["-2", "b.csv", ""]
    elif format != "xlsx":
        rows = list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"))))
        assert [(row["value"], row["label"], row["median_seconds_to_answer"]) for row in rows] == [
            ("'-2", "'-2", "60.0"),
            ("b.csv", "b.csv", "60.0"),
            ("", "– No import", "60.0"),
        ]
    else:
        assert content.headings()[:4] == ["Compared by", "Short name", "Name", "Sent"]


def test_a_hostile_name_is_no_formula_and_a_number_stays_a_number() -> None:
    line = make_line(name="=1+1")
    make_request(line)
    content = Content(Filters([line]), By.LINE)
    [row] = csv.reader(io.StringIO(b"".join(content.csv()).decode()))
    assert row[:3] == ["line", "+12065550100", "'=1+1 (+12065550100)"]


@pytest.mark.parametrize(
    ("by", "sent", "values"),
    [
        (By.DAY, [0, 3], ["2026-03-08", "2026-03-09", "2026-03-10", "2026-03-11"]),
        (By.WEEK, [0, 15], ["2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23"]),
        (By.MONTH, [-60, 0, 31], ["2026-01", "2026-02", "2026-03", "2026-04"]),
    ],
)
def test_unbroken_periods_have_those_in_which_nothing_was_sent(by: By, sent: list[int], values: list[str]) -> None:
    line = make_line()
    for days in sent:
        make_request(line, sent=SPRING + dt.timedelta(days=days, hours=12))
    rows = table(Filters([line]), by)
    found = funnel.unbroken(rows, by)
    assert [row.value for row in found] == values
    assert [row for row in found if row.sent] == rows
    assert all(row.rate is None and row.label for row in found if not row.sent)


@pytest.mark.django_db(transaction=True)
def test_a_file_is_whole_on_a_connection_that_did_nothing_before() -> None:
    """A server's new thread: what Django finds out about the database it must find out inside our one moment, too."""
    line = make_line()
    make_request(line, outcome=O.ACCEPTED, took=minutes(1))
    run = exports.begin(Filters([line]), format="csv", origin=ReportRun.Origin.API, user=None, by=By.LINE)
    made: list[bytes] = []

    def make() -> None:
        try:
            made.extend(exports.stream(run))
        finally:
            connection.close()

    thread = threading.Thread(target=make)
    thread.start()
    thread.join(20)
    run.refresh_from_db()
    assert (run.state, run.rows) == (ReportRun.State.DONE, 1), b"".join(made)
