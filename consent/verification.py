"""Prove the ledger against itself: chains, heads, evidence and the state table."""

import datetime as dt
import multiprocessing
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection, connections, transaction
from django.db.models import Exists, OuterRef

from consent import chain
from consent.ledger import REVOCATIONS
from consent.models import Consent, Contact, LedgerEntry
from consent.stored import Row, Stored
from consent.vocabulary import LEVEL_RANK, Channel, EntryKind, RequestState, Status


@dataclass(frozen=True)
class Fault:
    """The first place where a contact's chain does not fit. ``contact`` is its uuid, where the contact is there."""

    contact: UUID | str
    seq: int
    what: str

    def __str__(self) -> str:
        return f"{self.contact} {self.seq} {self.what}"


# So many contacts are read together; memory holds no more of them.
_AT_ONCE = 500
# From so many on it is worth to begin other processes.
_MANY = 20 * _AT_ONCE

Span = tuple[int, int]


def verify(jobs: int = 1) -> Iterator[Fault]:
    """At most one fault per contact, in the order of contacts. Changes nothing; memory doesn't grow with the ledger.

    Reads everything once while others go on writing; what seems not to fit is read again under the contact's lock
    before it is reported. Where there is much to read, ``jobs`` processes share it. What it can't see: a chain that was
    rewritten from some entry to its end together with the contact row by whoever owns the database. Only hashes kept
    elsewhere prove that (reporting.seals).
    """
    for faults in _verified(_spans(), jobs):
        yield from faults
    orphans = LedgerEntry.objects.filter(~Exists(Contact.objects.filter(pk=OuterRef("contact_id"))))
    for pk in orphans.order_by("contact_id").values_list("contact_id", flat=True).distinct():
        yield Fault(f"contact-{pk}", 0, "has entries, but the contact is gone")


def fault_of(contact_pk: int) -> Fault | None:
    """What does not fit in one contact's chain, as it is read now; None where all fits."""
    return next(_misfits((contact_pk, contact_pk)), (contact_pk, None))[1]


def _spans() -> list[Span]:
    """The ids of the first and the last of so many contacts each, in order."""
    found: list[Span] = []
    pks = Contact.objects.order_by("pk").values_list("pk", flat=True).iterator()
    while page := list(islice(pks, _AT_ONCE)):
        found.append((page[0], page[-1]))
    return found


def _verified(spans: list[Span], jobs: int) -> Iterator[list[Fault]]:
    if jobs == 1 or len(spans) * _AT_ONCE < _MANY:
        yield from map(_faults, spans)
        return
    connections.close_all()  # or the processes would share them
    if hasattr(connection, "close_pool"):
        connection.close_pool()
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork")) as processes:
        yield from processes.map(_faults, spans)


def _faults(span: Span) -> list[Fault]:
    return [fault for pk, _ in _misfits(span) if (fault := _looked_at_again(pk))]


def _looked_at_again(contact_pk: int) -> Fault | None:
    with transaction.atomic():
        Contact.objects.lock_pk(contact_pk)
        return fault_of(contact_pk)


def _misfits(span: Span) -> Iterator[tuple[int, Fault]]:
    """Contacts where something does not fit, as they are read now, table after table."""
    stored = Stored(*span)
    for contact in stored.contacts:
        entries = stored.entries.get(contact["id"], [])
        if fault := _first_fault(contact, entries, stored):
            yield contact["id"], Fault(UUID(contact["uuid"]), *fault)


def _first_fault(contact: Row, entries: list[Row], stored: Stored) -> tuple[int, str] | None:
    previous, seq = "", 0
    for entry in entries:
        seq += 1
        if entry["seq"] != seq:
            return seq, f"entry is missing (the next one found is {entry['seq']})"
        if entry["previous_hash"] != previous:
            return seq, "does not continue the entry before it"
        if entry["recomputed"] != entry["hash"]:
            return seq, "was changed after it was written"
        previous = entry["hash"]
    if contact["ledger_seq"] != seq:
        return seq, f"the contact's chain should end at {contact['ledger_seq']}"
    if contact["ledger_head"] != previous:
        return seq, "the contact's head is another hash"
    return (
        _evidence_fault(entries, stored)
        or _state_fault(contact, entries, stored)
        or _list_fault(contact, entries, stored)
        or _reach_fault(contact, entries)
    )


def _evidence_fault(entries: list[Row], stored: Stored) -> tuple[int, str] | None:
    named = {entry["evidence_digest"]: entry["seq"] for entry in reversed(entries) if entry["evidence_digest"]}
    erased = {entry["evidence_digest"] for entry in entries if entry["kind"] == EntryKind.EVIDENCE_ERASED}
    for digest, seq in sorted(named.items(), key=itemgetter(1)):
        kept = stored.evidence.get(digest)
        if kept is None and digest not in erased:
            return seq, "its evidence is gone without an erasure"
        if kept is not None and chain.stored_evidence_digest(*kept) != digest:
            return seq, "its evidence was changed"
    return None


_COLUMNS = (
    "status",
    "since",
    "source",
    "request_state",
    "level",
    "until",
    "ended_at",
    "suspended_at",
    "opted_out_at",
    "told_at",
    "review_since",
    "entry_id",
)


@dataclass
class Replayed:
    """The state of one contact on one line as its entries tell it (the rules of consent.ledger, read backwards)."""

    seq: int = 0
    status: str = Status.NOT_DEFINED
    since: dt.datetime | None = None
    source: str = ""
    request_state: str = RequestState.NOT_SENT
    entry_id: int | None = None
    level: str = ""
    until: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    suspended_at: dt.datetime | None = None
    until_without_suspension: dt.datetime | None = None
    opted_out_at: dt.datetime | None = None
    told_at: dt.datetime | None = None
    review_since: dt.datetime | None = None
    last_own_opt_in: dt.datetime | None = None

    def follow(self, entry: Mapping[str, Any]) -> None:
        self._follow_marks(entry["kind"], entry["occurred_at"])
        before, self.seq, self.status = self.status, entry["seq"], entry["status_to"]
        self.request_state, self.entry_id = entry["request_state"], entry["id"]
        if entry["kind"] in REVOCATIONS:
            self.opted_out_at = max(entry["occurred_at"], self.opted_out_at or entry["occurred_at"])
        over = self._is_over(entry["occurred_at"])
        self._follow_end(entry, before, over)
        if entry["kind"] == EntryKind.OPTED_IN:
            if entry["channel"] == Channel.KEYWORD:
                self.last_own_opt_in = max(entry["occurred_at"], self.last_own_opt_in or entry["occurred_at"])
            self.source = entry["channel"]
            if before == Status.OPTED_IN and over:
                self.since, self.level = entry["occurred_at"], entry["level"]
            elif before == Status.OPTED_IN:
                self.level = max(self.level, entry["level"], key=LEVEL_RANK.__getitem__)
        if self.status != before:
            out_of_request = self.status == Status.NOT_DEFINED
            self.since = None if out_of_request else entry["occurred_at"]
            self.source = "" if out_of_request else entry["channel"]
            self.level = entry["level"] if self.status == Status.OPTED_IN else ""

    def _is_over(self, at: dt.datetime) -> bool:
        return bool(self.ended_at or self.suspended_at or (self.until and self.until <= at))

    def _follow_end(self, entry: Mapping[str, Any], before: str, over: bool) -> None:
        """What an entry does to the end of consent. An opt-in tells the end that came of it, and no entry the end that
        it asked for: whether the firmer and longer one was chosen shows in the level."""
        match entry["kind"]:
            case EntryKind.OPTED_IN:
                self.until = entry["until"]
                if before != Status.OPTED_IN or over:
                    self.ended_at = self.suspended_at = None
            case EntryKind.CONSENT_ENDED:
                self.ended_at = entry["occurred_at"]
            case EntryKind.SUSPENDED:
                self.until_without_suspension, self.suspended_at = self.until, entry["occurred_at"]
                self.until = min(entry["occurred_at"], self.until or entry["occurred_at"])
            case EntryKind.RESUMED:
                self.until, self.suspended_at = self.until_without_suspension, None
        if self.status == Status.OPTED_OUT and before != Status.OPTED_OUT:
            self.until = self.ended_at = self.suspended_at = None

    def _follow_marks(self, kind: str, at: dt.datetime) -> None:
        match kind:
            case EntryKind.TOLD:
                self.told_at = at
            case EntryKind.NOT_TOLD:
                self.told_at = None
            case EntryKind.REVIEW_OPENED:
                self.review_since = at
            case EntryKind.REVIEW_CLOSED | EntryKind.OPTED_IN | EntryKind.OPTED_OUT | EntryKind.OPT_OUT_REPEATED:
                self.review_since = None

    def differs_from(self, state: Consent) -> str:
        """The first column of the state table that says something else, in words; '' where all agree."""
        for column in _COLUMNS:
            told, stored = getattr(self, column), getattr(state, column)
            if (told or None) != (stored or None):
                return f"{column} should be {told or 'empty'}, but the state table says {stored or 'nothing'}"
        # A YES counts from the request it answers, which the entry does not tell; but never from later than itself.
        if state.own_opt_in_at and (self.last_own_opt_in is None or state.own_opt_in_at > self.last_own_opt_in):
            return "own_opt_in_at is later than any opt-in of the contact's own"
        return ""


def _list_fault(contact: Row, entries: list[Row], stored: Stored) -> tuple[int, str] | None:
    """The do-not-contact list says what the contact's last entry about it says."""
    about = [each for each in entries if each["kind"] in {EntryKind.DO_NOT_CONTACT, EntryKind.DO_NOT_CONTACT_LIFTED}]
    told = bool(about) and about[-1]["kind"] == EntryKind.DO_NOT_CONTACT
    # An entry without a number is that of somebody who was erased, perhaps under this number, in a chain of their own.
    listed = stored.listed.get(contact["number"])
    if (told and listed is None) or (not told and listed):
        seq = about[-1]["seq"] if about else len(entries)
        return seq, f"the number should {'be' if told else 'not be'} on the do-not-contact list"
    return None


def _reach_fault(contact: Row, entries: list[Row]) -> tuple[int, str] | None:
    """Whether the number can be reached is what the contact's last entry about it says. What was noted before there
    were such entries has no time."""
    about = [each for each in entries if each["kind"] in {EntryKind.UNREACHABLE, EntryKind.REACHABLE}]
    if not about and contact["unreachable_since"] is None:
        return None
    last = about[-1] if about else None
    told = last["rule"].partition(":")[2] if last and last["kind"] == EntryKind.UNREACHABLE else ""
    if told != contact["unreachable"]:
        return last["seq"] if last else len(entries), f"the number should be {told or 'within reach'}"
    return None


def _state_fault(contact: Row, entries: list[Row], stored: Stored) -> tuple[int, str] | None:
    lines: defaultdict[int, Replayed] = defaultdict(Replayed)
    for entry in entries:
        if entry["line_id"]:
            told = lines[entry["line_id"]]
            told.follow(entry)
            if (told.since, told.source, told.until) != (entry["since"], entry["source"], entry["until"]):
                return entry["seq"], "the state it says it left is not the one that the entries up to it tell"
    for state in stored.consents.get(contact["id"], ()):
        told = lines.pop(state.line_id, Replayed(seq=len(entries)))
        if difference := told.differs_from(state):
            return told.seq, difference
    for told in lines.values():
        return told.seq, "its line has no row in the state table"
    return None
