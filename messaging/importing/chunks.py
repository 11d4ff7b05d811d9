"""Some rows of an import at a time: what would become of them (``check``), and making it so (``write``).

Both judge by the same rules: consent's are in consent.bulk, those about opt-outs below. ``check`` changes nothing and
waits for nobody. ``write`` runs in the caller's transaction, which holds the locks of all contacts concerned.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db import transaction
from django.db.models import Max

from consent import bulk, ledger
from consent.bulk import OptIn, Pair, Said, Standing, Verdict
from consent.ledger import ConsentError, Proof
from consent.models import Consent, Contact, DoNotContact, LedgerEntry, Line, OptInRequest, Organisation
from consent.vocabulary import Channel, EntryKind, Level, Scope, Status
from messaging import capture
from messaging.importing.plan import Plan, What
from messaging.importing.rows import REASONS, Kind, Unreadable, Wish
from messaging.importing.seen import Seen
from messaging.models import Conversation, ImportBatch

RULE = "import"

# What an import can't do, as totals name it; with those of ``rows``.
REFUSED = {
    Verdict.OPTED_OUT: "They opted out",
    Verdict.OPTED_OUT_LATER: "They opted out later than this",
    Verdict.UNDER_REVIEW: "Under review",
    Verdict.SUSPENDED: "The number may be somebody else's by now",
}
_WHY = {
    Verdict.OPTED_OUT: "They opted out. Only they can undo it: they can text START to this line. An officer can lift "
    "the opt-out with a reason and evidence.",
    Verdict.OPTED_OUT_LATER: "They opted out on this line after this consent was given.",
    Verdict.UNDER_REVIEW: "They may have asked us to stop. Decide that in the review queue first.",
    Verdict.SUSPENDED: "The number may have changed hands since. Only a new opt-in from that phone, or an officer with "
    "a reason, brings consent back.",
}
_LISTED = "This number is on the do-not-contact list: nothing at all goes there."
LABELS = {
    **REASONS,
    **{str(verdict.value): label for verdict, label in REFUSED.items()},
    "listed": "On the do-not-contact list",
    "not_asked": "They can't be asked to confirm it now",
    "not_recorded": "It allows nothing any more",
}
COUNTED = ("new", "changed", "unchanged", "refused")


@dataclass
class Outcome:
    """What became of some rows. ``counts`` counts consents, opt-outs or numbers: a row for three lines is three.

    ``refused``: row, reason code and the reason in words.
    """

    counts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str, str]] = field(default_factory=list)

    def count(self, verdict: Verdict, wish: Wish) -> None:
        if verdict in REFUSED:
            self.refuse(wish.row, str(verdict.value), _WHY[verdict])
        else:
            self.counts[str(verdict.value)] += 1

    def refuse(self, row: int, code: str, why: str, times: int = 1) -> None:
        self.counts["refused"] += times
        self.refusals[code] += times
        self.refused.append((row, code, why))

    def refuse_unreadable(self, fault: Unreadable, plan: Plan) -> None:
        several = fault.kind is not Kind.NEVER and plan.what != What.DO_NOT_CONTACT and plan.lines
        self.refuse(fault.row, fault.code, fault.why, len(plan.lines) if several else 1)


# ---- what would become of them --------------------------------------------------------------------------------------


def check(wishes: Sequence[Wish], plan: Plan, seen: Seen, outcome: Outcome) -> None:
    """Count what would become of these rows, after those that ``seen`` remembers."""
    numbers = {wish.number for wish in wishes}
    states = bulk.standings(numbers)
    seen.lay_over(states, numbers)
    listed = DoNotContact.objects.listed(numbers) | seen.listed(numbers)
    changed: set[Pair] = set()
    newly_listed: set[str] = set()
    known = _known(numbers)
    heard = _Heard(states, numbers)
    theirs_since = bulk.changed_hands(numbers)
    asked = _captured(numbers) if plan.double_opt_in else {}
    for wish in wishes:
        if wish.kind is Kind.NEVER:
            outcome.count(Verdict.UNCHANGED if wish.number in listed else Verdict.NEW, wish)
            listed.add(wish.number)
            newly_listed.add(wish.number)
        elif wish.kind is Kind.OUT:
            for line in wish.lines:
                erased = wish.number in listed and wish.number not in known
                verdict = Verdict.UNCHANGED if erased else heard.verdict(wish, line)
                outcome.count(verdict, wish)
                if verdict.counts:
                    changed |= heard.follow(wish, line)
        elif wish.number in listed:
            outcome.refuse(wish.row, "listed", _LISTED, len(wish.lines))
        else:
            for line in wish.lines:
                state = states.setdefault((wish.number, line), Standing())
                verdict = state.verdict(wish.level, wish.at, theirs_since.get(wish.number))
                if verdict.counts and _at_least(asked.get((wish.number, line)), wish.at):
                    verdict = Verdict.UNCHANGED
                outcome.count(verdict, wish)
                if verdict.counts:
                    state.follow(wish.level, wish.at)
                    changed.add((wish.number, line))
    seen.remember({pair: states[pair] for pair in changed}, newly_listed)


def _known(numbers: Collection[str]) -> set[str]:
    return set(Contact.objects.among(numbers).values_list("number", flat=True))


def _captured(numbers: Collection[str]) -> dict[Pair, dt.datetime]:
    """When consent was captured, at the latest, that these contacts were asked to confirm."""
    entries = LedgerEntry.objects.filter(kind=EntryKind.CAPTURED, contact__number__among=numbers)
    rows = entries.values_list("contact__number", "line").annotate(Max("occurred_at")).order_by()
    return {(number, line): at for number, line, at in rows}


def _at_least(known: dt.datetime | None, at: dt.datetime) -> bool:
    return known is not None and known >= at


class _Heard:
    """What is known of revocations, so that one that is repeated changes nothing."""

    def __init__(self, states: dict[Pair, Standing], numbers: Collection[str]) -> None:
        self._states = states
        self._numbers = numbers
        self._organisation = Organisation.objects.current()
        self._lines = {line.pk: line for line in Line.objects.all()}
        self._reached: dict[tuple[int, str], list[int]] = {}

    @cached_property
    def _said(self) -> dict[str, list[Said]]:
        return bulk.revocations(self._numbers)

    def reach(self, line: int, at: dt.datetime) -> tuple[Scope, list[int]]:
        scope = Scope(self._organisation.scope_at(at))
        key = line, str(scope)
        if key not in self._reached:
            found = Line.objects.in_scope(scope, self._lines[line])
            self._reached[key] = list(found.values_list("pk", flat=True))
        return scope, self._reached[key]

    def verdict(self, wish: Wish, line: int) -> Verdict:
        """What this opt-out would do. New: nothing was on record anywhere it reaches."""
        scope, lines = self.reach(line, wish.at)
        states = [self._states.get((wish.number, each)) or Standing() for each in lines]
        if all(self._known(state, wish) for state in states) and self._reaches(wish, line, scope):
            return Verdict.UNCHANGED
        return Verdict.NEW if all(state.status == Status.NOT_DEFINED for state in states) else Verdict.CHANGED

    def _known(self, state: Standing, wish: Wish) -> bool:
        # A day without a time of day says no more than an opt-out at some time of that day.
        bound = wish.earliest if state.status == Status.OPTED_OUT else wish.at
        return _at_least(state.opted_out_at, bound)

    def _reaches(self, wish: Wish, line: int, scope: Scope) -> bool:
        """Something on record reaches as far, lines to come included."""
        category = self._lines[line].category
        return scope == Scope.LINE or any(
            said.at >= wish.earliest
            and (said.scope == Scope.ALL or (scope == said.scope == Scope.CATEGORY and said.category == category))
            for said in self._said[wish.number]
        )

    def follow(self, wish: Wish, line: int) -> set[Pair]:
        """Remember it as said; gives the pairs whose state it changed."""
        scope, lines = self.reach(line, wish.at)
        category = self._lines[line].category if scope == Scope.CATEGORY else ""
        self._said[wish.number].append(Said(line, str(scope), category, wish.at))
        changed = set()
        for each in lines:
            state = self._states.setdefault((wish.number, each), Standing())
            if not (state.own_opt_in_at and state.own_opt_in_at > wish.at):
                state.status, state.level = Status.OPTED_OUT, ""
            state.opted_out_at = max(wish.at, state.opted_out_at or wish.at)
            changed.add((wish.number, each))
        return changed


# ---- making it so ---------------------------------------------------------------------------------------------------


def add_contacts(wishes: Sequence[Wish]) -> None:
    """Make the contacts that are missing, before any is locked. Nobody is made of a number on the do-not-contact list:
    it may have been erased."""
    named: dict[str, tuple[str, str]] = {}
    for wish in wishes:
        if not any(named.get(wish.number, ())):
            named[wish.number] = wish.names
    for number in DoNotContact.objects.listed(named):
        del named[number]
    bulk.add_contacts(named)


def write(wishes: Sequence[Wish], plan: Plan, batch: ImportBatch, outcome: Outcome) -> None:
    """Record these rows. Runs under the locks of their contacts, as many as there are."""
    by_kind: defaultdict[Kind, list[Wish]] = defaultdict(list)
    for wish in wishes:
        by_kind[wish.kind].append(wish)
    evidence = _Evidence(batch)
    _write_never(by_kind[Kind.NEVER], evidence, batch, outcome)
    _write_out(by_kind[Kind.OUT], evidence, batch, outcome)
    _write_in(by_kind[Kind.IN], evidence, plan, batch, outcome)


class _Evidence:
    """What proves that a row stood in the file, without anything of anybody else's."""

    def __init__(self, batch: ImportBatch) -> None:
        self._batch = batch
        self._lines = dict(Line.objects.values_list("pk", "number"))

    def of(self, wishes: Iterable[tuple[Wish, Sequence[int]]]) -> dict[str, Any]:
        """Of one contact's rows, each with the lines that it counted for."""
        found = list(wishes)
        named = {line for _, lines in found for line in lines}
        sources = list(dict.fromkeys(wish.source for wish, _ in found))
        return {
            "number": found[0][0].number,
            **({"line": self._lines[named.pop()]} if len(named) == 1 else {}),
            "import": self._batch.name,
            "file_name": self._batch.file_name,
            "sha256": self._batch.sha256,
            "row": ", ".join(str(wish.row) for wish, _ in found[:100]),
            "source": "; ".join(sources)[:1000],
            "rows": [
                {"row": wish.row, "lines": [self._lines[line] for line in lines], "cells": wish.cells}
                for wish, lines in found
            ],
        }


def _write_never(wishes: Sequence[Wish], evidence: _Evidence, batch: ImportBatch, outcome: Outcome) -> None:
    listed = DoNotContact.objects.listed({wish.number for wish in wishes})
    for wish in wishes:
        if wish.number in listed:
            outcome.count(Verdict.UNCHANGED, wish)
            continue
        proof = Proof(Channel.IMPORT, evidence.of([(wish, [])]), batch.user, rule=RULE)
        capture.put_on_do_not_contact(Contact.objects.lock(wish.number), proof, reason=wish.source[:200])
        listed.add(wish.number)
        outcome.count(Verdict.NEW, wish)


def _write_out(wishes: Sequence[Wish], evidence: _Evidence, batch: ImportBatch, outcome: Outcome) -> None:
    if not wishes:
        return
    numbers = {wish.number for wish in wishes}
    known = _known(numbers)
    heard = _Heard(bulk.standings(numbers), numbers)
    for wish in wishes:
        for line in wish.lines:
            # Without a contact it is a number on the do-not-contact list that was erased: nothing goes there at all.
            verdict = heard.verdict(wish, line) if wish.number in known else Verdict.UNCHANGED
            outcome.count(verdict, wish)
            if verdict.counts:
                proof = Proof(Channel.IMPORT, evidence.of([(wish, [line])]), batch.user, rule=RULE)
                capture.revoke(
                    Contact.objects.lock(wish.number),
                    Line.objects.get(pk=line),
                    proof,
                    occurred_at=wish.at,
                    in_inbox=False,
                )
                heard.follow(wish, line)


def _write_in(wishes: Sequence[Wish], evidence: _Evidence, plan: Plan, batch: ImportBatch, outcome: Outcome) -> None:
    if not wishes:
        return
    numbers = {wish.number for wish in wishes}
    listed = DoNotContact.objects.listed(numbers)
    for number in sorted(numbers - listed - _known(numbers)):
        Contact.objects.lock(number)  # it was taken off the list in this very moment
    in_touch = _in_touch(numbers)
    alone: list[tuple[OptIn, Wish]] = []
    together: list[tuple[OptIn, Wish]] = []
    for wish in wishes:
        if wish.number in listed:
            outcome.refuse(wish.row, "listed", _LISTED, len(wish.lines))
            continue
        for line in wish.lines:
            one = OptIn(wish.number, line, wish.level, wish.at)
            by_itself = plan.double_opt_in or wish.level == Level.IMPLIED or (wish.number, line) in in_touch
            (alone if by_itself else together).append((one, wish))
    for one, wish in alone:
        _write_alone(one, wish, evidence, plan, batch, outcome)

    def prove(number: str, places: Sequence[int]) -> Mapping[str, Any]:
        lines: defaultdict[int, list[int]] = defaultdict(list)
        rows = {together[place][1].row: together[place][1] for place in places}
        for place in places:
            lines[together[place][1].row].append(together[place][0].line)
        return evidence.of((wish, lines[row]) for row, wish in rows.items())

    verdicts = ledger.opt_in_many(
        [one for one, _ in together], prove, channel=Channel.IMPORT, rule=RULE, actor=batch.user
    )
    for verdict, (_, wish) in zip(verdicts, together, strict=True):
        outcome.count(verdict, wish)


def _in_touch(numbers: Collection[str]) -> set[Pair]:
    """Pairs where something may wait for consent, or depend on it; on all others nothing was ever said or asked."""
    found = set()
    for rows in (
        Conversation.objects.filter(contact__number__among=numbers),
        OptInRequest.objects.filter(contact__number__among=numbers),
        Consent.objects.filter(contact__number__among=numbers).exclude(until=None, ended_at=None, suspended_at=None),
    ):
        found |= set(rows.order_by().values_list("contact__number", "line"))
    return found


def _write_alone(one: OptIn, wish: Wish, evidence: _Evidence, plan: Plan, batch: ImportBatch, outcome: Outcome) -> None:
    """One consent by the way that every other takes: held texts leave, reviews are settled, or the contact is asked."""
    pair = wish.number, one.line
    state = bulk.standings([wish.number]).get(pair, Standing())
    verdict = state.verdict(one.level, one.at, bulk.changed_hands([wish.number]).get(wish.number))
    if verdict.counts and plan.double_opt_in and _at_least(_captured([wish.number]).get(pair), one.at):
        verdict = Verdict.UNCHANGED
    if verdict.counts:
        try:
            with transaction.atomic():
                capture.record_consent(
                    wish.number,
                    Line.objects.get(pk=one.line),
                    channel=Channel.IMPORT,
                    evidence=evidence.of([(wish, [one.line])]),
                    occurred_at=one.at,
                    by=batch.user,
                    level=Level(one.level),
                    double=plan.double_opt_in,
                    confirm=False,
                    source=plan.source,
                    batch=batch.name,
                    rule=RULE,
                )
        except ConsentError as error:
            outcome.refuse(wish.row, "not_asked" if plan.double_opt_in else "not_recorded", str(error))
            return
    outcome.count(verdict, wish)
