"""Consent and revocation, from inside and outside a conversation. Every revocation, whatever its route, is ``revoke``.

Everything here runs in the caller's transaction and takes the contact's lock itself where it is given a number.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from consent import ledger
from consent.gate import CONFIRMATION_WINDOW, Purpose
from consent.ledger import Authority, ConsentError, Proof, Revoked
from consent.models import Consent, Contact, Line, OptInRequest, Organisation, User
from consent.vocabulary import Channel, Level, Mode, RequestKind, Scope, Status
from messaging import automatic, opt_in
from messaging.models import Conversation, Message, Receipt, Review
from messaging.models.message import MessageStatus
from messaging.wordings import Kind

S = MessageStatus


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
) -> Revoked:
    """Opt a contact out on ``line`` and on every line that ``scope`` reaches (else the policy of that moment).

    Cancels all that waits on those lines, a waiting opt-out confirmation excepted, and leaves notices. With ``confirm``
    the contact gets one confirmation on ``line``: only for the opt-out that changed something, and only within five
    minutes of ``occurred_at`` (47 CFR 64.1200(a)(12)). Where the provider answered them, the caller asks for none.
    """
    reach = scope or Organisation.objects.current().scope_at(occurred_at)
    revoked = ledger.opt_out(contact, line, proof, occurred_at=occurred_at, scope=reach)
    out = [each.pk for each in revoked.out]
    Review.objects.overtake(contact, revoked.out, timezone.now())
    Message.objects.waiting().filter(conversation__contact=contact, conversation__line__in=out).exclude(
        purpose=Purpose.OPT_OUT_CONFIRMATION
    ).update(status=S.CANCELLED, reason="opted_out", reason_text="The contact opted out before this left.")
    # What the contact wrote before they said no stays hidden for good (flow 8).
    Message.objects.filter(
        conversation__contact=contact, conversation__line__in=out, status=S.HELD_BACK, reason=""
    ).update(reason="opted_out")
    if line in revoked.ended:
        Conversation.objects.between(contact, line)
    for conversation in Conversation.objects.filter(contact=contact, line__in=revoked.ended).select_related("line"):
        here = conversation.line == line
        automatic.notify(
            conversation,
            Kind.NOTICE_OPTED_OUT,
            receipt=receipt,
            detail="" if here or line is None else f"It was said to {line.name} and is valid here too.",
        )
        if here and confirm:
            _confirm(conversation, receipt, occurred_at, words)
    return revoked


def _confirm(conversation: Conversation, receipt: Receipt | None, occurred_at: dt.datetime, words: str) -> None:
    send_before = occurred_at + CONFIRMATION_WINDOW
    if timezone.now() >= send_before:
        return
    mode = conversation.line.mode_towards(conversation.contact.number, Organisation.objects.current().mode)
    automatic.say(
        conversation,
        Purpose.OPT_OUT_CONFIRMATION,
        kind=Kind.OPT_OUT_CONFIRMATION if mode == Mode.CONSENT else Kind.OPT_OUT_CONFIRMATION_DISCLAIMER,
        receipt=receipt,
        send_before=send_before,
        words=words,
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
) -> Revoked:
    """A revocation that somebody told us by another way: call, e-mail, letter, voicemail (47 CFR 64.1200(a)(10), (11)).

    No confirmation text. Raises ConsentError for a moment in the future.
    """
    _not_in_the_future(occurred_at)
    contact = Contact.objects.lock(number)
    evidence = {"route": route, "words": words, "number": number, "line": line.number}
    proof = Proof(Channel.AGENT, evidence, actor=by, rule=f"route:{route}"[:60])
    return revoke(contact, line, proof, occurred_at=occurred_at, scope=scope)


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
    source: str = "",
) -> Consent:
    """Consent given outside a conversation. With ``double`` it is pending until the contact says YES to a request.

    Raises ConsentError for an opted-out contact, for one who is being asked or may not be asked now, and for a moment
    in the future.
    """
    _not_in_the_future(occurred_at)
    contact = Contact.objects.lock(number)
    state = ledger.consent_of(contact, line)
    if state.status == Status.OPTED_OUT:
        raise ConsentError(
            f"This contact opted out. Only they can undo it: they can text START to {line.number}. "
            "An officer can lift the opt-out with a reason and evidence."
        )
    conversation = Conversation.objects.between(contact, line)
    proof = Proof(channel, {**evidence, "number": number, "line": line.number}, actor=by)
    if not double:
        opt_in.accept(conversation, proof, occurred_at=occurred_at, authority=Authority.OTHERS, level=level)
        state.refresh_from_db()
        return state
    if OptInRequest.objects.open().filter(contact=contact, line=line).exists():
        raise ConsentError("The contact is being asked already. Wait for their answer.")
    request = opt_in.ask(
        conversation, RequestKind.CONFIRM_SIGN_UP, channel=channel, asked_by=by, level=level, source=source
    )
    if request is None:
        refused = Message.objects.filter(conversation=conversation, purpose=Purpose.CONFIRM_SIGN_UP).latest("pk")
        raise ConsentError(f"The contact can't be asked now. {refused.reason_text}")
    ledger.captured(state, proof, occurred_at=occurred_at, level=level)
    return state


def lift_opt_out(
    contact: Contact, line: Line, *, by: User, reason: str, evidence: Mapping[str, Any], level: Level = Level.EXPRESS
) -> None:
    """An officer takes an opt-out back, with reason and evidence. The caller holds the lock and checked the officer.

    The contact gets the opt-in confirmation, so that a mistake does not stay unnoticed.
    """
    proof = Proof(
        Channel.AGENT, {**evidence, "reason": reason, "number": contact.number, "line": line.number}, actor=by
    )
    opt_in.accept(
        Conversation.objects.between(contact, line),
        proof,
        occurred_at=timezone.now(),
        authority=Authority.OFFICER,
        level=level,
    )


def _not_in_the_future(moment: dt.datetime) -> None:
    if moment > timezone.now():
        raise ConsentError("This moment lies in the future. Give the time at which the contact said it.")
