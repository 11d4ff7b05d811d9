"""Thousands of consents at once leave what the same consents leave one after the other, and no rule is passed by."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent import chain, ledger, phones, tables
from consent.bulk import OptIn, Verdict
from consent.ledger import Authority, ConsentError, Proof
from consent.models import Consent, Contact, Evidence, LedgerEntry, Line
from consent.models.ledger import AuditRowError
from consent.verification import verify
from consent.vocabulary import Channel, EntryKind, Level, Scope, Status
from tests.make import JANE, OMAR, ago, make_contact, make_line, make_opted_in

pytestmark = pytest.mark.django_db

ROSA = "+12065550144"
NOON = dt.datetime(2026, 3, 14, 12, 0, tzinfo=dt.UTC)


def many(*opt_ins: OptIn, actor: Any = None) -> list[Verdict]:
    with transaction.atomic():
        Contact.objects.lock_numbers([each.number for each in opt_ins])
        return ledger.opt_in_many(
            opt_ins,
            lambda number, places: {"number": number, "rows": list(places)},
            channel=Channel.IMPORT,
            rule="import",
            actor=actor,
        )


def states(line: Line) -> list[tuple[Any, ...]]:
    rows = Consent.objects.filter(line=line).order_by("contact__number")
    return list(
        rows.values_list("contact__number", "status", "since", "source", "level", "request_state", "opted_out_at")
    )


# ---- the same as one by one -----------------------------------------------------------------------------------------

MOMENTS = [NOON - dt.timedelta(days=400), NOON, NOON + dt.timedelta(seconds=1), NOON + dt.timedelta(days=30)]
steps = st.lists(
    st.tuples(
        st.sampled_from(["in", "in", "in", "stop", "start"]),
        st.sampled_from([JANE, OMAR, ROSA]),
        st.sampled_from(Level.values),
        st.sampled_from(MOMENTS),
    ),
    max_size=12,
)


def one_by_one(line: Line, opt_ins: list[OptIn]) -> list[bool]:
    found = []
    for number, _, level, at in opt_ins:
        contact = Contact.objects.get(number=number)
        state = Consent.objects.filter(contact=contact, line=line).first()
        repeated = (
            state is not None
            and state.status == Status.OPTED_IN
            and Level(level).label
            and (ledger.LEVEL_RANK[level] <= ledger.LEVEL_RANK[state.level])
        )
        if repeated or (state and state.opted_out_at and at <= state.opted_out_at):
            found.append(False)  # recorded again, or as too late, where somebody does it by hand
            continue
        proof = Proof(Channel.IMPORT, {"number": number}, rule="import")
        try:
            ledger.opt_in(contact, line, proof, occurred_at=at, level=level, authority=Authority.OTHERS)
        except ConsentError:
            found.append(False)
        else:
            found.append(True)
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=steps, wanted=steps)
def test_it_leaves_what_one_by_one_leaves(db: None, before: Any, wanted: Any) -> None:
    with transaction.atomic():
        lines = [make_line("+12065550100", name="A"), make_line("+12065550101", name="B", category="marketing")]
        for line in lines:
            for kind, number, level, at in before:
                contact, proof = make_contact(number), Proof(Channel.KEYWORD, {"text": kind})
                if kind == "stop":
                    ledger.opt_out(contact, line, proof, occurred_at=at, scope=Scope.LINE)
                elif kind == "start":
                    ledger.opt_in(contact, line, proof, occurred_at=at, level=level, authority=Authority.CONTACT)
        for number in (JANE, OMAR, ROSA):
            make_contact(number)
        rows = [(number, level, at) for _, number, level, at in wanted]
        verdicts = many(*(OptIn(number, lines[0].pk, level, at) for number, level, at in rows))
        singly = one_by_one(lines[1], [OptIn(number, lines[1].pk, level, at) for number, level, at in rows])
        assert [verdict.counts for verdict in verdicts] == singly
        assert states(lines[0]) == states(lines[1])
        assert not list(verify())
        transaction.set_rollback(True)


def test_each_contact_has_one_piece_of_evidence_of_its_own() -> None:
    first, second = make_line("+12065550100"), make_line("+12065550101")
    make_contact(JANE), make_contact(OMAR)
    verdicts = many(
        OptIn(JANE, first.pk, Level.EXPRESS, NOON),
        OptIn(OMAR, first.pk, Level.WRITTEN, NOON),
        OptIn(JANE, second.pk, Level.EXPRESS, NOON),
    )
    assert verdicts == [Verdict.NEW] * 3
    jane = Contact.objects.get(number=JANE)
    digests = set(jane.entries.values_list("evidence_digest", flat=True))
    assert len(digests) == 1
    assert Evidence.objects.get(digest=digests.pop()).data == {"number": JANE, "rows": [0, 2]}
    ledger.erase_evidence(jane, jane.entries.latest("seq").evidence_digest, Proof(Channel.AGENT, {}))
    assert Evidence.objects.get().data["number"] == OMAR
    assert not list(verify())


def test_repeated_it_writes_nothing() -> None:
    line = make_line()
    make_contact(JANE)
    given_ = OptIn(JANE, line.pk, Level.EXPRESS, NOON)
    assert many(given_) == [Verdict.NEW]
    before = list(LedgerEntry.objects.values_list("hash", flat=True))
    assert many(given_) == [Verdict.UNCHANGED]
    assert list(LedgerEntry.objects.values_list("hash", flat=True)) == before
    assert Evidence.objects.count() == 1


def test_a_higher_level_counts_and_a_lower_one_does_not() -> None:
    line = make_line()
    make_contact(JANE)
    levels = [Level.EXPRESS, Level.IMPLIED, Level.WRITTEN, Level.EXPRESS]
    found = many(*(OptIn(JANE, line.pk, level, NOON) for level in levels))
    assert found == [Verdict.NEW, Verdict.UNCHANGED, Verdict.CHANGED, Verdict.UNCHANGED]
    assert Consent.objects.get().level == Level.WRITTEN
    assert not list(verify())


def test_nothing_leads_out_of_opted_out_nor_past_a_review() -> None:
    line = make_line()
    jane, omar = make_contact(JANE), make_opted_in(line, OMAR)
    ledger.opt_out(jane, line, Proof(Channel.KEYWORD, {"text": "STOP"}), occurred_at=NOON, scope=Scope.LINE)
    ledger.open_review(omar, line, Proof(Channel.KEYWORD, {"text": "leave me be"}), at=ago(hours=1))
    later = OptIn(JANE, line.pk, Level.WRITTEN, NOON + dt.timedelta(days=99))
    assert many(later, OptIn(OMAR, line.pk, Level.WRITTEN, NOON)) == [Verdict.OPTED_OUT, Verdict.UNDER_REVIEW]
    assert Consent.objects.get(contact=jane).status == Status.OPTED_OUT
    assert not LedgerEntry.objects.filter(channel=Channel.IMPORT).exists()


def test_what_the_database_keeps_otherwise_is_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    line = make_line()
    make_contact(JANE)
    monkeypatch.setattr(chain, "hash_of_fragments", lambda fragments: "0" * 64)
    with pytest.raises(AuditRowError, match="otherwise"):
        many(OptIn(JANE, line.pk, Level.EXPRESS, NOON))
    assert not LedgerEntry.objects.exists()


# ---- the fast ways say what the slow ones say -----------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
moments = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC))
values = st.fixed_dictionaries(
    {
        name: st.uuids()
        if name.endswith("uuid")
        else st.integers(0, 10**9)
        if name == "seq"
        else st.none() | st.integers(1, 10**9)
        if name == "actor_id"
        else st.none() | st.uuids()
        if name == "wording"
        else st.none() | moments
        if name == "since"
        else moments
        if name.endswith("_at")
        else texts
        for name in chain.COVERED
    }
)


@given(values)
def test_fragments_hash_like_the_whole(entry: dict[str, Any]) -> None:
    fragments = tuple(chain.fragment(entry[name]) for name in chain.SORTED)
    assert chain.hash_of_fragments(fragments) == chain.entry_hash(entry)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rule=texts, request=st.sampled_from(["not_sent", "expired"]), at=moments, wording=st.none() | st.uuids())
def test_postgresql_hashes_as_the_chain_does(db: None, rule: str, request: str, at: dt.datetime, wording: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL only: SQLite's entries are read back by the chain itself")
    with transaction.atomic():
        line, contact = make_line(), make_contact(JANE)
        entry = LedgerEntry(
            contact=contact, line=line, seq=1, kind=EntryKind.OPTED_IN, status_from="", status_to="opted_in",
            since=None, source="import", request_state=request, level="express", channel="import", rule=rule,
            wording=wording, occurred_at=at, recorded_at=at, evidence_digest="", previous_hash="",
        )  # fmt: skip
        own = {name: getattr(entry, name) for name in chain.COVERED if "__" not in name}
        entry.hash = chain.entry_hash({**own, "contact__uuid": contact.uuid, "line__uuid": line.uuid})
        entry.save()
        tables.read_back([entry.pk])
        transaction.set_rollback(True)


@given(st.from_regex(r"\+1[2-9][0-9]{9}", fullmatch=True))
def test_a_complete_us_number_is_what_normalise_makes_of_it(number: str) -> None:
    assert phones.normalise(number) == phones.normalise_listed(number, "GB") == number


@pytest.mark.parametrize(
    "written",
    [
        "+12065550142",
        "+1 (206) 555-0142",
        "(206) 555-0142",
        "206.555.0142",
        "2065550142",
        "12065550142",
        "1-206-555-0142",
        "0012065550142",
        "tel:+1-206-555-0142",
        "２０６５５５０１４２",
        "206–555–0142",
        "\u202a+12065550142\u202c",
        "12065550142.0",
    ],
)
def test_a_number_in_many_notations(written: str) -> None:
    assert phones.normalise_listed(written, "US") == "+12065550142"


@pytest.mark.parametrize("written", ["1.20656E+10", "12", "=1+1", "+1 206 555", "FLOWERS", "72345", "", "2065550142x9"])
def test_what_is_no_number_says_so(written: str) -> None:
    with pytest.raises(phones.PhoneError):
        phones.normalise_listed(written, "US")


def test_uuids_are_those_of_the_rows() -> None:
    """SQLite keeps them without dashes; the hash wants them as written."""
    line, contact = make_line(), make_contact(JANE)
    many(OptIn(JANE, line.pk, Level.EXPRESS, NOON))
    stored = LedgerEntry.objects.values(*chain.COVERED).get()
    assert stored["contact__uuid"] == contact.uuid and isinstance(stored["contact__uuid"], uuid.UUID)
    assert chain.entry_hash(stored) == LedgerEntry.objects.get().hash
