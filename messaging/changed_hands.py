"""Numbers that may not be the contact's any more: what follows from it, and the way back.

Consent given before is suspended, what waits is refused, and the people on the lines are told. The way back is the
contact's own new opt-in, on the line where they give it, or an officer's word.
"""

import datetime as dt
from dataclasses import dataclass, replace

from django.utils import timezone

from consent import ledger
from consent.gate import Reason
from consent.ledger import ConsentError, Proof
from consent.models import Contact, Line, OptInRequest, User
from consent.vocabulary import Channel
from messaging import automatic
from messaging.models import Conversation, Message
from messaging.models.message import Direction, MessageStatus
from messaging.wordings import Kind

Unreachable, FoundBy = Contact.Unreachable, Contact.FoundBy

_IN_WORDS = {
    Unreachable.DEACTIVATED: "The carrier has deactivated this number.",
    Unreachable.REASSIGNED: "This number now belongs to somebody else.",
}


def suspend(contact: Contact, why: Unreachable, proof: Proof, *, by: FoundBy, given_before: dt.datetime) -> bool:
    """Somebody who knows says that the number changed hands, or went out of use, after ``given_before``.

    The caller holds the lock. Who texted us since then has a number that works, so it is not taken for unreachable;
    what was agreed to before is suspended all the same, because nobody knows whether it is the same person. False
    where nothing changed.
    """
    texts = Message.objects.filter(conversation__contact=contact, direction=Direction.IN, created__gt=given_before)
    texted_since = texts.exists() or contact.consents.filter(own_opt_in_at__gt=given_before).exists()
    lost = not texted_since and ledger.unreachable(contact, why, proof, by=by, at=given_before)
    suspended = ledger.suspend(
        contact, replace(proof, rule=f"number:{why}"), given_before=given_before, at=timezone.now()
    )
    if lost:
        _end_what_waits(contact, _IN_WORDS[why])
    _tell(contact, suspended, _IN_WORDS[why])
    return bool(lost or suspended)


def _end_what_waits(contact: Contact, why: str) -> None:
    """Nobody will answer an open request, and what waits for the answer would wait for ever."""
    for request in OptInRequest.objects.open().filter(contact=contact):
        if request.left_at is None:
            ledger.withdraw_request(request, at=timezone.now())
        else:
            ledger.request_failed(request, Proof(request.channel, {}), at=timezone.now())
    Message.objects.waiting().filter(conversation__contact=contact).update(
        status=MessageStatus.REFUSED, reason=Reason.UNREACHABLE, reason_text=why
    )


def _tell(contact: Contact, lines: list[Line], why: str) -> None:
    for conversation in Conversation.objects.filter(contact=contact, line__in=lines).select_related("line"):
        automatic.notify(conversation, Kind.NOTICE_NUMBER_SUSPENDED, detail=why)


@dataclass(frozen=True)
class Settled:
    """What an officer's word did: whether the number counted as unreachable, and where consent holds again."""

    was_unreachable: bool
    resumed: list[Line]


def settle(contact: Contact, *, by: User, reason: str, same_person: bool) -> Settled:
    """An officer knows that the number works; with ``same_person`` also that it never changed hands, so that what was
    suspended holds again. The caller holds the lock and checked the officer.

    Raises ConsentError where there is nothing to settle.
    """
    proof = Proof(Channel.AGENT, {"reason": reason, "number": contact.number}, actor=by, rule="number:officer")
    was = ledger.reachable(contact, proof, rule="officer")
    resumed = ledger.resume(contact, proof) if same_person else []
    if not was and not resumed:
        raise ConsentError(
            "There is nothing to settle: the number can be reached, and none of its consent is suspended."
            if same_person or not contact.consents.exclude(suspended_at=None).exists()
            else "The number can be reached already. Say that it is the same person, or let them opt in anew."
        )
    return Settled(was, resumed)
