"""Prove the ledger against itself: chains, heads, evidence and the state table."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from consent import chain
from consent.ledger import REVOCATIONS
from consent.models import Consent, Contact, Evidence, LedgerEntry
from consent.vocabulary import LEVEL_RANK, EntryKind, Status


@dataclass(frozen=True)
class Fault:
    """The first place where a contact's chain does not fit."""

    contact: UUID
    seq: int
    what: str

    def __str__(self) -> str:
        return f"{self.contact} {self.seq} {self.what}"


def verify() -> Iterator[Fault]:
    """At most one fault per contact, in the order of contacts. Reads everything once; changes nothing.

    What it can't see: a chain that was rewritten from some entry to its end together with the contact row by whoever
    owns the database. Only hashes kept elsewhere prove that.
    """
    entries = (
        LedgerEntry.objects.order_by("contact_id", "seq")
        .values("contact_id", "line_id", "hash", *chain.COVERED)
        .iterator(chunk_size=2000)
    )
    chains = groupby(entries, key=itemgetter("contact_id"))
    ahead = next(chains, None)
    for contact in Contact.objects.order_by("pk").values("pk", "uuid", "ledger_seq", "ledger_head").iterator():
        own: Iterable[dict[str, Any]] = ()
        if ahead and ahead[0] == contact["pk"]:
            own = list(ahead[1])
            ahead = next(chains, None)
        fault = _first_fault(contact, list(own))
        if fault:
            yield Fault(contact["uuid"], *fault)


def _first_fault(contact: Mapping[str, Any], entries: list[dict[str, Any]]) -> tuple[int, str] | None:
    previous, seq = "", 0
    for entry in entries:
        seq += 1
        if entry["seq"] != seq:
            return seq, f"entry is missing (the next one found is {entry['seq']})"
        if entry["previous_hash"] != previous:
            return seq, "does not continue the entry before it"
        if chain.entry_hash(entry) != entry["hash"]:
            return seq, "was changed after it was written"
        previous = entry["hash"]
    if contact["ledger_seq"] != seq:
        return seq, f"the contact's chain should end at {contact['ledger_seq']}"
    if contact["ledger_head"] != previous:
        return seq, "the contact's head is another hash"
    return _evidence_fault(entries) or _state_fault(contact, entries)


def _evidence_fault(entries: list[dict[str, Any]]) -> tuple[int, str] | None:
    named = {entry["evidence_digest"]: entry["seq"] for entry in reversed(entries) if entry["evidence_digest"]}
    erased = {entry["evidence_digest"] for entry in entries if entry["kind"] == EntryKind.EVIDENCE_ERASED}
    kept = {row.digest: row for row in Evidence.objects.filter(digest__in=named)} if named else {}
    for digest, seq in sorted(named.items(), key=itemgetter(1)):
        row = kept.get(digest)
        if row is None and digest not in erased:
            return seq, "its evidence is gone without an erasure"
        if row is not None and chain.evidence_digest(bytes(row.salt), row.data) != digest:
            return seq, "its evidence was changed"
    return None


@dataclass
class Replayed:
    """The state of one contact on one line as its entries tell it (the rules of consent.ledger, read backwards)."""

    seq: int = 0
    status: str = Status.NOT_DEFINED
    since: dt.datetime | None = None
    source: str = ""
    level: str = ""
    opted_out_at: dt.datetime | None = None

    def follow(self, entry: Mapping[str, Any]) -> None:
        before, self.seq, self.status = self.status, entry["seq"], entry["status_to"]
        if entry["kind"] in REVOCATIONS:
            self.opted_out_at = max(entry["occurred_at"], self.opted_out_at or entry["occurred_at"])
        if entry["kind"] == EntryKind.OPTED_IN:
            self.source = entry["channel"]
            if before == Status.OPTED_IN:
                self.level = max(self.level, entry["level"], key=LEVEL_RANK.__getitem__)
        if self.status != before:
            out_of_request = self.status == Status.NOT_DEFINED
            self.since = None if out_of_request else entry["occurred_at"]
            self.source = "" if out_of_request else entry["channel"]
            self.level = entry["level"] if self.status == Status.OPTED_IN else ""

    def differs_from(self, state: Consent) -> str:
        """The first column of the state table that says something else, in words; '' where all agree."""
        for column in ("status", "since", "source", "level", "opted_out_at"):
            told, stored = getattr(self, column), getattr(state, column)
            if (told or None) != (stored or None):
                return f"{column} should be {told or 'empty'}, but the state table says {stored or 'nothing'}"
        return ""


def _state_fault(contact: Mapping[str, Any], entries: list[dict[str, Any]]) -> tuple[int, str] | None:
    lines: defaultdict[int, Replayed] = defaultdict(Replayed)
    for entry in entries:
        if entry["line_id"]:
            lines[entry["line_id"]].follow(entry)
    for state in Consent.objects.filter(contact_id=contact["pk"]).order_by("line_id"):
        told = lines.pop(state.line_id, Replayed(seq=len(entries)))
        if difference := told.differs_from(state):
            return told.seq, difference
    for told in lines.values():
        return told.seq, "its line has no row in the state table"
    return None
