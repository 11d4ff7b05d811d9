"""A message comes in: from Optline through Twilio's REST call, or from a contact's phone.

Each is one transaction: message, log, block list, faults and what is now owed to whom.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from messaging.simulator import carrier, delivery, faults, store
from messaging.simulator.faults import FaultKind
from messaging.simulator.store import Direction, LogKind


@dataclass(frozen=True)
class Refusal:
    """A create call that Twilio turns down: HTTP status, Twilio's error code and why."""

    http_status: int
    code: int
    message: str


@dataclass(frozen=True)
class Accepted:
    """A message that was taken on, what is owed because of it, and what keeps its answer: it hangs for some seconds, or
    the connection breaks."""

    sid: str
    jobs: Sequence[delivery.Job]
    hang: float = 0.0
    drop: bool = False


@dataclass(frozen=True)
class Outgoing:
    """The parts of a create call that matter here, as they came."""

    contact: str
    line: str
    service: str
    body: str
    media: int
    status_callback: str


RATE_LIMITED = Refusal(429, 20429, "Too Many Requests")
BLOCKED = Refusal(400, 21610, "Attempt to send to unsubscribed recipient")
_TURNED_DOWN = {
    FaultKind.RATE_LIMIT: RATE_LIMITED,
    FaultKind.SERVER_ERROR: Refusal(500, 20500, "Internal Server Error"),
    FaultKind.UNREGISTERED: Refusal(400, 30034, "Message from an Unregistered Number"),
}
_CREATE_FAULTS = (
    *_TURNED_DOWN,
    FaultKind.HANG,
    FaultKind.DROP,
    FaultKind.OPTED_OUT,
    FaultKind.UNDELIVERED,
)


def create(outgoing: Outgoing) -> Accepted | Refusal:
    """Take on a message for a contact, or say why not. Either is in the log exactly once."""
    with store.writing() as db:
        contact = outgoing.contact
        line = outgoing.line or store.line_of_service(db, outgoing.service)
        refusal = _fault_of(outgoing, line)
        fault_id, fault = 0, None
        if refusal is None and (found := faults.find(db, _CREATE_FAULTS, contact)):
            fault_id, fault = found
        kind = fault.kind if fault else None
        if refusal is None:
            if kind in _TURNED_DOWN:
                refusal = _TURNED_DOWN[kind]
            elif store.is_blocked(db, contact, line):
                refusal, fault_id, kind = BLOCKED, 0, None  # the fault waits for a message that would go through
            elif kind is FaultKind.OPTED_OUT:
                refusal = BLOCKED
                store.set_block(db, contact, store.line(db, line), blocked=True)
        if fault_id:
            faults.use_up(db, fault_id)
        if refusal is not None:
            store.add_log(
                db,
                LogKind.CREATE_REFUSED,
                contact=contact,
                sender=line,
                recipient=contact,
                body=outgoing.body,
                code=refusal.code,
                http_status=refusal.http_status,
                error=refusal.message,
                fault=kind or "",
            )
            return refusal
        sid = store.add_message(
            db,
            Direction.OUTBOUND,
            contact=contact,
            line=line,
            body=outgoing.body,
            media=outgoing.media,
            status="queued",
            service=outgoing.service,
            will_fail_with=fault.code if fault and kind is FaultKind.UNDELIVERED else None,
            http_status=201,
            fault=kind or "",
        )
        delay = faults.take(db, FaultKind.DELAY_CALLBACKS, contact)
        job = delivery.owe(
            db,
            LogKind.CALLBACK,
            sid=sid,
            contact=contact,
            url=outgoing.status_callback,
            copies=2 if faults.take(db, FaultKind.DUPLICATE_CALLBACKS, contact) else 1,
            delay=delay.seconds if delay else 0.0,
            backwards=faults.take(db, FaultKind.REORDER_CALLBACKS, contact) is not None,
        )
    hang = fault.seconds if fault and kind is FaultKind.HANG else 0.0
    return Accepted(sid, [job], hang, drop=kind is FaultKind.DROP)


def receive(*, contact: str, line: str, body: str, media: int = 0, repeat: int = 1) -> Accepted:
    """A contact's text arrives at a line: the block list moves, the network may answer, our webhook will hear of it,
    unless a fault keeps it; then only the list shows the text.

    ``repeat``: how often the webhook of this one message is delivered.
    """
    with store.writing() as db:
        settings_of_line = store.line(db, line)
        lost = faults.take(db, FaultKind.NO_WEBHOOK, contact)
        sid = store.add_message(
            db,
            Direction.INBOUND,
            contact=contact,
            line=line,
            body=body,
            media=media,
            status="received",
            fault=lost.kind if lost else "",
        )
        reaction = carrier.react(settings_of_line, body)
        if reaction.block is not None:
            store.set_block(db, contact, settings_of_line, blocked=reaction.block)
        if reaction.answer:
            store.add_message(
                db, Direction.NETWORK, contact=contact, line=line, body=reaction.answer, status="delivered"
            )
        if lost:
            return Accepted(sid, [])
        if faults.take(db, FaultKind.DUPLICATE_WEBHOOKS, contact):
            repeat += 1
        delay = faults.take(db, FaultKind.DELAY_WEBHOOKS, contact)
        stored = store.message(db, sid)
        assert stored is not None  # written above, in this transaction
        form = delivery.inbound_form(
            sid,
            contact=contact,
            line=line,
            body=body,
            media=media,
            segments=stored["segments"],
            opt_out_type=reaction.opt_out_type,
        )
        url = settings.PUBLIC_URL + delivery.INBOUND_PATH
        job = delivery.owe(
            db,
            LogKind.WEBHOOK,
            sid=sid,
            contact=contact,
            url=url,
            form=form,
            copies=repeat,
            delay=delay.seconds if delay else 0.0,
        )
    return Accepted(sid, [job])


def _fault_of(outgoing: Outgoing, line: str) -> Refusal | None:
    """What Twilio would find wrong with the call itself."""
    if not carrier.is_phone(outgoing.contact):
        return Refusal(400, 21211, "Invalid 'To' Phone Number")
    if not line:
        if outgoing.service:
            return Refusal(400, 21703, "The Messaging Service has no number to send from")
        return Refusal(400, 21603, "A 'From' phone number is required")
    if not carrier.is_sender(line):
        return Refusal(400, 21212, "Invalid 'From' Phone Number")
    if not outgoing.body and not outgoing.media:
        return Refusal(400, 21602, "Message body is required")
    if len(outgoing.body) > carrier.MAX_BODY:
        return Refusal(400, 21617, f"The message body is longer than {carrier.MAX_BODY} characters")
    callback = outgoing.status_callback
    if callback and not carrier.stays_here(callback, settings.PUBLIC_URL):
        return Refusal(400, 21609, "The simulator calls only this machine; 'StatusCallback' is not on it")
    return None
