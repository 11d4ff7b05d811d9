"""The ledger's part of a pack: entries, evidence and kept files, so that the chain verifies without Optline.

A pack of one line shows that line's entries and those about the number itself. Of every other entry it has the two
hashes alone: the chain still links from the first entry to the last, and nothing is told of other lines.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from consent import chain
from consent.models import Contact, Evidence, KeptFile, LedgerEntry


@dataclass(frozen=True)
class Proof:
    """``entries``, ``evidence`` and ``files`` as JSON has them; ``shown`` are the entries told in full."""

    entries: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    files: list[KeptFile]
    shown: list[LedgerEntry]
    data: dict[str, dict[str, Any]]

    @property
    def hidden(self) -> int:
        return len(self.entries) - len(self.shown)


def of(contact: Contact, lines: Collection[int] | None) -> Proof:
    """The chain of ``contact``; told in full are the entries on ``lines`` (None: every line) and about the number."""
    rows = list(LedgerEntry.objects.filter(contact=contact.pk).select_related("line", "actor").order_by("seq"))
    shown = [row for row in rows if lines is None or row.line_id is None or row.line_id in lines]
    told = {row.pk for row in shown}
    columns = LedgerEntry.objects.filter(contact=contact.pk).order_by("seq").values("id", "hash", *chain.READ)
    entries = [
        {"covered": chain.covered(row), "hash": row["hash"]}
        if row["id"] in told
        else {"seq": row["seq"], "previous_hash": row["previous_hash"], "hash": row["hash"]}
        for row in columns
    ]
    kept = Evidence.objects.filter(digest__in={row.evidence_digest for row in shown if row.evidence_digest})
    evidence = {row.digest: row for row in kept}
    digests = [digest for digest in dict.fromkeys(row.evidence_digest for row in shown) if digest in evidence]
    data = {digest: evidence[digest].data for digest in digests}
    named = [file.get("uuid") for each in data.values() if isinstance(file := each.get("file"), dict)]
    # Only files of this contact: an import's file may hold other people's numbers too.
    files = {str(row.uuid): row for row in KeptFile.objects.filter(contact=contact.pk)}
    return Proof(
        entries,
        [{"digest": each, "salt": bytes(evidence[each].salt).hex(), "data": data[each]} for each in digests],
        [files[uuid] for uuid in dict.fromkeys(named) if uuid in files],
        shown,
        data,
    )
