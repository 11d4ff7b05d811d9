"""The history of a contact as people read it: what happened, when, by whose word, and what proves it.

Officers see all of it, supervisors all but the evidence, agents what was said on their own lines (PRODUCT "The
people").
Words that are held back from agents are shown to nobody here, since reading them must be logged.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.urls import reverse

from consent import phones
from consent.admin.numbers import hidden_from
from consent.ledger import REVOCATIONS
from consent.models import Contact, Evidence, LedgerEntry, Line, User
from consent.vocabulary import Channel, EntryKind, Scope
from messaging import explanations
from messaging.admin.own_lines import HELD_BACK_WORDS
from messaging.models import Message, TemplateVersion
from messaging.models.message import MessageStatus

# More nobody reads in a dialog; the contact's page has them all.
LONGEST = 100

_SCOPES = {
    Scope.LINE: "Valid on this line only.",
    Scope.CATEGORY: "Valid on every line of the same category.",
    Scope.ALL: "Valid on every line.",
}
# What every piece of evidence names; the history says it in its own words, or does not repeat it.
_TECHNICAL = frozenset(
    {"number", "from", "to", "line", "message", "provider_id", "received_at", "said_at", "typed", "call", "called"}
)
_WORDS = {
    "words": "In these words",
    "text": "They wrote",
    "proof": "What proves it",
    "page": "What they saw",
    "prompt": "What they heard",
}
_SAID = {"route", "file", "reason", "decided_because", *_WORDS}


@dataclass(frozen=True)
class Past:
    """One entry, as this user may see it."""

    entry: LedgerEntry
    how: str
    who: str
    scope: str = ""
    remarks: list[tuple[str, str]] = field(default_factory=list)
    quotes: list[tuple[str, str]] = field(default_factory=list)
    withheld: str = ""
    file: dict[str, Any] | None = None
    wording: str = ""
    entry_url: str = ""
    evidence_url: str = ""

    @property
    def recorded_later(self) -> bool:
        return self.entry.recorded_at - self.entry.occurred_at > dt.timedelta(minutes=2)


@dataclass(frozen=True)
class _Sight:
    """How far this user sees."""

    user: User
    every_line: bool
    evidence: bool
    ledger: bool
    own_numbers: frozenset[str]
    hidden_number: str

    def hides(self, entry: LedgerEntry, data: Mapping[str, Any]) -> str:
        """Why this evidence is not for them; '' where it is."""
        if self.evidence:
            return ""
        if self.every_line:
            return "What proves it is for compliance officers."
        if _said_on(data) in self.own_numbers:
            return ""
        return "It was said on another line, so its words are not shown."

    def shown(self, words: str) -> str:
        if self.hidden_number:
            masked = phones.mask(self.hidden_number)
            return words.replace(self.hidden_number, masked).replace(self.hidden_number[1:], masked)
        return words


def histories(contact: Contact, number: str, user: User, lines: Iterable[Line]) -> dict[int | None, list[Past]]:
    """The newest entries per line, those of the number itself under None. ``lines`` are those whose past they see."""
    rows = LedgerEntry.objects.filter(contact=contact.pk).select_related("actor")
    lines = list(lines)
    if not user.has_perm("consent.use_every_line"):
        rows = rows.filter(line__in=lines)
    found: dict[int | None, list[Past]] = {}
    for past in pasts(list(rows.order_by("-seq")[:LONGEST]), number, user, lines):
        found.setdefault(past.entry.line_id, []).append(past)
    return found


def pasts(entries: list[LedgerEntry], number: str, user: User, lines: Iterable[Line]) -> list[Past]:
    """Entries of the contact with this number, in their order, as ``user`` may see them. ``lines`` are those whose
    past they see."""
    sight = _Sight(
        user,
        user.has_perm("consent.use_every_line"),
        user.has_perm("consent.view_evidence"),
        user.has_perm("consent.view_ledgerentry"),
        frozenset(line.number for line in lines),
        number if hidden_from(user) else "",
    )
    kept = {each.digest: each for each in Evidence.objects.filter(digest__in={e.evidence_digest for e in entries})}
    secret = _held_back(each.data for each in kept.values())
    wordings = _wordings({entry.wording for entry in entries if entry.wording})
    return [
        _past(entry, kept.get(entry.evidence_digest), sight, secret, wordings.get(entry.wording, ""))
        for entry in entries
    ]


def _past(entry: LedgerEntry, kept: Evidence | None, sight: _Sight, secret: set[str], wording: str) -> Past:
    past = Past(
        entry,
        how=explanations.why(entry.rule) if entry.rule else "",
        who=_who(entry),
        scope=_SCOPES.get(Scope(entry.scope), "") if entry.scope and entry.kind in REVOCATIONS else "",
        wording=wording,
        entry_url=reverse("admin:consent_ledgerentry_change", args=[entry.pk]) if sight.ledger else "",
        evidence_url=reverse("admin:consent_evidence_change", args=[kept.pk]) if kept and sight.evidence else "",
    )
    if not entry.evidence_digest:
        return past
    if kept is None:
        return _with(past, withheld="Its evidence was erased lawfully.")
    data: dict[str, Any] = kept.data
    if why := sight.hides(entry, data):
        return _with(past, withheld=why)
    remarks = [
        (label, sight.shown(str(data[key])))
        for key, label in (("reason", "Reason"), ("decided_because", "Decided because"))
        if data.get(key)
    ]
    remarks += [
        (key.replace("_", " "), sight.shown(str(value)))
        for key, value in data.items()
        if key not in _TECHNICAL | _SAID and isinstance(value, str | int) and value != ""
    ]
    quotes = []
    for key, label in _WORDS.items():
        if words := data.get(key):
            label = "The text that was sent" if key == "text" and data.get("message") else label
            held = data.get("provider_id") in secret
            quotes.append((label, HELD_BACK_WORDS if held else sight.shown(str(words))))
    file = data.get("file")
    return _with(past, remarks=remarks, quotes=quotes, file=file if isinstance(file, dict) else None)


def _with(past: Past, **more: Any) -> Past:
    return Past(**{**past.__dict__, **more})


def _said_on(data: Mapping[str, Any]) -> str:
    """The number of the line on which evidence came about. What a contact wrote names it as where it went to."""
    return str(data.get("line") or ("" if data.get("message") else data.get("to")) or "")


def _held_back(evidence: Iterable[Mapping[str, Any]]) -> set[str]:
    """The provider's ids of texts among ``evidence`` whose words nobody may read here."""
    ids = {str(data["provider_id"]) for data in evidence if data.get("provider_id")}
    if not ids:
        return set()
    held = Message.objects.filter(provider_id__in=ids, status=MessageStatus.HELD_BACK)
    return {each for each in held.values_list("provider_id", flat=True) if each}


def _wordings(uuids: set[UUID]) -> dict[UUID | None, str]:
    if not uuids:
        return {}
    versions = TemplateVersion.objects.filter(uuid__in=uuids).select_related("template")
    return {each.uuid: f"{each.template}, version {each.number}" for each in versions}


def _who(entry: LedgerEntry) -> str:
    if entry.actor:
        return entry.actor.get_full_name() or entry.actor.get_username()
    by_contact = entry.kind in {EntryKind.OPTED_IN, *REVOCATIONS, EntryKind.REVIEW_OPENED}
    return "the contact" if by_contact and entry.channel == Channel.KEYWORD and entry.rule else "Optline"
