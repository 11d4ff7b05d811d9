"""What became of a text that left: the provider's answer, its callbacks, and what its list shows afterwards.

A text moves forward only, never out of a final state, whoever tells of it and however often.
"""

import datetime as dt
import logging

from django.db import transaction

from consent import clock, gate
from consent.models import Contact, Line
from consent.vocabulary import Registration
from messaging import bell, departure, opt_in, provider
from messaging.models import Message, Receipt
from messaging.models.message import LEFT, MessageQuerySet, MessageStatus
from messaging.provider import Delivery, ListedSent, ProviderError

log = logging.getLogger(__name__)
S = MessageStatus

UNKNOWN_FATE = "It may have left. It is not sent again."

# A text the provider did not process is tried again after 1, 2, 4 … 60 seconds, at most this often.
TRIES = 30
LONGEST_PAUSE = dt.timedelta(seconds=60)

# What a callback may move a text out of. Final states are never left.
_BEFORE = {
    S.SENT: [S.SENDING, S.UNKNOWN],
    S.DELIVERED: [S.SENDING, S.UNKNOWN, S.SENT],
    S.UNDELIVERED: [S.SENDING, S.UNKNOWN, S.SENT],
    S.FAILED: [S.SENDING, S.UNKNOWN, S.SENT],
}


# ---- the answer to the call -----------------------------------------------------------------------------------------


def record_success(message: Message, provider_id: str) -> None:
    """The provider took it. A callback may have been faster and is not undone."""
    with transaction.atomic(durable=True):
        Contact.objects.lock_pk(message.conversation.contact_id)
        departure.taken(message, provider_id)
        if message.request_id or message.purpose in gate.DISCLAIMERS:
            opt_in.taken(Message.objects.get(pk=message.pk))


def record_failure(message: Message, error: ProviderError) -> None:
    """The provider did not take it, or nobody knows whether it did.

    A permanent refusal whose code concerns consent, reachability or an automatic text becomes a receipt in the same
    transaction, so that it is settled like a callback with that code.
    """
    with transaction.atomic(durable=True):
        Contact.objects.lock_pk(message.conversation.contact_id)
        message.refresh_from_db(fields=["status", "tries"])
        if message.status != S.SENDING:
            return  # a callback or the sweep was faster and knows better
        message.error_code = error.code[:12]
        message.tries += 1
        if error.may_have_left:
            message.status = S.UNKNOWN
            message.reason, message.reason_text = "unknown", UNKNOWN_FATE
        elif error.permanent or message.tries >= TRIES:
            message.status = S.FAILED
            message.reason, message.reason_text = "provider", str(error)
            _note_failure(message, S.FAILED, error.code)
        else:
            message.status = S.QUEUED
            message.not_before = clock.database_now() + min(
                dt.timedelta(seconds=2 ** (message.tries - 1)), LONGEST_PAUSE
            )
            opt_in.given_back(message)
        message.save(update_fields=["status", "reason", "reason_text", "error_code", "tries", "not_before"])
    log.info("text %s: provider error %s, now %s", message.uuid, error.code or "none", message.status)


# ---- callbacks and the provider's list ------------------------------------------------------------------------------


def delivery_reported(message_uuid: str, delivery: Delivery) -> None:
    """A status callback: one conditional update, forward only, however often and in whatever order they come."""
    mine = Message.objects.outgoing().filter(uuid=message_uuid)
    with transaction.atomic(durable=True):
        message = _move(mine, delivery)
    if message is None:
        return
    if delivery.status in LEFT and (message.request_id or message.purpose in gate.DISCLAIMERS):
        with transaction.atomic(durable=True):
            Contact.objects.lock_pk(message.conversation.contact_id)
            opt_in.taken(mine.get())
    bell.ring_send()


def found_in_list(message: Message, listed: ListedSent) -> None:
    """The provider's list shows a text of unknown fate: as if its callback had come. The caller holds the lock."""
    mine = Message.objects.filter(pk=message.pk)
    moved = _move(mine, listed.delivery)
    if moved and listed.delivery.status in LEFT:
        mine.filter(sent_at=None).update(sent_at=listed.at)
        opt_in.taken(mine.get())
    bell.ring_send()


def _move(mine: MessageQuerySet, delivery: Delivery) -> Message | None:
    """The text as it is now where ``delivery`` moved it forward, else None."""
    if delivery.status is None:
        return None
    failed = delivery.status in {S.UNDELIVERED, S.FAILED}
    code = f" Its code is {delivery.error_code}." if delivery.error_code else ""
    moved = mine.filter(status__in=_BEFORE[delivery.status]).update(
        status=delivery.status,
        error_code=delivery.error_code,
        reason="provider" if failed else "",
        reason_text=f"The provider could not deliver it.{code}" if failed else "",
    )
    if not moved:
        return None
    message = mine.select_related("conversation__contact", "conversation__line", "request").get()
    if delivery.provider_id:
        mine.filter(provider_id=None).update(provider_id=delivery.provider_id)
    if failed:
        _note_failure(message, delivery.status, delivery.error_code)
    return message


def _note_failure(message: Message, status: str, code: str) -> None:
    """Store a receipt for a delivery that failed, where it changes consent, reachability or what waits behind it."""
    conversation = message.conversation
    if code in provider.STOPS_THE_LINE:
        _stop(conversation.line, code)
    changes_something = code in provider.TROUBLE or message.request_id or message.purpose in gate.DISCLAIMERS
    if not changes_something:
        return
    Receipt.objects.bulk_create(
        [
            Receipt(
                kind=Receipt.Kind.STATUS,
                provider_id=str(message.uuid),
                discriminator=f"{status}:{code}"[:40],
                number=conversation.contact.number,
                raw=provider.failure_form(conversation.contact.number, conversation.line.number, code),
                received_at=clock.database_now(),
            )
        ],
        ignore_conflicts=True,
    )
    bell.ring_settle()


def _stop(line: Line, code: str) -> None:
    """The carriers don't know this line: the gate refuses its texts until an officer has put its registration right.

    The first page shows officers what to do. Texts that had left before may still say so after that.
    """
    known = Line.objects.filter(pk=line.pk).exclude(registration__in=[Registration.PENDING, Registration.REJECTED])
    if known.update(registration=Registration.REJECTED):
        log.error("line %s is not registered with the carriers (code %s): its texts are refused", line.name, code)
