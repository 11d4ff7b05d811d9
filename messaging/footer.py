"""When an ordinary text ends with the footer that tells how to stop (Line.footer_frequency, FooterCountry).

Decided when a text is claimed, from what really left to that contact on that line. A contact counts as told by a text
that carried the footer or itself said how to stop, an automatic one included, once the provider took it or may have
taken it. One that was not delivered told nobody.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Q
from django.db.models.functions import Coalesce

from consent.vocabulary import FooterFrequency
from messaging.models import Conversation, FooterCountry
from messaging.models.message import Direction, MessageStatus
from messaging.text import tells_how_to_stop
from messaging.wordings import Kind

# A conversation in which nobody texted for so long begins anew with the next text.
PAUSE = dt.timedelta(hours=24)
_ARRIVED = [MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.UNKNOWN]


@dataclass(frozen=True)
class Said:
    """One text of a conversation, either way, and whether it told the contact how to stop."""

    at: dt.datetime
    told: bool = False


def is_due(frequency: str, days: int | None, said: Iterable[Said], now: dt.datetime) -> bool:
    """Whether the next text ends with the footer. Pure. ``said``: what was said before it, the newest first."""
    if frequency == FooterFrequency.NEVER:
        return False
    if frequency == FooterFrequency.FIRST:
        return _begins_anew(said, now)
    if frequency == FooterFrequency.DAYS:
        since = now - dt.timedelta(days=days or 1)
        return not any(each.told and each.at > since for each in said)
    return True


def _begins_anew(said: Iterable[Said], now: dt.datetime) -> bool:
    """True where nobody was told in this conversation since it began, or began again after a pause."""
    next_at = now
    for each in said:
        if next_at - each.at >= PAUSE:
            return True
        if each.told:
            return False
        next_at = each.at
    return True


def due(conversation: Conversation, now: dt.datetime) -> bool:
    """Whether an ordinary text that leaves here now ends with the footer. The caller holds the contact's lock."""
    line = conversation.line
    if line.footer_frequency == FooterFrequency.EVERY or FooterCountry.objects.demands(conversation.contact.number):
        return True
    since = now - dt.timedelta(days=line.footer_days or 1) if line.footer_frequency == FooterFrequency.DAYS else None
    return is_due(line.footer_frequency, line.footer_days, _said(conversation, since), now)


def _said(conversation: Conversation, since: dt.datetime | None) -> Iterator[Said]:
    """What was said here, the newest first, as far back as the caller asks."""
    texts = conversation.messages.filter(Q(direction=Direction.IN) | Q(status__in=_ARRIVED))
    texts = texts.annotate(said=Coalesce("claimed_at", "created")).order_by("-said")
    if since:
        texts = texts.filter(said__gt=since)
    for direction, words, kind, at in texts.values_list(
        "direction", "sent_body", "wording__template__kind", "said"
    ).iterator(chunk_size=50):
        yield Said(at, direction == Direction.OUT and (kind == Kind.FOOTER or tells_how_to_stop(words)))
