"""The only writer of consent state.

Each verb appends one entry per line concerned, updates the state row and extends the contact's chain, in the caller's
transaction and under the contact's lock (``Contact.objects.lock``), which the caller holds already.

Time rule (PRODUCT "Rules around the flows"): an opt-in counts only if it is later than the line's last opt-out; an
opt-out older than the contact's own later opt-in is recorded and leaves that line in. A tie or doubt: out. It is this
rule, not the order in which webhooks are read, that makes STOP, START, STOP end in opted out.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from consent import barrier, bulk, entries
from consent.bulk import OptIn, Standing, Verdict
from consent.entries import Proof as Proof  # part of the verbs' signature: callers take it from here
from consent.models import Consent, Contact, DoNotContact, Evidence, LedgerEntry, Line, OptInRequest, User
from consent.models.contact import suppression_digest
from consent.models.ledger import AuditRowError
from consent.vocabulary import (
    LEVEL_RANK,
    EntryKind,
    RequestOutcome,
    RequestState,
    Scope,
    Status,
)
from consent.vocabulary import (
    REVOCATIONS as REVOCATIONS,
)


class ConsentError(Exception):
    """A change of consent that the rules don't allow. The message tells people why and what would work instead."""


class Authority(Enum):
    """On whose word a contact is opted in. Out of opted out leads only the contact's own text or an officer."""

    CONTACT = "a text from that phone"
    OFFICER = "an officer with reason and evidence"
    OTHERS = "anything else: an agent, a form, an import, an API client"


def consent_of(contact: Contact, line: Line) -> Consent:
    """The state row of a pair, made if missing."""
    consent, _ = Consent.objects.select_for_update().get_or_create(contact=contact, line=line)
    consent.contact, consent.line = contact, line  # or each would be read again
    return consent


# ---- requests -------------------------------------------------------------------------------------------------------


def asked(request: OptInRequest, proof: Proof, *, at: dt.datetime, expires_after: dt.timedelta) -> None:
    """The provider took the request. Not Defined becomes pending; every other status stays what it is.

    Says nothing twice: a request that is known to be sent, or that was answered meanwhile, changes nothing.
    """
    if request.sent_at is not None:
        return
    request.sent_at = at
    request.left_at = request.left_at or at
    if request.outcome == RequestOutcome.OPEN:
        request.expires_at = at + expires_after
    request.save(update_fields=["sent_at", "left_at", "expires_at"])
    if request.outcome not in {RequestOutcome.OPEN, RequestOutcome.ACCEPTED, RequestOutcome.REJECTED}:
        return
    consent = consent_of(request.contact, request.line)
    before = consent.status
    if request.outcome == RequestOutcome.OPEN:
        if consent.status == Status.NOT_DEFINED:
            consent.status, consent.since, consent.source = Status.PENDING, at, proof.channel
        consent.request_state = RequestState.SENT
    _append(consent, EntryKind.ASKED, before, proof, occurred_at=at)


def captured(consent: Consent, proof: Proof, *, occurred_at: dt.datetime, level: str) -> None:
    """Consent was captured elsewhere and waits for the contact's YES to "confirm sign-up" (double opt-in)."""
    before = consent.status
    if before == Status.NOT_DEFINED:
        consent.status, consent.since, consent.source = Status.PENDING, occurred_at, proof.channel
    _append(consent, EntryKind.CAPTURED, before, proof, occurred_at=occurred_at, level=level)


def request_expired(request: OptInRequest, proof: Proof, *, at: dt.datetime) -> None:
    """Nobody answered. Pending goes back to Not Defined; every other status stays what it is (flow 5)."""
    _end(request, RequestOutcome.EXPIRED, at)
    # One whose fate stayed unknown was, for all we know, never sent.
    state = RequestState.EXPIRED if request.sent_at else None
    _fall_back(request, EntryKind.REQUEST_EXPIRED, proof, at, state)


def request_failed(request: OptInRequest, proof: Proof, *, at: dt.datetime) -> None:
    """The request could not be sent or delivered. The status is what it was before it."""
    _end(request, RequestOutcome.FAILED, at)
    _fall_back(request, EntryKind.REQUEST_FAILED, proof, at, None)


def _fall_back(
    request: OptInRequest, kind: EntryKind, proof: Proof, at: dt.datetime, state: RequestState | None
) -> None:
    consent = consent_of(request.contact, request.line)
    before = consent.status
    if consent.status == Status.PENDING:
        consent.status, consent.since, consent.source = Status.NOT_DEFINED, None, ""
    if state:
        consent.request_state = state
    elif consent.request_state == RequestState.SENT:
        consent.request_state = _last_ended_state(request)
    _append(consent, kind, before, proof, occurred_at=at)


def _last_ended_state(request: OptInRequest) -> RequestState:
    earlier = (
        OptInRequest.objects.filter(contact=request.contact, line=request.line)
        .exclude(sent_at=None)
        .exclude(pk=request.pk)
        .exclude(outcome__in=[RequestOutcome.FAILED, RequestOutcome.WITHDRAWN])
        .order_by("-pk")
        .first()
    )
    return RequestState(earlier.outcome) if earlier and earlier.outcome else RequestState.NOT_SENT


def withdraw_request(request: OptInRequest, *, at: dt.datetime) -> None:
    """The request will not leave, because its question has answered itself. No change of consent, so no entry."""
    _end(request, RequestOutcome.WITHDRAWN, at)


def _end(request: OptInRequest, outcome: RequestOutcome, at: dt.datetime) -> None:
    request.outcome, request.ended_at = outcome, at
    request.save(update_fields=["outcome", "ended_at"])


# ---- disclaimers ----------------------------------------------------------------------------------------------------


def told(contact: Contact, line: Line, proof: Proof, *, at: dt.datetime) -> None:
    """The provider took a disclaimer. The status stays what it is; said twice, nothing is recorded again."""
    consent = consent_of(contact, line)
    if consent.told_at is None:
        consent.told_at = at
        _append(consent, EntryKind.TOLD, consent.status, proof, occurred_at=at)


def not_told(contact: Contact, line: Line, proof: Proof, *, at: dt.datetime) -> None:
    """A disclaimer that the provider had taken was not delivered after all: the contact was not told."""
    consent = consent_of(contact, line)
    if consent.told_at is not None:
        consent.told_at = None
        _append(consent, EntryKind.NOT_TOLD, consent.status, proof, occurred_at=at)


# ---- in and out -----------------------------------------------------------------------------------------------------


def opt_in(
    contact: Contact,
    line: Line,
    proof: Proof,
    *,
    occurred_at: dt.datetime,
    level: str,
    authority: Authority,
    request: OptInRequest | None = None,
    stands_alone: bool = True,
    in_doubt: bool = False,
    opted_out_at: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> bool:
    """Record an opt-in on one line. True if it counts, False if a later opt-out overrules it, or if the number changed
    hands after it.

    ``until``: when the consent ends, None for one that does not. Of two consents the firmer counts, between equally
    firm ones that which lasts longer; one that has ended, or was suspended, counts no more (``_takes_the_place``).

    ``stands_alone`` is False for a YES, which means nothing without the request it answers. ``in_doubt``: a text that
    may be a revocation is as late as this or later, so the line stays under review. ``opted_out_at``: when the last
    opt-out was, where the provider's clock has turned out to know better than what was recorded.

    Raises ConsentError where ``authority`` does not lead out of opted out. ``request`` is the one a YES accepts; other
    open requests end with it.
    """
    consent = consent_of(contact, line)
    before = consent.status
    standing = Standing(consent.status, under_review=consent.review_since is not None)
    barred = standing.barred() if authority is Authority.OTHERS else None
    if barred is Verdict.OPTED_OUT:
        raise ConsentError(
            f"This contact opted out. Only they can undo it: they can text START to {line.number}. "
            "An officer can lift the opt-out with a reason and evidence."
        )
    if barred is Verdict.UNDER_REVIEW:
        raise ConsentError("This contact may have asked us to stop. An officer has to decide that first.")
    last_out = opted_out_at or consent.opted_out_at
    if authority is Authority.OTHERS:
        _refuse_a_former_owners(contact, line, occurred_at)
    if (last_out and occurred_at <= last_out) or _was_a_former_owners(contact, occurred_at):
        _append(consent, EntryKind.OPT_IN_TOO_LATE, before, proof, occurred_at=occurred_at, level=level)
        return False
    asked_before = request or OptInRequest.objects.acceptable(contact, line, occurred_at)
    if authority is Authority.CONTACT:
        # Whoever opts in from that number has it, and is asked nothing about those who had it before.
        reachable(contact, replace(proof, evidence={}), rule="opted in")
    if before != Status.OPTED_IN or _is_over(consent, occurred_at):
        consent.since = occurred_at
    if _takes_the_place(consent, level, until, occurred_at):
        consent.level, consent.until, consent.ended_at, consent.suspended_at = level, until, None, None
    consent.status, consent.source = Status.OPTED_IN, proof.channel
    consent.review_since = consent.review_since if in_doubt else None
    if authority is Authority.CONTACT:
        # A STOP between the request and its YES voids the YES, whichever of the two is read first.
        own = occurred_at if stands_alone or request is None else request.created
        consent.own_opt_in_at = max(own, consent.own_opt_in_at or own)
    if asked_before:
        consent.request_state = RequestState.ACCEPTED
        _end(asked_before, RequestOutcome.ACCEPTED, occurred_at)
    for other in OptInRequest.objects.open().filter(contact=contact, line=line):
        withdraw_request(other, at=occurred_at)
    _append(consent, EntryKind.OPTED_IN, before, proof, occurred_at=occurred_at, level=level)
    return True


def _takes_the_place(consent: Consent, level: str, until: dt.datetime | None, occurred_at: dt.datetime) -> bool:
    """Whether a consent given now stands in the place of the one on record. Only the two of them decide, not the clock,
    so that the entries tell the same whenever they are read (consent.verification)."""
    if consent.status != Status.OPTED_IN or _is_over(consent, occurred_at):
        return True
    new, old = LEVEL_RANK[level], LEVEL_RANK[consent.level]
    return new > old or (new == old and consent.until is not None and (until is None or until > consent.until))


def _is_over(consent: Consent, at: dt.datetime) -> bool:
    ended = consent.until is not None and consent.until <= at
    return ended or consent.suspended_at is not None or consent.ended_at is not None


def _was_a_former_owners(contact: Contact, occurred_at: dt.datetime) -> bool:
    return contact.changed_hands_at is not None and occurred_at <= contact.changed_hands_at


def _refuse_a_former_owners(contact: Contact, line: Line, occurred_at: dt.datetime) -> None:
    if contact.unreachable != Contact.Unreachable.REASSIGNED and not _was_a_former_owners(contact, occurred_at):
        return
    raise ConsentError(
        "This number may be somebody else's by now, so what was agreed before does not count. Whoever has it can text "
        f"START to {line.number}. If it is still theirs, an officer can say so on the contact's page."
    )


def opt_in_many(
    opt_ins: Sequence[OptIn], prove: bulk.Prove, *, channel: str, rule: str, actor: User | None
) -> list[Verdict]:
    """Record consents that were given elsewhere, on the authority of others: ``opt_in`` for thousands of them.

    Gives the verdict on each, in their order; only those that count leave an entry, so that all of it may be repeated.
    The caller holds the locks of all these contacts, who exist, and gives only pairs that no opt-in request was made
    for and whose consent has no end, and none that is implied. ``prove`` gives the evidence of one contact's.
    """
    return bulk.write(opt_ins, prove, channel=channel, rule=rule, actor=actor.pk if actor else None)


def opted_in_earlier(contact: Contact, line: Line, at: dt.datetime) -> None:
    """The provider's clock says that the contact's own last opt-in was at this earlier time. An opt-out that is read
    from now on is compared with that; nothing new was said, so no entry."""
    consent = consent_of(contact, line)
    if consent.own_opt_in_at and at < consent.own_opt_in_at:
        consent.own_opt_in_at = at
        consent.save(update_fields=["own_opt_in_at"])


@dataclass(frozen=True)
class Revoked:
    """What a revocation did: ``ended`` are the lines that were not opted out before, ``repeated`` those that were,
    ``kept`` those that stay in by the contact's own later opt-in."""

    ended: list[Line]
    repeated: list[Line]
    kept: list[Line]

    def add(self, kind: EntryKind, line: Line) -> None:
        {
            EntryKind.OPTED_OUT: self.ended,
            EntryKind.OPT_OUT_REPEATED: self.repeated,
            EntryKind.OPT_OUT_OUTDATED: self.kept,
        }[kind].append(line)

    @property
    def out(self) -> list[Line]:
        return sorted([*self.ended, *self.repeated], key=lambda line: line.pk)


def opt_out(contact: Contact, origin: Line | None, proof: Proof, *, occurred_at: dt.datetime, scope: Scope) -> Revoked:
    """Record a revocation on every line in its scope. Never fails: nobody needs a right to be left alone.

    Without an origin (a text to a number that is no line of ours) it is valid on every line.
    """
    scope = scope if origin else Scope.ALL
    category = origin.category if origin and scope == Scope.CATEGORY else ""
    revoked = Revoked([], [], [])
    digest = entries.keep(proof.evidence)
    barrier.revocation_under_way()
    for line in Line.objects.in_scope(scope, origin):
        kind = _opt_out_on(contact, line, proof, digest, occurred_at, scope, category)
        revoked.add(kind, line)
    return revoked


def copy_opt_outs(source: Contact, target: Contact, proof: Proof) -> Revoked:
    """Write on ``target`` every opt-out that holds for ``source``, with the time and the reach it has there.

    The caller holds both locks. Nothing else is copied: consent doesn't move.
    """
    revoked = Revoked([], [], [])
    digest = entries.keep(proof.evidence)
    barrier.revocation_under_way()
    out = Consent.objects.filter(contact=source, status=Status.OPTED_OUT).select_related("line").order_by("line_id")
    for consent in out:
        said = LedgerEntry.objects.filter(contact=source, line=consent.line, kind__in=REVOCATIONS)
        last = said.order_by("-occurred_at", "-seq").first()
        assert last is not None and consent.opted_out_at is not None  # only an entry makes a contact opted out
        kind = _opt_out_on(target, consent.line, proof, digest, consent.opted_out_at, last.scope, last.scope_category)
        revoked.add(kind, consent.line)
    return revoked


def _opt_out_on(
    contact: Contact, line: Line, proof: Proof, digest: str, occurred_at: dt.datetime, scope: str, category: str
) -> EntryKind:
    consent = consent_of(contact, line)
    before = consent.status
    if consent.own_opt_in_at and consent.own_opt_in_at > occurred_at:
        kind = EntryKind.OPT_OUT_OUTDATED
    else:
        kind = EntryKind.OPT_OUT_REPEATED if before == Status.OPTED_OUT else EntryKind.OPTED_OUT
        if before != Status.OPTED_OUT:
            consent.status, consent.since = Status.OPTED_OUT, occurred_at
            consent.source, consent.level = proof.channel, ""
            consent.until = consent.ended_at = consent.suspended_at = None
        consent.review_since = None
        for request in OptInRequest.objects.open().filter(contact=contact, line=line):
            if request.left_at is None:
                withdraw_request(request, at=occurred_at)
            else:
                _end(request, RequestOutcome.REJECTED, occurred_at)
                consent.request_state = RequestState.REJECTED
    consent.opted_out_at = max(occurred_at, consent.opted_out_at or occurred_at)
    _append(consent, kind, before, proof, occurred_at=occurred_at, digest=digest, scope=scope, scope_category=category)
    return kind


def set_blocked_at_provider(contact: Contact, line: Line, blocked: bool) -> None:
    """Note whether the provider itself blocks this pair. What the provider does is no change of consent: no entry."""
    consent = consent_of(contact, line)
    if consent.blocked_at_provider != blocked:
        consent.blocked_at_provider = blocked
        consent.save(update_fields=["blocked_at_provider"])


# ---- review ---------------------------------------------------------------------------------------------------------


def open_review(contact: Contact, line: Line, proof: Proof, *, at: dt.datetime) -> None:
    """The contact may have asked us to stop: nothing is sent until a person has decided."""
    consent = consent_of(contact, line)
    if consent.review_since is None and consent.status != Status.OPTED_OUT:
        consent.review_since = at
        _append(consent, EntryKind.REVIEW_OPENED, consent.status, proof, occurred_at=at)


def close_review(contact: Contact, line: Line, proof: Proof, *, at: dt.datetime) -> None:
    """It was no revocation. If it was one, ``opt_out`` closes the review."""
    consent = consent_of(contact, line)
    if consent.review_since is not None:
        consent.review_since = None
        _append(consent, EntryKind.REVIEW_CLOSED, consent.status, proof, occurred_at=at)


# ---- consent that ends, numbers that change hands -------------------------------------------------------------------


def consent_ended(contact: Contact, line: Line, proof: Proof) -> bool:
    """Record, once, that the consent on a line has ended. The status stays what it is: the gate asks again. False where
    there is nothing to record (any more)."""
    consent = consent_of(contact, line)
    over = consent.until is not None and consent.until <= timezone.now()
    if consent.status != Status.OPTED_IN or consent.ended_at or consent.suspended_at or not over:
        return False
    assert consent.until is not None
    consent.ended_at = consent.until
    _append(consent, EntryKind.CONSENT_ENDED, consent.status, proof, occurred_at=consent.until)
    return True


def unreachable(
    contact: Contact, why: Contact.Unreachable, proof: Proof, *, by: Contact.FoundBy, at: dt.datetime
) -> bool:
    """Note that no text reaches the number, or not the one whose it was. False where the same is on record already.

    A number that is known to be reassigned stays so: that it does not work either says nothing new.
    """
    if contact.unreachable in {why, Contact.Unreachable.REASSIGNED}:
        return False
    contact.unreachable, contact.unreachable_since, contact.unreachable_source = why, at, by
    contact.save(update_fields=["unreachable", "unreachable_since", "unreachable_source"])
    _append_for_contact(contact, EntryKind.UNREACHABLE, replace(proof, rule=f"number:{why}"), occurred_at=at)
    return True


def reachable(contact: Contact, proof: Proof, *, rule: str) -> bool:
    """Take that back; ``rule`` says what disproves it. Suspended consent stays suspended (see ``resume``)."""
    if not contact.unreachable:
        return False
    contact.unreachable, contact.unreachable_since, contact.unreachable_source = "", None, ""
    contact.save(update_fields=["unreachable", "unreachable_since", "unreachable_source"])
    _append_for_contact(contact, EntryKind.REACHABLE, replace(proof, rule=f"number:{rule}"), occurred_at=timezone.now())
    return True


def suspend(contact: Contact, proof: Proof, *, given_before: dt.datetime, at: dt.datetime) -> list[Line]:
    """The number may have changed hands: consent given before ``given_before`` holds no more from ``at`` on.

    Returns the lines on which it was suspended. The status stays what it is, as with consent that ended by itself.
    What somebody with that number agreed to since then, stays.
    """
    contact.changed_hands_at = max(given_before, contact.changed_hands_at or given_before)
    contact.save(update_fields=["changed_hands_at"])
    suspended = []
    given = Consent.objects.filter(contact=contact, status=Status.OPTED_IN, suspended_at=None, since__lte=given_before)
    for consent in given.order_by("line").select_related("line"):
        consent.contact = contact
        consent.suspended_at, consent.until = at, min(at, consent.until or at)
        _append(consent, EntryKind.SUSPENDED, consent.status, proof, occurred_at=at)
        suspended.append(consent.line)
    return suspended


def resume(contact: Contact, proof: Proof) -> list[Line]:
    """An officer knows that the number never changed hands: what was suspended holds again, with the end it had."""
    contact.changed_hands_at = None
    contact.save(update_fields=["changed_hands_at"])
    resumed = []
    suspended = Consent.objects.filter(contact=contact).exclude(suspended_at=None)
    for consent in suspended.order_by("line").select_related("line"):
        consent.contact = contact
        own = LedgerEntry.objects.filter(contact=contact, line=consent.line)
        suspension = own.filter(kind=EntryKind.SUSPENDED).latest("seq")
        before = own.filter(seq__lt=suspension.seq).latest("seq")
        consent.until, consent.suspended_at = before.until, None
        _append(consent, EntryKind.RESUMED, consent.status, proof, occurred_at=timezone.now())
        resumed.append(consent.line)
    return resumed


# ---- do not contact -------------------------------------------------------------------------------------------------


def add_do_not_contact(contact: Contact, proof: Proof, *, reason: str) -> DoNotContact:
    """Put the number on the list. Nothing at all goes to it from the commit on. Already there: nothing changes."""
    existing = DoNotContact.objects.matching(contact.number).first()
    if existing:
        return existing
    added = DoNotContact.objects.create(
        number=contact.number, digest=suppression_digest(contact.number), reason=reason, added_by=proof.actor
    )
    _append_for_contact(contact, EntryKind.DO_NOT_CONTACT, proof, occurred_at=timezone.now())
    return added


def lift_do_not_contact(contact: Contact, proof: Proof) -> None:
    """Take the number off the list. What it opted out of stays opted out, also where it was erased since."""
    listed = DoNotContact.objects.matching(contact.number)
    erased = list(_erased_under(contact.number)) if listed.filter(number=None).exists() else []
    if listed.delete()[0]:
        _append_for_contact(contact, EntryKind.DO_NOT_CONTACT_LIFTED, proof, occurred_at=timezone.now())
        for before in erased:  # their chains have ended, so nobody needs their locks
            copy_opt_outs(before, contact, replace(proof, rule="erased number"))


def _erased_under(number: str) -> QuerySet[Contact]:
    """The contacts that had this number when they were erased, as the entries of their erasures tell."""
    entries = LedgerEntry.objects.filter(kind=EntryKind.ERASED)
    told = Evidence.objects.filter(
        digest__in=entries.values("evidence_digest"), data__suppressed_as=suppression_digest(number)
    )
    named = entries.filter(evidence_digest__in=told.values("digest"))
    return Contact.objects.filter(pk__in=named.values("contact")).order_by("pk")


# ---- lines ----------------------------------------------------------------------------------------------------------


def open_line(line_pk: int) -> None:
    """Write the opt-outs that reach a new line, or one whose category changed, then let it text.

    Each contact in a transaction of its own, so that nobody waits long; may be repeated at any point.
    """
    barrier.wait_for_revocations()
    line = Line.objects.get(pk=line_pk)
    # Also what changed nothing where it was said: on another line it says more.
    reach = LedgerEntry.objects.filter(kind__in=REVOCATIONS).filter(
        Q(scope=Scope.ALL) | Q(scope=Scope.CATEGORY, scope_category=line.category)
    )
    for contact_pk in sorted(set(reach.values_list("contact_id", flat=True))):
        with transaction.atomic(durable=True):
            contact = Contact.objects.lock_pk(contact_pk)
            last = reach.filter(contact=contact).order_by("-occurred_at", "-seq").first()
            consent = Consent.objects.filter(contact=contact, line=line).first()
            if last is None or (consent and consent.opted_out_at and consent.opted_out_at >= last.occurred_at):
                continue
            proof = Proof(last.channel, {}, last.actor, rule="reaches later lines", wording=last.wording)
            _opt_out_on(contact, line, proof, last.evidence_digest, last.occurred_at, last.scope, last.scope_category)
    Line.objects.filter(pk=line_pk, opened_at=None, category=line.category).update(opened_at=timezone.now())


# ---- evidence and entries -------------------------------------------------------------------------------------------


def erase_evidence(contact: Contact, digest: str, proof: Proof) -> None:
    """Lawful erasure of one piece of evidence: its absence is itself an entry, and no chain breaks.

    Raises AuditRowError where no entry of this contact names it.
    """
    if not LedgerEntry.objects.filter(contact=contact, evidence_digest=digest).exists():
        raise AuditRowError("No entry of this contact names that evidence.")
    _append_for_contact(contact, EntryKind.EVIDENCE_ERASED, proof, occurred_at=timezone.now(), digest=digest)
    evidence = Evidence.objects.filter(digest=digest)
    evidence._raw_delete(evidence.db)  # the model refuses deletes; the trigger lets this one through


def record_erasure(contact: Contact, proof: Proof) -> None:
    """The contact was erased on lawful request (consent.erasure). This entry's evidence is what stays."""
    _append_for_contact(contact, EntryKind.ERASED, proof, occurred_at=timezone.now())


def _append(
    consent: Consent,
    kind: EntryKind,
    status_from: str,
    proof: Proof,
    *,
    occurred_at: dt.datetime,
    level: str = "",
    digest: str | None = None,
    scope: str = "",
    scope_category: str = "",
) -> LedgerEntry:
    consent.entry = entries.write(
        consent.contact,
        consent.line,
        kind,
        proof,
        occurred_at=occurred_at,
        status_from=status_from,
        status_to=consent.status,
        since=consent.since,
        source=consent.source,
        until=consent.until,
        request_state=consent.request_state,
        level=level,
        digest=digest,
        scope=scope,
        scope_category=scope_category,
    )
    consent.save()
    return consent.entry


def _append_for_contact(
    contact: Contact, kind: EntryKind, proof: Proof, *, occurred_at: dt.datetime, digest: str | None = None
) -> LedgerEntry:
    return entries.write(contact, None, kind, proof, occurred_at=occurred_at, digest=digest)
