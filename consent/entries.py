"""Writing entries and evidence: the hand of consent.ledger, which alone calls it.

An entry is appended to its contact's chain under the contact's lock, and read back: what the database keeps must hash
to what was written.
"""

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from consent import chain
from consent.models import Contact, Evidence, LedgerEntry, Line, User
from consent.models.ledger import AuditRowError
from consent.vocabulary import EntryKind


@dataclass(frozen=True)
class Proof:
    """Where a change comes from and what proves it.

    ``evidence`` is JSON data without floats, NULs or lone surrogates.
    """

    channel: str
    evidence: Mapping[str, Any]
    actor: User | None = None
    rule: str = ""
    wording: UUID | None = None


def keep(data: Mapping[str, Any]) -> str:
    """Store evidence and give its digest; '' for none."""
    if not data:
        return ""
    salt = secrets.token_bytes(32)
    digest = chain.evidence_digest(salt, data)
    Evidence(digest=digest, salt=salt, data=dict(data)).save()
    return digest


def write(
    contact: Contact,
    line: Line | None,
    kind: EntryKind,
    proof: Proof,
    *,
    occurred_at: dt.datetime,
    digest: str | None,
    **columns: Any,
) -> LedgerEntry:
    # The chain goes on from what the contact row says, not from the last entry found: so a cut-off end shows as a gap.
    last = LedgerEntry.objects.filter(contact=OuterRef("pk")).order_by("-seq").values("recorded_at")[:1]
    seq, head, last_recorded = Contact.objects.values_list("ledger_seq", "ledger_head", Subquery(last)).get(
        pk=contact.pk
    )
    now = timezone.now()
    entry = LedgerEntry(
        contact=contact,
        line=line,
        seq=seq + 1,
        kind=kind,
        channel=proof.channel,
        rule=proof.rule,
        wording=proof.wording,
        actor=proof.actor,
        occurred_at=occurred_at,
        # Clocks of several hosts differ a little; within a chain recorded time never runs backwards.
        recorded_at=max(now, last_recorded or now),
        evidence_digest=keep(proof.evidence) if digest is None else digest,
        previous_hash=head,
        **columns,
    )
    entry.hash = chain.entry_hash(_values(entry))
    entry.save()
    stored = LedgerEntry.objects.filter(pk=entry.pk).values(*chain.READ).get()
    if chain.entry_hash(stored) != entry.hash:
        raise AuditRowError(f"The database stored entry {entry.seq} otherwise than it was written.")
    Contact.objects.filter(pk=contact.pk).update(ledger_seq=entry.seq, ledger_head=entry.hash)
    return entry


def _values(entry: LedgerEntry) -> dict[str, Any]:
    own = {name: getattr(entry, name) for name in chain.READ if "__" not in name}
    return {**own, "contact__uuid": entry.contact.uuid, "line__uuid": entry.line.uuid if entry.line else None}
