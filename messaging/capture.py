"""Consent and revocation, from inside and outside a conversation. Every revocation, whatever its route, is ``revoke``.

Everything here runs in the caller's transaction and takes the contact's lock itself where it is given a number.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import TextChoices
from django.utils import timezone

from consent import clock, gate, ledger
from consent.gate import CONFIRMATION_WINDOW, Purpose, Reason
from consent.ledger import Authority, ConsentError, Proof, Revoked
from consent.models import Consent, Contact, DoNotContact, ImpliedConsentPeriod, Line, OptInRequest, Organisation, User
from consent.vocabulary import Channel, Level, Mode, RequestKind, Scope, Status
from messaging import automatic, facts, opt_in
from messaging.models import Conversation, Message, Receipt, Review
from messaging.models.message import MessageStatus
from messaging.wordings import Kind

S = MessageStatus

SCOPES_BY_WIDTH = [Scope.LINE, Scope.CATEGORY, Scope.ALL]


class Basis(TextChoices):
    """Why somebody thinks that a contact may be asked for consent. The label is what is kept with the request."""

    ASKED_US = "asked_us", "They asked us to text them"
    CUSTOMER = "customer", "They are a customer of ours"
    AGREED_BY_PHONE = "agreed_by_phone", "They agreed by phone"
    OTHER = "other", "Another reason"


def revoke(
    contact: Contact,
    line: Line | None,
    proof: Proof,
    *,
    occurred_at: dt.datetime,
    scope: Scope | None = None,
    receipt: Receipt | None = None,
    confirm: bool = False,
    words: str = "",
    language: str = "",
    in_inbox: bool = True,
) -> Revoked:
    """Opt a contact out on ``line`` and on every line that ``scope`` reaches (else the policy of that moment).

    Cancels all that waits on those lines, a waiting opt-out confirmation excepted, and leaves notices. With ``confirm``
    the contact gets one confirmation on ``line``: only for the opt-out that changed something, and only within five
    minutes of ``occurred_at`` (47 CFR 64.1200(a)(12)). Where the provider answered them, the caller asks for none.
    Without ``in_inbox`` no conversation is begun with a contact whom nobody ever texted: a list of thousands would bury
    those that agents work on.
    """
    reach = scope or Organisation.objects.current().scope_at(occurred_at)
    revoked = ledger.opt_out(contact, line, proof, occurred_at=occurred_at, scope=reach)
    _end_what_waits(contact, revoked)
    ended = list(Conversation.objects.filter(contact=contact, line__in=revoked.ended).select_related("line"))
    if in_inbox and line in revoked.ended and line not in [each.line for each in ended]:
        ended.append(Conversation.objects.between(contact, line))
    for conversation in ended:
        conversation.contact = contact
        here = conversation.line == line
        automatic.notify(
            conversation,
            Kind.NOTICE_OPTED_OUT,
            receipt=receipt,
            detail="" if here or line is None else f"It was said to {line.name} and is valid here too.",
        )
        if here and confirm:
            _confirm(conversation, receipt, occurred_at, words, language)
    return revoked


def _end_what_waits(contact: Contact, revoked: Revoked) -> None:
    """On the lines they are out of now."""
    out = [each.pk for each in revoked.out]
    Review.objects.overtake(contact, revoked.out, timezone.now())
    Message.objects.waiting().filter(conversation__contact=contact, conversation__line__in=out).exclude(
        purpose=Purpose.OPT_OUT_CONFIRMATION
    ).update(status=S.CANCELLED, reason="opted_out", reason_text="The contact opted out before this left.")
    # What the contact wrote before they said no stays hidden for good (flow 8).
    Message.objects.filter(
        conversation__contact=contact, conversation__line__in=out, status=S.HELD_BACK, reason=""
    ).update(reason="opted_out")


def _confirm(
    conversation: Conversation, receipt: Receipt | None, occurred_at: dt.datetime, words: str, language: str
) -> None:
    send_before = occurred_at + CONFIRMATION_WINDOW
    if clock.database_now() >= send_before:
        return
    mode = conversation.line.mode_towards(conversation.contact.number, Organisation.objects.current().mode)
    automatic.say(
        conversation,
        Purpose.OPT_OUT_CONFIRMATION,
        kind=Kind.OPT_OUT_CONFIRMATION if mode == Mode.CONSENT else Kind.OPT_OUT_CONFIRMATION_DISCLAIMER,
        receipt=receipt,
        send_before=send_before,
        words=words,
        language=language,
    )


def record_revocation(
    number: str,
    line: Line,
    *,
    by: User,
    route: str,
    words: str,
    occurred_at: dt.datetime,
    scope: Scope | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> Revoked:
    """A revocation that somebody told us by another way: call, e-mail, letter, voicemail (47 CFR 64.1200(a)(10), (11)).

    ``scope`` can widen what the policy of that moment says, never narrow it. No confirmation text. Raises ConsentError
    for a moment in the future.
    """
    _not_in_the_future(occurred_at)
    contact = Contact.objects.lock(number)
    proof = Proof(
        Channel.AGENT,
        {**(evidence or {}), "route": route, "words": words, "number": number, "line": line.number},
        actor=by,
        rule=f"route:{route}"[:60],
    )
    policy = Organisation.objects.current().scope_at(occurred_at)
    reach = max(policy, scope or policy, key=SCOPES_BY_WIDTH.index)
    return revoke(contact, line, proof, occurred_at=occurred_at, scope=reach)


@dataclass(frozen=True)
class Copied:
    """What became of a contact's new number. ``listed``: it is on the do-not-contact list, as the old one is."""

    contact: Contact
    revoked: Revoked
    listed: bool


def copy_opt_outs(contact: Contact, new_number: str, *, by: User, reason: str) -> Copied:
    """A person's new number (E.164) is a new contact: consent doesn't move, opt-outs are copied.

    Each with the time it has on the old number, so that a START which came from the new one later still counts, and
    with its reach, so that lines made later learn of it. The old contact stays as it is, and nobody is texted. Raises
    ConsentError where there is nothing to copy, or where the number can't be a contact's new one.
    """
    if new_number == contact.number:
        raise ConsentError("This is the same number. Give the one they have now.")
    if Line.objects.filter(number=new_number).exists():
        raise ConsentError("This is one of our own lines, not a number of theirs.")
    old, new = _locked_in_order(contact, new_number)
    listed = DoNotContact.objects.matching(old.number).first()
    out = Consent.objects.filter(contact=old, status=Status.OPTED_OUT)
    if not listed and not out.exists():
        raise ConsentError(
            "There is nothing to copy: this contact is opted out nowhere and not on the do-not-contact list. "
            "Consent doesn't move to another number."
        )
    new = new or _like(old, new_number)
    evidence = {"reason": reason, "number": new.number, "old_number": old.number}
    proof = Proof(Channel.AGENT, evidence, actor=by, rule="old number")
    revoked = ledger.copy_opt_outs(old, new, proof)
    _end_what_waits(new, revoked)
    for conversation in Conversation.objects.filter(contact=new, line__in=revoked.ended).select_related("line"):
        automatic.notify(conversation, Kind.NOTICE_OPTED_OUT, detail="They had opted out with their old number.")
    if listed:
        put_on_do_not_contact(new, proof, reason=listed.reason)
    return Copied(new, revoked, listed is not None)


def _locked_in_order(contact: Contact, new_number: str) -> tuple[Contact, Contact | None]:
    """Both contacts under their locks, taken in ascending id; the second is None where nobody knows the number.

    A contact that is made afterwards has a higher id than any that is locked here.
    """
    known = Contact.objects.filter(number=new_number).values_list("pk", flat=True).first()
    locked = {pk: Contact.objects.lock_pk(pk) for pk in sorted({contact.pk, known} - {None})}
    return locked[contact.pk], locked.get(known)


def _like(contact: Contact, number: str) -> Contact:
    """The contact of ``number``, made under its lock, called and spoken to like ``contact``."""
    made = Contact.objects.lock(number)
    if not made.name:
        names = {name: getattr(contact, name) for name in ("first_name", "last_name", "language")}
        Contact.objects.filter(pk=made.pk).update(**names)
        made.refresh_from_db()
    return made


def put_on_do_not_contact(contact: Contact, proof: Proof, *, reason: str) -> int:
    """Put a number on the list and cancel all that waits for it, confirmations included: nothing at all goes there.

    The caller holds the lock. Returns how many texts were cancelled. Taking the number off the list later brings none
    of them back.
    """
    ledger.add_do_not_contact(contact, proof, reason=reason)
    for request in OptInRequest.objects.open().filter(contact=contact, left_at=None):
        ledger.withdraw_request(request, at=timezone.now())
    return (
        Message.objects.waiting()
        .filter(conversation__contact=contact)
        .update(
            status=S.CANCELLED,
            reason=Reason.DO_NOT_CONTACT,
            reason_text="The number was put on the do-not-contact list before this left.",
        )
    )


def record_consent(
    number: str,
    line: Line,
    *,
    channel: Channel,
    evidence: Mapping[str, Any],
    occurred_at: dt.datetime,
    by: User | None = None,
    level: Level = Level.EXPRESS,
    double: bool = True,
    confirm: bool = True,
    source: str = "",
    until: dt.datetime | None = None,
    wording: UUID | None = None,
    batch: str = "",
    rule: str = "",
) -> Consent:
    """Consent given outside a conversation. With ``double`` it is pending until the contact says YES to a request.

    ``until``: when it ends. Implied consent ends at the latest when the country of the number says, and in any case
    after the shortest of its periods where nothing is given. ``wording`` is the version of the words they agreed to,
    where they are ours. Without ``confirm`` nobody is texted that they are opted in. ``batch`` names the import that it
    comes from: a request for it leaves after what somebody waits for.

    Raises ConsentError for an opted-out contact, for one who is being asked or may not be asked now, for a moment in
    the future, and for an end that is over or later than the country allows.
    """
    _not_in_the_future(occurred_at)
    if level == Level.IMPLIED:
        until = _end_of_implied(number, occurred_at, until)
    if until and until <= timezone.now():
        raise ConsentError(
            f"This consent ended on {until.astimezone(dt.UTC):%d %B %Y}, so it allows nothing any more. Correct its "
            "dates, or ask the contact again."
        )
    contact = Contact.objects.lock(number)
    state = ledger.consent_of(contact, line)
    if state.status == Status.OPTED_OUT:
        raise ConsentError(
            f"This contact opted out. Only they can undo it: they can text START to {line.number}. "
            "An officer can lift the opt-out with a reason and evidence."
        )
    conversation = Conversation.objects.between(contact, line)
    proof = Proof(channel, {**evidence, "number": number, "line": line.number}, actor=by, rule=rule, wording=wording)
    if not double:
        opt_in.accept(
            conversation,
            proof,
            occurred_at=occurred_at,
            authority=Authority.OTHERS,
            level=level,
            until=until,
            confirm=confirm,
        )
        state.refresh_from_db()
        return state
    if OptInRequest.objects.open().filter(contact=contact, line=line).exists():
        raise ConsentError("The contact is being asked already. Wait for their answer.")
    request = opt_in.ask(
        conversation,
        RequestKind.CONFIRM_SIGN_UP,
        channel=channel,
        asked_by=by,
        level=level,
        until=until,
        source=source,
        bulk=bool(batch),
        batch=batch,
    )
    if request is None:
        refused = Message.objects.filter(conversation=conversation, purpose=Purpose.CONFIRM_SIGN_UP).latest("pk")
        raise ConsentError(f"The contact can't be asked now. {refused.reason_text}")
    ledger.captured(state, proof, occurred_at=occurred_at, level=level)
    return state


def _end_of_implied(number: str, occurred_at: dt.datetime, until: dt.datetime | None) -> dt.datetime | None:
    """When implied consent given then ends. Raises ConsentError where that is said to be later than the law has it."""
    ends = [period.end(occurred_at) for period in ImpliedConsentPeriod.objects.for_number(number)]
    if until and ends and until > max(ends):
        raise ConsentError(
            f"Implied consent of this number ends on {max(ends).astimezone(dt.UTC):%d %B %Y} at the latest. Give that "
            "day or an earlier one."
        )
    return until or min(ends, default=None)


def lift_opt_out(
    contact: Contact, line: Line, *, by: User, reason: str, evidence: Mapping[str, Any], level: Level = Level.EXPRESS
) -> None:
    """An officer takes an opt-out back, with reason and evidence. The caller holds the lock and checked the officer.

    The contact gets the opt-in confirmation, so that a mistake does not stay unnoticed. Raises ConsentError where there
    is no opt-out, or where it is later than this moment by the provider's clock.
    """
    if ledger.consent_of(contact, line).status != Status.OPTED_OUT:
        raise ConsentError("The contact is not opted out here, or no longer. There is nothing to lift.")
    proof = Proof(
        Channel.AGENT, {**evidence, "reason": reason, "number": contact.number, "line": line.number}, actor=by
    )
    counts = opt_in.accept(
        Conversation.objects.between(contact, line),
        proof,
        occurred_at=timezone.now(),
        authority=Authority.OFFICER,
        level=level,
    )
    if not counts:
        raise ConsentError("The provider says that this opt-out is only just coming in. Look again in a minute.")


def ask(number: str, line: Line, *, by: User, basis: str) -> OptInRequest:
    """Send the opt-in request of flow 1 without a text behind it. ``basis`` is why they may be asked, in words.

    Raises ConsentError, in the gate's own words where it is the gate that does not let the request out.
    """
    contact = Contact.objects.lock(number)
    found = facts.gather(line, number, purpose=Purpose.REQUEST_OURS)
    if why := not_to_be_asked(found):
        raise ConsentError(why)
    if found.status == Status.OPTED_IN and (why := opt_in.why_pointless(line, contact, found.required_level)):
        raise ConsentError(why)
    conversation = Conversation.objects.between(contact, line)
    request = opt_in.ask(conversation, RequestKind.OURS, channel=Channel.AGENT, asked_by=by, basis=basis)
    if request is None:
        raise ConsentError("The gate does not let the request out now. Look again in a minute.")
    conversation.is_open = True
    conversation.save(update_fields=["is_open", "last_activity"])
    return request


def not_to_be_asked(found: gate.Facts) -> str:
    """Why the contact can't be asked by us now, in words; empty where they can. ``found`` may be of any purpose."""
    if found.status == Status.OPTED_IN and not gate.must_be_renewed(found):
        return "The contact has agreed already."
    if found.request_open:
        return "The contact is being asked already. Wait for their answer."
    decision = gate.decide(replace(found, purpose=Purpose.REQUEST_OURS))
    if not decision.may_send_in_time:
        return decision.text
    if found.mode == Mode.DISCLAIMER:
        return "Contacts need not be asked on this line: with the first text they are told how to stop."
    return ""


def _not_in_the_future(moment: dt.datetime) -> None:
    if moment > timezone.now():
        raise ConsentError("This moment lies in the future. Give the time at which the contact said it.")
