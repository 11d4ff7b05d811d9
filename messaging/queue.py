"""Whose turn it is to be sent to: fair between lines, and within a line in the order in which texts came.

What must leave within minutes comes first of all. Bulk texts stand in a queue of their own, so nobody who waits for a
text waits for them. A line with a pace gets no more turns than it has room for; those that wait there for nothing else
cost no look at each of them, however many they are.
"""

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

from django.db.models import Exists, OuterRef, Q

from consent import clock
from consent.models import Line
from messaging import pace
from messaging.models import Message
from messaging.models.message import DOES_NOT_WAIT, MessageQuerySet, MessageStatus

S = MessageStatus

# How many conversations are called together, of all lines: few, since an opt-out confirmation that comes in meanwhile
# has five minutes to leave.
PAGE = 100
# What must leave within minutes and could not when it was called (its conversation was busy, or the provider turned it
# away for a moment) is called again with the next page after so many seconds.
CALLED_AGAIN_SECONDS = 1.0

Place = tuple[dt.datetime, int]


@dataclass
class _Bookmark:
    """How far a line's queues were looked through, so that conversations in which nothing can move hide no others."""

    queued: int = 0
    woken: Place | None = None
    paced: Place | None = None


def conversations(*, bulk: bool) -> Iterator[int]:
    """The conversations in which something may leave now, each line's in turn, until all were called once or more.

    Texts that come in meanwhile are called, too; of those that must leave within minutes, before each further page.
    """
    last_urgent, began = 0, time.monotonic()
    bookmarks: dict[int, _Bookmark] = {}
    while True:
        if time.monotonic() - began >= CALLED_AGAIN_SECONDS:
            last_urgent, began = 0, time.monotonic()
        while not bulk and (page := _urgent(last_urgent)):
            last_urgent = page[-1][0]
            yield from dict.fromkeys(conversation for _, conversation in page)
        now = clock.database_now()
        lines = list(_lines(now, bulk))
        share = max(PAGE // max(len(lines), 1), 1)
        pages = [_page(line, bookmarks.setdefault(line.pk, _Bookmark()), now, bulk, share) for line in lines]
        if not any(pages):
            return
        yield from dict.fromkeys(each for each in chain.from_iterable(zip_longest(*pages)) if each)


def next_turn(*, bulk: bool) -> dt.datetime | None:
    """When the next of the texts that wait for nothing but their turn may leave. None: there are none."""
    now = clock.database_now()
    waiting = Message.objects.paced().filter(line=OuterRef("pk"), bulk=bulk).free_to_move(now)
    lines = Line.objects.filter(Exists(waiting)).order_by()
    return min((pace.look(line, now).free_at() or now for line in lines), default=None)


def _urgent(after: int) -> list[tuple[int, int]]:
    """Ids of texts and their conversations."""
    due = Message.objects.due(clock.database_now()).filter(~_is_busy(), purpose__in=DOES_NOT_WAIT, pk__gt=after)
    return list(due.order_by("pk").values_list("pk", "conversation")[:PAGE])


def _is_busy() -> Exists:
    """The provider has not answered yet to the text before: whoever sends that one sees to the next, too."""
    return Exists(Message.objects.filter(conversation=OuterRef("conversation"), status=S.SENDING))


def _lines(now: dt.datetime, bulk: bool) -> Iterator[Line]:
    """Those on which something may leave now."""
    texts = Message.objects.filter(line=OuterRef("pk"), bulk=bulk).order_by()
    there = Exists(texts.queued_by(now)) | Exists(texts.woken_by(now)) | Exists(texts.paced())
    return Line.objects.filter(there).order_by("pk").iterator()


def _page(line: Line, bookmark: _Bookmark, now: dt.datetime, bulk: bool, most: int) -> list[int]:
    """The next conversations of one line: texts that nobody has told to wait for their turn yet, which either leave or
    are told so, then those that wait for it already, as far as there is room."""
    texts = Message.objects.filter(~_is_busy(), line=line, bulk=bulk).exclude(purpose__in=DOES_NOT_WAIT)
    woken = list(_behind(texts.woken_by(now), bookmark.woken)[:most])
    queued = texts.queued_by(now).filter(pk__gt=bookmark.queued).order_by("pk")
    fresh = list(queued.values_list("pk", "conversation")[:most])
    if woken:
        bookmark.woken = woken[-1][:2]
    if fresh:
        bookmark.queued = fresh[-1][0]
    found = [conversation for *_, conversation in woken] + [conversation for _, conversation in fresh]
    if line.has_a_pace:
        most = 0 if bulk and pace.somebody_waits(line, now) else min(most, pace.look(line, now).texts() - len(found))
    if most > 0:  # without a pace, too: it may just have been lifted
        paced = list(_behind(texts.paced(), bookmark.paced)[:most])
        if paced:
            bookmark.paced = paced[-1][:2]
        found += [conversation for *_, conversation in paced]
    return found


def _behind(texts: MessageQuerySet, place: Place | None) -> "MessageQuerySet":
    """Moment, id and conversation of texts, in the order of their moments, behind ``place``."""
    if place:
        moment, pk = place
        texts = texts.filter(Q(not_before__gt=moment) | Q(pk__gt=pk), not_before__gte=moment)
    return texts.order_by("not_before", "pk").values_list("not_before", "pk", "conversation")
