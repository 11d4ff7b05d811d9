"""Consent that ends, and consent of a number that changed hands, in the ledger: what counts, and that it verifies."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from consent import chain, ledger
from consent.ledger import Authority, ConsentError, Proof
from consent.models import Consent, Contact, ImpliedConsentPeriod, LedgerEntry, Line
from consent.verification import verify
from consent.vocabulary import Channel, EntryKind, Level, Scope, Status
from tests.make import JANE, ago, make_contact, make_line

pytestmark = pytest.mark.django_db

BY_TEXT = Proof(Channel.KEYWORD, {"text": "START"}, rule="keyword:START")
BY_HAND = Proof(Channel.AGENT, {"words": "fine with me"})
LISTED = Proof(Channel.PROVIDER, {"list": "deactivated"})
GONE = Contact.Unreachable.REASSIGNED


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def jane() -> Contact:
    return make_contact(JANE)


def agree(
    contact: Contact,
    line: Line,
    at: dt.datetime,
    level: Level = Level.EXPRESS,
    until: dt.datetime | None = None,
    authority: Authority = Authority.OTHERS,
) -> bool:
    proof = BY_TEXT if authority is Authority.CONTACT else BY_HAND
    return ledger.opt_in(contact, line, proof, occurred_at=at, level=level, until=until, authority=authority)


def on_record(contact: Contact, line: Line) -> tuple[str, dt.datetime | None]:
    state = Consent.objects.get(contact=contact, line=line)
    assert state.entry is None or state.entry.until == state.until, "an entry tells the end that holds after it"
    return state.level, state.until


TOMORROW, NEXT_WEEK = ago(days=-1), ago(days=-7)
# What is on record since yesterday, what is agreed to now, what holds then.
MET: list[tuple[Any, Any, Any]] = [
    ((Level.IMPLIED, TOMORROW), (Level.EXPRESS, None), (Level.EXPRESS, None)),
    ((Level.IMPLIED, None), (Level.WRITTEN, TOMORROW), (Level.WRITTEN, TOMORROW)),
    ((Level.EXPRESS, TOMORROW), (Level.EXPRESS, NEXT_WEEK), (Level.EXPRESS, NEXT_WEEK)),
    ((Level.EXPRESS, NEXT_WEEK), (Level.EXPRESS, TOMORROW), (Level.EXPRESS, NEXT_WEEK)),
    ((Level.EXPRESS, TOMORROW), (Level.EXPRESS, None), (Level.EXPRESS, None)),
    ((Level.EXPRESS, None), (Level.EXPRESS, TOMORROW), (Level.EXPRESS, None)),
    ((Level.WRITTEN, TOMORROW), (Level.IMPLIED, None), (Level.WRITTEN, TOMORROW)),
    ((Level.WRITTEN, ago(hours=2)), (Level.IMPLIED, NEXT_WEEK), (Level.IMPLIED, NEXT_WEEK)),
]


@pytest.mark.parametrize(("first", "then", "holds"), MET)
def test_the_firmer_consent_counts_and_then_the_longer_but_not_one_that_is_over(
    jane: Contact, line: Line, first: Any, then: Any, holds: Any
) -> None:
    agree(jane, line, ago(days=1), *first)
    agree(jane, line, ago(hours=1), *then)
    assert on_record(jane, line) == holds
    assert list(verify()) == []


def test_an_opt_out_ends_it_all(jane: Contact, line: Line) -> None:
    agree(jane, line, ago(days=1), until=TOMORROW)
    ledger.opt_out(jane, line, BY_HAND, occurred_at=ago(hours=1), scope=Scope.LINE)
    assert on_record(jane, line) == ("", None)
    assert list(verify()) == []


def test_the_end_is_recorded_once_and_changes_no_status(jane: Contact, line: Line) -> None:
    agree(jane, line, ago(days=9), Level.IMPLIED, ago(days=1))
    assert ledger.consent_ended(jane, line, Proof("", {}))
    assert not ledger.consent_ended(jane, line, Proof("", {}))
    state = Consent.objects.get()
    assert (state.status, state.entry and state.entry.kind) == (Status.OPTED_IN, EntryKind.CONSENT_ENDED)
    assert state.entry and state.entry.occurred_at == state.until
    assert agree(jane, line, ago(hours=1), Level.IMPLIED)
    assert on_record(jane, line) == (Level.IMPLIED, None)
    assert list(verify()) == []


def test_an_end_that_is_still_to_come_is_not_recorded(jane: Contact, line: Line) -> None:
    agree(jane, line, ago(days=9), until=TOMORROW)
    assert not ledger.consent_ended(jane, line, Proof("", {}))
    assert not Consent.objects.that_ended(ago(days=0)).exists()


def test_entries_without_an_end_hash_as_they_always_did(jane: Contact, line: Line) -> None:
    agree(jane, line, ago(days=1))
    values = LedgerEntry.objects.values(*chain.COVERED).get()
    assert chain.entry_hash(values) == LedgerEntry.objects.get().hash
    assert chain.entry_hash({**values, "until": None}) == LedgerEntry.objects.get().hash
    assert chain.entry_hash({**values, "until": TOMORROW}) != LedgerEntry.objects.get().hash


@pytest.mark.parametrize("column", ["until", "ended_at", "suspended_at"])
def test_a_prolonged_consent_is_found_out(jane: Contact, line: Line, column: str) -> None:
    agree(jane, line, ago(days=9), until=ago(days=1))
    ledger.consent_ended(jane, line, Proof("", {}))
    Consent.objects.update(**{column: TOMORROW})
    assert [fault.what.split()[0] for fault in verify()] == [column]


# ---- numbers that change hands --------------------------------------------------------------------------------------


def changes_hands(contact: Contact, *, given_before: dt.datetime | None = None) -> list[Line]:
    ledger.unreachable(contact, GONE, LISTED, by=Contact.FoundBy.DATABASE, at=ago(days=0))
    return ledger.suspend(contact, LISTED, given_before=given_before or ago(hours=2), at=ago(days=0))


def test_what_a_former_owner_agreed_to_holds_no_more(jane: Contact, line: Line) -> None:
    agree(jane, line, ago(days=9))
    assert changes_hands(jane) == [line]
    state = Consent.objects.get()
    assert (state.status, state.is_over) == (Status.OPTED_IN, True)
    assert list(verify()) == []


def test_what_somebody_agreed_to_after_that_day_stays(jane: Contact, line: Line) -> None:
    agree(jane, line, ago(hours=1))
    assert changes_hands(jane) == []
    assert on_record(jane, line) == (Level.EXPRESS, None)


def test_a_new_owner_opts_in_on_one_line_and_the_former_ones_consent_stays_away(jane: Contact, line: Line) -> None:
    other = make_line("+12065550101")
    for each in (line, other):
        agree(jane, each, ago(days=9), Level.WRITTEN)
    changes_hands(jane)
    assert agree(jane, line, ago(minutes=-0.01), authority=Authority.CONTACT)
    jane.refresh_from_db()
    assert (jane.unreachable, jane.unreachable_since, jane.unreachable_source) == ("", None, "")
    here, there = Consent.objects.order_by("line")
    assert (here.level, here.is_over, there.level, there.is_over) == (Level.EXPRESS, False, Level.WRITTEN, True)
    assert list(verify()) == []


def test_a_start_from_before_that_day_brings_nothing_back(jane: Contact, line: Line) -> None:
    agree(jane, line, ago(days=9))
    changes_hands(jane)
    assert not agree(jane, line, ago(days=3), authority=Authority.CONTACT)
    assert Consent.objects.get().is_over
    assert jane.unreachable == GONE


@pytest.mark.parametrize("known", ["on this line", "nowhere"])
def test_no_file_and_no_form_brings_a_former_owners_consent_back(jane: Contact, line: Line, known: str) -> None:
    if known == "on this line":
        agree(jane, line, ago(days=9))
    changes_hands(jane)
    with pytest.raises(ConsentError, match="somebody else's"):
        agree(jane, line, ago(days=0))
    ledger.reachable(jane, BY_HAND, rule="officer")
    with pytest.raises(ConsentError, match="somebody else's"):
        agree(jane, line, ago(days=3))
    assert agree(jane, line, ago(hours=1)), "what the new owner agreed to counts"


def test_an_officers_word_brings_it_back_with_the_end_it_had(jane: Contact, line: Line) -> None:
    agree(jane, line, ago(days=9), Level.WRITTEN, TOMORROW)
    changes_hands(jane)
    ledger.reachable(jane, BY_HAND, rule="officer")
    assert Consent.objects.get().is_over, "that the number works says nothing about whose it is"
    assert ledger.resume(jane, BY_HAND) == [line]
    assert on_record(jane, line) == (Level.WRITTEN, TOMORROW)
    assert list(verify()) == []


def test_what_is_reassigned_does_not_become_merely_deactivated(jane: Contact) -> None:
    changes_hands(jane)
    dead = Contact.Unreachable.DEACTIVATED
    assert not ledger.unreachable(jane, dead, LISTED, by=Contact.FoundBy.PROVIDER, at=ago(days=0))
    assert jane.unreachable == GONE


def test_who_reaches_whom_is_verified(jane: Contact) -> None:
    changes_hands(jane)
    Contact.objects.update(unreachable="")
    assert [fault.what for fault in verify()] == ["the number should be reassigned"]


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["start", "file", "stop", "end", "suspend", "resume", "reach"]),
        st.sampled_from(Level),
        st.none() | st.integers(-30, 30),
        st.integers(0, 30),
    ),
    min_size=2,
    max_size=8,
)


@given(acts=ACTS)
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_whatever_happens_the_entries_tell_the_state(line: Line, acts: Any) -> None:
    contact = make_contact(f"+1206555{2000 + Contact.objects.count():04}")
    for act, level, until, days in acts:
        end = None if until is None else ago(days=-until)
        try:
            match act:
                case "start" | "file":
                    authority = Authority.CONTACT if act == "start" else Authority.OTHERS
                    agree(contact, line, ago(days=days), level, end, authority)
                case "stop":
                    ledger.opt_out(contact, line, BY_HAND, occurred_at=ago(days=days), scope=Scope.LINE)
                case "end":
                    ledger.consent_ended(contact, line, Proof("", {}))
                case "suspend":
                    changes_hands(contact, given_before=ago(days=days))
                case "resume":
                    ledger.resume(contact, BY_HAND)
                case "reach":
                    ledger.reachable(contact, BY_HAND, rule="officer")
        except ConsentError:
            assert act == "file"
    assert list(verify()) == []


# ---- implied consent ------------------------------------------------------------------------------------------------


def test_canada_is_shipped() -> None:
    periods = ImpliedConsentPeriod.objects.for_number("+14165550123")
    given = dt.datetime(2026, 8, 31, 9, tzinfo=dt.UTC)
    assert [each.end(given).date() for each in periods] == [dt.date(2028, 8, 31), dt.date(2027, 2, 28)]
    assert not ImpliedConsentPeriod.objects.for_number(JANE).exists()
