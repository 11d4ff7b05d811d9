"""Many consents at once, given elsewhere: the rules of consent.ledger for thousands of contacts in a few statements.

Only the ledger (``ledger.opt_in_many``) writes with it. What it leaves in the tables is what ``ledger.opt_in`` would
leave, called for one after the other; a test holds the two against each other. The caller holds the contacts' locks.
"""

import datetime as dt
import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Max
from django.utils import timezone

from consent import chain, tables
from consent.among import among
from consent.models import Contact, LedgerEntry, Line
from consent.vocabulary import LEVEL_RANK, REVOCATIONS, EntryKind, Level, Status


def add_contacts(called: Mapping[str, tuple[str, str]]) -> None:
    """Make the contacts of these E.164 numbers that nobody knows yet, with first and last name (printable).

    In one order and committed before any is locked (``ContactQuerySet.lock_numbers``), so that two who add the same
    numbers don't wait for each other in a circle. Must not be called under another contact's lock.
    """
    known = set(Contact.objects.among(called).values_list("number", flat=True))
    if missing := sorted(called.keys() - known):
        tables.add_contacts([(number, *called[number]) for number in missing])


class OptIn(NamedTuple):
    """What one contact (E.164) agreed to for one line (its id), at which level and when."""

    number: str
    line: int
    level: str
    at: dt.datetime


class Verdict(Enum):
    """What becomes of consent that was given elsewhere. Only the first two change anything."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    OPTED_OUT = "opted_out"
    OPTED_OUT_LATER = "opted_out_later"
    UNDER_REVIEW = "under_review"
    SUSPENDED = "suspended"

    @property
    def counts(self) -> bool:
        return self in {Verdict.NEW, Verdict.CHANGED}


@dataclass(slots=True)
class Standing:
    """What decides about consent given elsewhere, and what is written along with it; as in the state table."""

    status: str = Status.NOT_DEFINED
    level: str = ""
    opted_out_at: dt.datetime | None = None
    under_review: bool = False
    own_opt_in_at: dt.datetime | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    ended: bool = False  # or suspended, because the number may be somebody else's
    request_state: str = "not_sent"
    pk: int | None = None

    def barred(self) -> Verdict | None:
        """Why only the contact, or an officer, could opt them in; None where others may (ledger.Authority.OTHERS)."""
        if self.status == Status.OPTED_OUT:
            return Verdict.OPTED_OUT
        return Verdict.UNDER_REVIEW if self.under_review else None

    def is_settled(self, level: str, at: dt.datetime) -> bool:
        """What is on record is as firm as this, and has not ended; so this would add nothing."""
        if self.status != Status.OPTED_IN or self.ended or (self.until and self.until <= at):
            return False
        new, old = LEVEL_RANK[level], LEVEL_RANK[self.level]
        lasts_longer = self.until is not None and level != Level.IMPLIED
        return new < old or (new == old and not lasts_longer)

    def verdict(self, level: str, at: dt.datetime, changed_hands: dt.datetime | None = None) -> Verdict:
        """What consent of this level, given ``at``, would do here. A tie or doubt: out."""
        if barred := self.barred():
            return barred
        if changed_hands and at <= changed_hands:
            return Verdict.SUSPENDED
        if self.is_settled(level, at):
            return Verdict.UNCHANGED
        if self.opted_out_at and at <= self.opted_out_at:
            return Verdict.OPTED_OUT_LATER
        return Verdict.NEW if self.status == Status.NOT_DEFINED else Verdict.CHANGED

    def follow(self, level: str, at: dt.datetime) -> None:
        """Become what the state is after consent that counts."""
        if self.status != Status.OPTED_IN:
            self.status, self.since = Status.OPTED_IN, at
        self.level = level


Pair = tuple[str, int]
FOR_EVER = dt.datetime.max.replace(tzinfo=dt.UTC)


def standings(numbers: Collection[str]) -> dict[Pair, Standing]:
    """The state of these contacts on every line where something is recorded, by number and line id."""
    condition, params = among("c.number", numbers)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.number, s.line_id, s.status, s.level, s.opted_out_at, s.review_since, s.own_opt_in_at, s.since,"
            " s.until, COALESCE(s.suspended_at, s.ended_at), s.request_state, s.id"
            " FROM consent_consent s JOIN consent_contact c ON c.id = s.contact_id"
            f" WHERE {condition}",
            params,
        )
        read = tables.moment_of(connection)
        return {
            (number, line): Standing(
                status,
                level,
                read(out),
                review is not None,
                read(own),
                read(since),
                read(until),
                ended is not None,
                request,
                pk,
            )
            for number, line, status, level, out, review, own, since, until, ended, request, pk in cursor.fetchall()
        }


def changed_hands(numbers: Collection[str]) -> dict[str, dt.datetime]:
    """Until when consent may be a former owner's, for those of these numbers that have, or may have, a new one."""
    contacts = Contact.objects.among(numbers)
    found = contacts.exclude(changed_hands_at=None).values_list("number", "changed_hands_at")
    reassigned = contacts.filter(unreachable=Contact.Unreachable.REASSIGNED).values_list("number", flat=True)
    return {**dict(found), **dict.fromkeys(reassigned, FOR_EVER)}  # type: ignore[arg-type]


class Said(NamedTuple):
    """A revocation on record: how far it reaches and when it was, at the latest."""

    line: int | None
    scope: str
    category: str
    at: dt.datetime


def revocations(numbers: Collection[str]) -> dict[str, list[Said]]:
    """What these contacts are known to have revoked."""
    found: defaultdict[str, list[Said]] = defaultdict(list)
    entries = LedgerEntry.objects.filter(kind__in=REVOCATIONS, contact__number__among=numbers)
    known = entries.values_list("contact__number", "line", "scope", "scope_category").annotate(Max("occurred_at"))
    for number, *said in known.order_by():
        found[number].append(Said(*said))
    return found


class Head(NamedTuple):
    """A contact and where their chain ends."""

    pk: int
    uuid: str
    seq: int
    hash: str
    recorded_at: dt.datetime | None


def _heads(numbers: Collection[str]) -> dict[str, Head]:
    condition, params = among("c.number", numbers)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.number, c.id, c.uuid, c.ledger_seq, c.ledger_head, e.recorded_at FROM consent_contact c"
            " LEFT JOIN consent_ledgerentry e ON e.contact_id = c.id AND e.seq = c.ledger_seq"
            f" WHERE {condition}",
            params,
        )
        read = tables.moment_of(connection)
        return {
            number: Head(pk, str(UUID(str(uuid))), seq, head, read(recorded))
            for number, pk, uuid, seq, head, recorded in cursor.fetchall()
        }


# What proves the consents of one contact: given the places of those that count among all, its evidence, as plain as
# chain.canonical_of_plain wants it.
Prove = Callable[[str, Sequence[int]], Mapping[str, Any]]


def write(opt_ins: Sequence[OptIn], prove: Prove, *, channel: str, rule: str, actor: int | None) -> list[Verdict]:
    """Record those that count; gives the verdict on each, in their order.

    All contacts exist and are locked. One piece of evidence per contact proves all that they gave here, so that it can
    be erased without touching anybody else's. Raises AuditRowError where the database keeps an entry otherwise than it
    was written.
    """
    numbers = {each.number for each in opt_ins}
    states, verdicts, entries = standings(numbers), [], []
    counting: defaultdict[str, list[int]] = defaultdict(list)
    theirs_since = changed_hands(numbers)
    for place, (number, line, level, at) in enumerate(opt_ins):
        state = states.get((number, line))
        if state is None:
            state = states[number, line] = Standing()
        verdict = state.verdict(level, at, theirs_since.get(number))
        verdicts.append(verdict)
        if verdict.counts:
            counting[number].append(place)
            before = state.status
            state.follow(level, at)
            entries.append((place, before, state.since))
    if entries:
        digests = _keep({number: prove(number, places) for number, places in counting.items()})
        writing = _Writing(opt_ins, states, _heads(counting), digests, str(channel), rule, actor)
        for place, before, since in entries:
            writing.append(place, before, since)
        writing.store()
    return verdicts


def _keep(proofs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Store the evidence of each contact; gives its digest."""
    rows, digests = [], {}
    for number, data in proofs.items():
        salt, text = secrets.token_bytes(32), chain.canonical_of_plain(data)
        digests[number] = digest = chain.digest_of_canonical(salt, text)
        rows.append((digest, salt, text.decode()))
    tables.add_evidence(rows)
    return digests


class _Writing:
    """The entries of one call, and what they leave in the state table and the contacts' heads."""

    def __init__(
        self,
        opt_ins: Sequence[OptIn],
        states: dict[Pair, Standing],
        heads: dict[str, Head],
        digests: dict[str, str],
        channel: str,
        rule: str,
        actor: int | None,
    ) -> None:
        self._opt_ins, self._states, self._heads, self._digests = opt_ins, states, heads, digests
        self._channel, self._rule, self._actor = channel, rule, actor
        self._now = timezone.now()
        fixed = {
            "actor_id": actor,
            "channel": channel,
            "kind": str(EntryKind.OPTED_IN),
            "rule": rule,
            "scope": "",
            "scope_category": "",
            "source": channel,
            "status_to": str(Status.OPTED_IN),
            "wording": None,
        }
        self._fixed = {name: chain.fragment(value) for name, value in fixed.items()}
        self._lines = {
            pk: f'"{uuid}"'
            for pk, uuid in Line.objects.filter(pk__in={each.line for each in opt_ins}).values_list("pk", "uuid")
        }
        self._fragments: dict[Any, str] = {}
        self._rows: list[tables.EntryRow] = []
        # Where each pair's state will point.
        self._last: dict[Pair, int] = {}

    def _fragment(self, value: Any) -> str:
        known = self._fragments.get(value)
        if known is None:
            known = self._fragments[value] = chain.fragment(value)
        return known

    def append(self, place: int, before: str, since: dt.datetime | None) -> None:
        number, line, level, at = self._opt_ins[place]
        pk, uuid, seq, head, last = self._heads[number]
        recorded = max(self._now, last) if last else self._now
        digest, request_state = self._digests[number], self._states[number, line].request_state
        fixed, fragment = self._fixed, self._fragment
        hash = chain.hash_of_fragments(
            (  # in the order of chain.SORTED
                fixed["actor_id"],
                fixed["channel"],
                f'"{uuid}"',
                f'"{digest}"',
                fixed["kind"],
                fragment(level),
                self._lines[line],
                fragment(at),
                f'"{head}"',
                fragment(recorded),
                fragment(request_state),
                fixed["rule"],
                fixed["scope"],
                fixed["scope_category"],
                str(seq + 1),
                fragment(since),
                fixed["source"],
                fragment(before),
                fixed["status_to"],
                fixed["wording"],
            )
        )
        self._heads[number] = Head(pk, uuid, seq + 1, hash, recorded)
        self._last[number, line] = len(self._rows)
        self._rows.append(
            tables.EntryRow(pk, line, seq + 1, before, since, request_state, level, at, recorded, digest, head, hash)
        )

    def store(self) -> None:
        common = tables.Common(str(EntryKind.OPTED_IN), str(Status.OPTED_IN), self._channel, self._rule, self._actor)
        ids = tables.add_entries(self._rows, common)
        tables.write_states(
            [
                tables.StateRow(
                    state.pk, self._heads[number].pk, line, state.since, state.level, state.request_state, ids[row]
                )
                for (number, line), row in self._last.items()
                for state in (self._states[number, line],)
            ],
            status=str(Status.OPTED_IN),
            source=self._channel,
        )
        tables.write_heads([(head.pk, head.seq, head.hash) for head in self._heads.values()])
        tables.read_back(ids)
