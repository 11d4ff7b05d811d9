"""However many numbers and lines facts are gathered for, each gets what it would get alone, and each fact is what the
models say, whatever is in the database. WORLDS=200 in the environment tries more.
"""

import datetime as dt
import itertools
import os
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent import gate
from consent.gate import Facts, Purpose
from consent.models import (
    Consent,
    Contact,
    DoNotContact,
    LedgerEntry,
    Line,
    ListImport,
    OptInRequest,
    Organisation,
    ScrubResult,
)
from consent.models.contact import suppression_digest
from messaging import facts, timing
from messaging.models import Conversation, Message, Receipt
from tests.make import JANE, make_contact, make_line, make_opted_in

NOW = dt.datetime(2026, 12, 1, 15, 30, tzinfo=dt.UTC)  # by day in the east of the United States, too early in the west
HOUR = dt.timedelta(hours=1)
FEW = 10
WORLDS = int(os.environ.get("WORLDS", FEW))
# Seattle, Miami (where a cap holds), an area code of no place, Toronto, Paris, Montevideo
NUMBERS = ["+12065550142", "+13055550143", "+12005550144", "+14165550145", "+33612345678", "+59894231234"]

_ids = itertools.count(1)
HOURS_AGO = st.sampled_from([0.2, 0.6, 5, 30, 24 * 29, 24 * 31])


@dataclass(frozen=True)
class Person:
    """What is on record of one number on one line. Times are hours ago."""

    known: bool
    unreachable: str
    postal_code: str
    time_zone: str
    status: str | None
    level: str
    until: float | None
    opted_out: float | None
    out_by: list[tuple[str, str]]  # kind and rule
    blocked: bool
    reviewed: bool
    barred: str
    lists: list[tuple[str, bool]]
    receipts: list[bool]
    requests: list[tuple[str, str, float | None]]
    texts: list[tuple[str, str, str, float]]


PEOPLE = st.builds(
    Person,
    known=st.sampled_from([True, True, True, False]),
    unreachable=st.sampled_from(["", "", "deactivated"]),
    postal_code=st.sampled_from(["", "", "98101", "33101"]),
    time_zone=st.sampled_from(["", "", "America/New_York", "Pacific/Honolulu"]),
    status=st.sampled_from([None, "not_defined", "pending", "opted_in", "opted_out", "opted_out"]),
    level=st.sampled_from(["", "implied", "express", "written"]),
    until=st.sampled_from([None, None, 5, -5]),
    opted_out=st.none() | HOURS_AGO,
    out_by=st.lists(
        st.tuples(st.sampled_from(["opted_out", "opt_out_repeated"]), st.sampled_from(["keyword:STOP", "route:call"])),
        max_size=3,
    ),
    blocked=st.booleans(),
    reviewed=st.booleans(),
    barred=st.sampled_from(["", "", "", "number", "erased"]),
    lists=st.lists(
        st.tuples(st.sampled_from(["do_not_call", "litigator"]), st.booleans()), max_size=2, unique_by=lambda x: x[0]
    ),
    receipts=st.lists(st.booleans(), max_size=2),
    requests=st.lists(
        st.tuples(
            st.sampled_from(["ours", "theirs"]),
            st.sampled_from(["accepted", "expired", "failed", "withdrawn", ""]),
            st.none() | HOURS_AGO,
        ),
        max_size=4,
    ),
    texts=st.lists(
        st.tuples(
            st.sampled_from(["in", "out"]),
            st.sampled_from(["ordinary", "way_back", "help_reply", "opt_out_confirmation"]),
            st.sampled_from(["sent", "delivered", "unknown", "failed", "refused", "queued", "sending"]),
            HOURS_AGO,
        ),
        max_size=5,
    ),
)
LINES = st.fixed_dictionaries(
    {
        "category": st.sampled_from(["transactional", "marketing"]),
        "mode": st.sampled_from(["", "consent", "disclaimer"]),
        "required_level": st.sampled_from(["express", "written"]),
        "registration": st.sampled_from(["not_needed", "pending"]),
        "active": st.sampled_from([True, True, False]),
        "quiet_hours": st.booleans(),
        "request_limit": st.sampled_from([None, 0, 1, 3]),
        "request_pause": st.sampled_from([None, HOUR]),
        "texts_from": st.sampled_from([None, dt.time(16)]),
        "opened": st.sampled_from([True, True, False]),
    }
)


def ago(hours: float | None) -> dt.datetime | None:
    return None if hours is None else NOW - dt.timedelta(hours=hours)


def settle_in(line: Line, number: str, person: Person) -> None:
    """The person's rows, written past every rule: the facts must be right about whatever stands there."""
    if person.barred:
        DoNotContact.objects.get_or_create(
            digest=suppression_digest(number), defaults={"number": number if person.barred == "number" else None}
        )
    for kind, listed in person.lists:
        batch, _ = ListImport.objects.get_or_create(kind=kind, as_of=NOW.date())
        ScrubResult.objects.get_or_create(
            kind=kind, number=number, defaults={"listed": listed, "as_of": NOW, "batch": batch}
        )
    for settled in person.receipts:
        Receipt.objects.create(
            kind="inbound",
            provider_id=f"SM{next(_ids)}",
            number=number,
            raw=b"",
            received_at=NOW,
            settled_at=NOW if settled else None,
        )
    if not person.known:
        return
    contact = make_contact(
        number, unreachable=person.unreachable, postal_code=person.postal_code, time_zone=person.time_zone
    )
    if person.status is not None:
        Consent.objects.create(
            contact=contact,
            line=line,
            status=person.status,
            source="keyword",
            level=person.level,
            until=None if person.until is None else NOW + dt.timedelta(hours=person.until),
            opted_out_at=ago(person.opted_out),
            blocked_at_provider=person.blocked,
            review_since=NOW if person.reviewed else None,
        )
    for kind, rule in person.out_by:
        LedgerEntry.objects.create(
            contact=contact, line=line, seq=next(_ids), kind=kind, rule=rule, occurred_at=NOW, recorded_at=NOW, hash="-"
        )
    is_open = False
    for kind, outcome, left in person.requests:
        if outcome == "" and is_open:
            continue
        is_open = is_open or outcome == ""
        OptInRequest.objects.create(
            contact=contact, line=line, kind=kind, channel="agent", created=NOW, left_at=ago(left), outcome=outcome
        )
    conversation = Conversation.objects.between(contact, line)
    is_sending = False
    for direction, purpose, status, hours in person.texts:
        if direction == "out" and status == "sending" and is_sending:
            continue
        is_sending = is_sending or (direction == "out" and status == "sending")
        at = ago(hours)
        Message.objects.create(
            conversation=conversation,
            direction=direction,
            purpose=purpose if direction == "out" else "",
            status=status if direction == "out" else "received",
            claimed_at=at if direction == "out" else None,
            sent_at=at if direction == "out" and status in {"sent", "delivered"} else None,
            created=at,
        )


def as_the_models_say(line: Line, number: str, text: Message | None = None) -> dict[str, Any]:
    """The facts that one statement reads, from one look-up each."""
    policy, line = Organisation.objects.current(), Line.objects.get(pk=line.pk)
    contact = Contact.objects.filter(number=number).first()
    consent = Consent.objects.filter(contact=contact, line=line).first() if contact else None
    consent = consent or Consent(line=line)
    out = consent.status == "opted_out"
    limit = policy.request_limit if line.request_limit is None else line.request_limit
    requests = OptInRequest.objects.filter(contact=contact, line=line) if contact else OptInRequest.objects.none()
    counted = requests.filter(left_at__gt=NOW - gate.LIMIT_WINDOW).exclude(outcome__in=["failed", "withdrawn"])
    if text and text.request_id:
        counted = counted.exclude(pk=text.request_id)
    left = list(counted.order_by("-left_at").values_list("left_at", flat=True))
    texts = Message.objects.outgoing().filter(conversation__line=line, conversation__contact__number=number)
    shown = texts.filter(purpose="way_back").exclude(status__in=["refused", "cancelled", "failed"])
    if text:
        shown = shown.exclude(pk=text.pk)
    lists = ScrubResult.objects.lists_naming(number)
    return {
        "mode": line.mode_towards(number, policy.mode),
        "status": consent.status,
        "do_not_contact": DoNotContact.objects.matching(number).exists(),
        "unsettled": Receipt.objects.unsettled().filter(number=number).exists(),
        "line_active": line.is_open,
        "line_registered": line.registration in {"not_needed", "verified"},
        "unreachable": contact.unreachable if contact else "",
        "opted_out_at": consent.opted_out_at if out else None,
        "blocked_at_provider": consent.blocked_at_provider,
        "under_review": consent.review_since is not None,
        "request_open": requests.open().exists(),
        "request_limit": limit,
        "request_pause": policy.request_pause if line.request_pause is None else line.request_pause,
        "last_request_at": left[0] if left else None,
        "limiting_request_at": left[limit - 1] if 0 < limit <= len(left) else None,
        "last_theirs_at": counted.filter(kind="theirs").order_by("-left_at").values_list("left_at", flat=True).first(),
        "last_way_back_at": max(shown.values_list("created", flat=True), default=None) if out else None,
        "level": consent.level,
        "required_level": line.required_level,
        "consent_until": consent.until,
        "listed_on": lists if line.category == "marketing" else frozenset(),
    }


def make_world(lines: list[dict[str, Any]], people: list[Person]) -> list[Line]:
    made = []
    for serial, fields in enumerate(lines):
        opened, texts_from = fields["opened"], fields["texts_from"]
        line = Line(
            number=f"+1206555010{serial}",
            name=f"Line {serial}",
            **{name: value for name, value in fields.items() if name != "opened"},
            texts_until=texts_from and dt.time(20),
        )
        line.save()
        Line.objects.filter(pk=line.pk).update(opened_at=NOW if opened else None)
        made.append(line)
    for place, person in enumerate(people):
        settle_in(made[place % len(made)], NUMBERS[place // len(made) % len(NUMBERS)], person)
    return made


@pytest.mark.django_db
@settings(max_examples=WORLDS, deadline=None, suppress_health_check=list(HealthCheck), derandomize=WORLDS == FEW)
@given(
    lines=st.lists(LINES, min_size=2, max_size=2),
    people=st.lists(PEOPLE, min_size=12, max_size=12),
    purpose=st.sampled_from([Purpose.ORDINARY, Purpose.ORDINARY, Purpose.HELP_REPLY, Purpose.REQUEST_THEIRS]),
)
def test_alone_together_and_by_the_models_they_are_the_same(
    lines: list[dict[str, Any]], people: list[Person], purpose: Purpose
) -> None:
    with transaction.atomic():
        made = make_world(lines, people)
        alone = {
            (line.pk, number): facts.gather(line, number, purpose=purpose, now=NOW)
            for line in made
            for number in NUMBERS
        }
        for number in NUMBERS:
            for pk, found in facts.gather_for(made, number, purpose=purpose, now=NOW).items():
                assert found == alone[pk, number]
        for line in made:
            bulk = facts.gather_bulk(line, NUMBERS, purpose=purpose, now=NOW)
            assert set(bulk) == set(NUMBERS)
            for number, found in bulk.items():
                assert found == alone[line.pk, number]
                expected = as_the_models_say(line, number)
                assert {name: getattr(found, name) for name in expected} == expected
        transaction.set_rollback(True)


@pytest.mark.django_db
@settings(max_examples=WORLDS, deadline=None, suppress_health_check=list(HealthCheck), derandomize=WORLDS == FEW)
@given(line=LINES, person=PEOPLE, which=st.integers(0, 8))
def test_the_text_in_question_is_not_counted_against_itself(line: dict[str, Any], person: Person, which: int) -> None:
    with transaction.atomic():
        (made,) = make_world([line], [person])
        texts = list(Message.objects.outgoing())
        requests = list(OptInRequest.objects.all())
        if texts:
            text = texts[which % len(texts)]
            if requests:
                text.request = requests[which % len(requests)]
                text.save()
            found = facts.gather(made, NUMBERS[0], text=text, now=NOW)
            expected = as_the_models_say(made, NUMBERS[0], text)
            assert {name: getattr(found, name) for name in expected} == expected
        transaction.set_rollback(True)


@pytest.mark.django_db
def test_how_they_opted_out_is_what_the_last_opt_out_said(django_assert_num_queries: Any) -> None:
    line = make_line()
    contact = make_contact()
    Consent.objects.create(contact=contact, line=line, status="opted_out", source="keyword", opted_out_at=NOW)
    for seq, (kind, rule) in enumerate(
        [("opted_out", "keyword:STOP"), ("opted_out", "keyword:QUIT"), ("opt_out_repeated", "route:call")]
    ):
        LedgerEntry.objects.create(
            contact=contact, line=line, seq=seq + 1, kind=kind, rule=rule, occurred_at=NOW, recorded_at=NOW, hash="-"
        )
    timing.rulebook()
    with django_assert_num_queries(1):
        assert facts.gather(line, JANE).opted_out_by == "they texted QUIT"


@pytest.mark.django_db
@pytest.mark.parametrize("known", [False, True])
def test_one_statement_says_whether_a_text_may_leave(known: bool, django_assert_num_queries: Any) -> None:
    line = make_line()
    if known:
        make_opted_in(line)
    timing.rulebook()
    with django_assert_num_queries(1):
        assert gate.decide(facts.gather(line, JANE)).may_send is known


@pytest.mark.django_db
def test_nothing_is_remembered_from_one_question_to_the_next() -> None:
    line = make_line()
    make_opted_in(line)
    for _ in range(8):  # by now PostgreSQL has a plan of its own for the statement
        assert gate.decide(facts.gather(line, JANE)).may_send
    Receipt.objects.create(kind="inbound", provider_id="SM1", number=JANE, raw=b"", received_at=timezone.now())
    assert gate.decide(facts.gather(line, JANE)).reason == "inbound_unsettled"
    Receipt.objects.update(settled_at=timezone.now())
    Organisation.objects.update(mode="disclaimer")
    Line.objects.update(active=False)
    assert gate.decide(facts.gather(line, JANE)).reason == "line_inactive"


def test_other_facts_are_a_copy_and_equal_to_those_made_at_once() -> None:
    first = Facts(now=NOW, line_number="+12065550100")
    other = first.but(status="opted_in", level="express")
    assert other == Facts(now=NOW, line_number="+12065550100", status="opted_in", level="express")  # type: ignore[arg-type]
    assert first == Facts(now=NOW, line_number="+12065550100")


@pytest.mark.django_db
def test_statements_are_prepared_where_the_database_can(settings: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite keeps its statements by itself")
    line = make_line()
    for _ in range(20):  # psycopg prepares it after five, and PostgreSQL plans it anew for some more
        facts.gather(line, JANE)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE '%%consent_donotcontact%%'"
        )
        assert any(plans for (plans,) in cursor.fetchall())
    with CaptureQueriesContext(connection) as queries:
        facts.gather_bulk(line, NUMBERS)
    assert "SET LOCAL jit = off" in [query["sql"] for query in queries]
