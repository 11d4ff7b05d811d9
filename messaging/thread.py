"""A conversation as somebody may see it: its texts and notices, in order.

Agents see neither texts that are held back nor keywords that a rule acted on, and of the notices those to themselves
and to everyone. Others see that held-back texts exist; their words are evidence, and reading them is logged elsewhere.
"""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from consent.models import User
from messaging.models import Conversation, Message, Notice
from messaging.models.message import MessageStatus

Entry = Message | Notice

_NOT_FOR_AGENTS = [MessageStatus.HELD_BACK, MessageStatus.KEYWORD]


def texts_for(user: User, texts: QuerySet[Message]) -> QuerySet[Message]:
    """Those of ``texts`` that ``user`` may see, on whichever lines they are."""
    return texts if user.has_perm("consent.use_every_line") else texts.exclude(status__in=_NOT_FOR_AGENTS)


def notices_for(user: User, notices: QuerySet[Notice]) -> QuerySet[Notice]:
    """Those of ``notices`` that ``user`` may see, on whichever lines they are."""
    return notices if user.has_perm("consent.use_every_line") else notices.filter(Q(to=None) | Q(to=user))


def moment(text: str) -> dt.datetime | None:
    """The moment that an address or a form names as ``isoformat`` writes it. None for anything else."""
    try:
        found = dt.datetime.fromisoformat(text)
        return found.astimezone(dt.UTC) if found.tzinfo else None
    except (ValueError, OverflowError):  # OverflowError: before the year 1 or after 9999, in UTC
        return None


@dataclass(frozen=True, order=True)
class Place:
    """Where an entry stands. A notice comes after the texts of the same instant."""

    created: dt.datetime
    is_notice: bool
    pk: int

    @classmethod
    def of(cls, entry: Entry) -> "Place":
        return cls(entry.created, isinstance(entry, Notice), entry.pk)

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """What ``str`` gave. None for anything else."""
        try:
            created, is_notice, pk = text.split("~")
            number = int(pk)
        except ValueError:
            return None
        at = moment(created)
        return cls(at, is_notice == "1", number) if at and 0 <= number < 2**63 else None

    def __str__(self) -> str:
        return f"{self.created.isoformat()}~{self.is_notice:d}~{self.pk}"

    def before(self, notices: bool) -> Q:
        """What stands before it, among notices or among texts."""
        earlier = Q(created__lt=self.created)
        if notices == self.is_notice:
            return earlier | Q(created=self.created, pk__lt=self.pk)
        return earlier | Q(created=self.created) if self.is_notice else earlier


def entries(
    conversation: Conversation, user: User, *, newest: int | None = None, before: Place | None = None
) -> list[Entry]:
    """What ``user`` may see of it, in order: all of it, or the ``newest`` so many, those ``before`` a place."""
    texts = texts_for(user, conversation.messages.select_related("author", "wording"))
    notices = notices_for(user, conversation.notices.all())
    if before:
        texts, notices = texts.filter(before.before(notices=False)), notices.filter(before.before(notices=True))
    found: list[Entry] = [*texts.order_by("-created", "-pk")[:newest], *notices.order_by("-created", "-pk")[:newest]]
    found.sort(key=Place.of)
    return found if newest is None else found[-newest:]
