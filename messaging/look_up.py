"""Asking the provider what became of texts of unknown fate (ARCHITECTURE "The way out" 4). Nothing is ever sent again.

A text is found by To, From, its words as they left and its time, under a provider id that no text of ours has. Found
exactly once, it is settled as if its callback had come. Found more than once, or not at all, it stays unknown: a person
decides, and whoever looks at it reads what the list showed.

The list lags behind, and Twilio sets no bound to that. So the first look is taken at once, the next 15 seconds, a
minute, four and sixteen minutes later, then hourly for a day. Only after a quarter of an hour, far beyond any lag we
know of, is a text said not to be there; that sentence is all that this time decides.
"""

import datetime as dt
import logging

from django.conf import settings
from django.db import transaction
from django.db.models import F

from consent import clock
from consent.models import Contact
from messaging import outcomes, provider
from messaging.models import Message
from messaging.models.message import MessageStatus
from messaging.provider import ListedSent, Listing, ProviderError

log = logging.getLogger(__name__)
S = MessageStatus

# Looked up in one run, one after the other.
A_RUN = 50
FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(seconds=15), dt.timedelta(hours=1)
NOT_THERE_AFTER = dt.timedelta(minutes=15)
# How far the provider's clock and the database's may be apart.
SKEW = dt.timedelta(minutes=2)

NOT_FOUND = (
    f"{outcomes.UNKNOWN_FATE} The provider's list does not show it, so it probably never left. "
    "An officer can look for it in the provider's own log and say what became of it."
)
NOT_CLEAR = (
    f"{outcomes.UNKNOWN_FATE} More than one text may be it in the provider's list. "
    "An officer can look for it in the provider's own log and say what became of it."
)


def ask_what_became_of_texts() -> None:
    """Look up the texts that are due. Ends at the first question that the provider does not answer."""
    for pk in list(Message.objects.to_look_up(clock.database_now()).values_list("pk", flat=True)[:A_RUN]):
        try:
            look_up(pk)
        except ProviderError as error:
            log.warning("texts of unknown fate can't be looked up: %s", error)
            return


def look_up(pk: int) -> None:
    """Ask for one text, outside any transaction. Of several workers one does. Raises ProviderError."""
    now = clock.database_now()
    message = Message.objects.select_related("conversation__line", "conversation__contact").get(pk=pk)
    pause = min(FIRST_PAUSE * 4 ** min(message.look_ups, 8), LONGEST_PAUSE)
    due = Message.objects.to_look_up(now).filter(pk=pk, look_ups=message.look_ups)
    if not due.order_by().update(look_ups=F("look_ups") + 1, look_up_after=now + pause):
        return
    assert message.claimed_at is not None  # or it would not be due
    conversation = message.conversation
    listing = provider.list_sent(
        line=conversation.line.number, to=conversation.contact.number, since=message.claimed_at - SKEW
    )
    _settle(message, listing)


def _settle(message: Message, listing: Listing[ListedSent]) -> None:
    with transaction.atomic(durable=True):
        Contact.objects.lock_pk(message.conversation.contact_id)
        message.refresh_from_db()
        if message.status != S.UNKNOWN:
            return  # a callback, the contact's YES or a person was faster
        found = _found(message, listing)
        if len(found) == 1 and listing.complete and not _may_be_another_of_ours(message):
            outcomes.found_in_list(message, found[0])
            return
        note = message.reason_text
        if found or not listing.complete:
            note = NOT_CLEAR
        elif message.claimed_at and clock.database_now() >= message.claimed_at + NOT_THERE_AFTER:
            note = NOT_FOUND
        Message.objects.filter(pk=message.pk, status=S.UNKNOWN).update(reason_text=note)


def _found(message: Message, listing: Listing[ListedSent]) -> list[ListedSent]:
    """The listed texts that may be this one."""
    assert message.claimed_at is not None
    first, last = message.claimed_at - SKEW, message.claimed_at + dt.timedelta(seconds=settings.LOST_SECONDS) + SKEW
    alike = [text for text in listing.texts if first <= text.at <= last and _same(text.body, message.sent_body)]
    ids = [text.delivery.provider_id for text in alike]
    linked = set(Message.objects.filter(provider_id__in=ids).values_list("provider_id", flat=True))
    return [text for text in alike if text.delivery.provider_id not in linked]


def _may_be_another_of_ours(message: Message) -> bool:
    """True where the same words left, or may have left, once more about then, and that text has no id yet either."""
    assert message.claimed_at is not None
    reach = 2 * SKEW + dt.timedelta(seconds=settings.LOST_SECONDS)
    others = Message.objects.outgoing().filter(
        conversation=message.conversation_id,
        provider_id=None,
        status__in=[S.SENDING, S.UNKNOWN, S.SENT, S.DELIVERED, S.UNDELIVERED],
        claimed_at__range=(message.claimed_at - reach, message.claimed_at + reach),
    )
    words = others.exclude(pk=message.pk).values_list("sent_body", flat=True)
    return any(_same(body, message.sent_body) for body in words)


def _same(one: str, other: str) -> bool:
    """White space may come back changed."""
    return one.split() == other.split()
