"""A line's pace: so many texts a second and a day, held here, where a STOP still catches what waits.

Each text of a line with a pace leaves through one of its turnstiles (``models.Turnstile``), which lets one through a
second: a line of three texts a second has three. So no second and no day, wherever the second begins, sees more texts
than the line may send, by the database's time, whichever workers send them; and claims don't wait for each other,
since each takes a turnstile that nobody else holds. It is the last lock that a claim takes.

A day begins at midnight in the time zone of this install (the setting TIME_ZONE). A text that is tried again on the
same day, because the provider turned it away or its call could not begin in time, counts once.
"""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Max
from django.utils import timezone

from consent.gate import PASSES_CAP_AND_PACE, Reason
from consent.models import Line
from messaging.models import Message, Turnstile
from messaging.models.message import MessageStatus

S = MessageStatus
SECOND = dt.timedelta(seconds=1)
DAY = dt.timedelta(days=1)
# So many has a line with no limit but a day's, so that its claims need not wait for each other.
WITHOUT_SECONDS = 16


# ---- when a text's turn is ------------------------------------------------------------------------------------------


def until(line: Line, now: dt.datetime, text: Message | None = None, *, bulk: bool = False) -> dt.datetime | None:
    """When the turn of ``text`` is expected, None where it may leave now (``gate.Facts.pace_until``).

    Without ``text``: of a new one, ``bulk`` or not. A text stands behind those that wait for their turn already, and a
    bulk one behind all that somebody waits for. Those that wait have their turn when the line has room for them, in
    the order in which ``messaging.queue`` calls them.
    """
    if not line.has_a_pace:
        return None
    room = look(line, now)
    free_at = room.free_at(again=_counted_today(text, now))
    bulk = text.bulk if text else bulk
    if text and waits(text):
        return max(free_at or now, now + SECOND) if bulk and somebody_waits(line, now) else free_at
    behind, left = _last_before(line, text, bulk), room.left_today
    if behind is None and text is None and free_at is None and room.is_taken_by_the_queued(line):
        behind, left = now, left - room.texts()
    if behind is None:
        return free_at
    return expected(
        max(behind, free_at or now),
        now,
        per_second=line.texts_per_second,
        per_day=line.texts_per_day,
        left_today=left,
    )


def next_chance(text: Message, now: dt.datetime) -> dt.datetime:
    """When a text may leave that had its turn and found no room after all."""
    found = until(text.conversation.line, now, text)
    return found if found and found > now else now + SECOND


def expected(
    behind: dt.datetime, now: dt.datetime, *, per_second: int | None, per_day: int | None, left_today: int
) -> dt.datetime:
    """When a text leaves that stands behind one which leaves at ``behind``. Pure.

    A day's texts are taken to be spread evenly over what is left of it: so the moment is right to the second on a line
    with a pace per second only, and otherwise right to the day and within it rather too late than too early.
    """
    step = SECOND / per_second if per_second else dt.timedelta(0)
    if per_day:
        midnight = next_midnight(now)
        if behind >= midnight:
            step = max(step, DAY / per_day)
        elif left_today > 0:
            step = max(step, (midnight - now) / left_today)
        else:
            return midnight
    return behind + step


def next_midnight(now: dt.datetime) -> dt.datetime:
    """When the next day of paces begins."""
    tomorrow = timezone.localdate(now) + DAY
    return dt.datetime.combine(tomorrow, dt.time(0), timezone.get_default_timezone()).astimezone(dt.UTC)


def waits(text: Message) -> bool:
    """True for a text that waits for nothing but its turn."""
    return text.status == S.DEFERRED and text.reason == Reason.LINE_PACE


def somebody_waits(line: Line, now: dt.datetime) -> bool:
    """True where a text that is no bulk text waits for nothing but its turn: bulk ones leave it theirs."""
    return Message.objects.paced().filter(line=line, bulk=False).free_to_move(now).exists()


def _last_before(line: Line, text: Message | None, bulk: bool) -> dt.datetime | None:
    """When the last of those is expected to leave that wait before this text. None: nothing does."""
    moments = []
    for queue in [False, True] if bulk else [False]:
        paced = Message.objects.paced().filter(line=line, bulk=queue)
        if text and queue == bulk:
            first = paced.order_by("not_before", "pk").values_list("pk", flat=True).first()
            if first is None or text.pk < first:
                continue  # it was there before any of them
        moments.append(paced.aggregate(last=Max("not_before"))["last"])
    return max((moment for moment in moments if moment), default=None)


# ---- turnstiles -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Room:
    """What room a line with a pace has at one moment. ``left_today`` is 0 on a line without a limit per day, too."""

    now: dt.datetime
    left_today: int
    # When each turnstile is free, and whether it has texts left for today.
    turnstiles: tuple[tuple[dt.datetime, bool], ...]

    def texts(self) -> int:
        """How many could leave now."""
        return sum(has_left and free <= self.now for free, has_left in self.turnstiles)

    def free_at(self, *, again: bool = False) -> dt.datetime | None:
        """When it has room for a text, None where it has now. ``again``: for one that counts already."""
        first = min((free for free, has_left in self.turnstiles if has_left or again), default=None)
        if first is None:
            return next_midnight(self.now)
        return first if first > self.now else None

    def is_taken_by_the_queued(self, line: Line) -> bool:
        """True where those that are queued, and not asked yet to wait, are as many as can leave now."""
        texts = self.texts()
        return Message.objects.queued_by(self.now).filter(line=line)[:texts].count() >= texts


def look(line: Line, now: dt.datetime) -> Room:
    """What room the line has; changes nothing."""
    today = timezone.localdate(now)
    found = list(Turnstile.objects.made_for(line)) or _new(line)
    gone = [each.texts if each.day == today else 0 for each in found]
    return Room(
        now,
        max(line.texts_per_day - sum(gone), 0) if line.texts_per_day else 0,
        tuple(
            (each.free_at, each.share is None or texts < each.share) for each, texts in zip(found, gone, strict=True)
        ),
    )


def take(line: Line, now: dt.datetime, text: Message) -> bool:
    """Let ``text`` through, in the transaction of its claim; False where the line has no room.

    ``now`` is the time of the claim. What passes the pace goes through in any case, and counts where there is room.
    """
    if not line.has_a_pace:
        return True
    today = timezone.localdate(now)
    again = _counted_today(text, now)
    if not Turnstile.objects.made_for(line).exists():
        _rebuild(line, today)
    found = Turnstile.objects.made_for(line).filter(free_at__lte=now)
    if not again:
        found = found.with_texts_left(today)
    # Those that others hold are being taken.
    turnstile = found.select_for_update(skip_locked=True).order_by("free_at", "number").first()
    if turnstile is None:
        return text.purpose in PASSES_CAP_AND_PACE
    turnstile.texts = (turnstile.texts if turnstile.day == today else 0) + (0 if again else 1)
    turnstile.day = today
    turnstile.free_at = now + SECOND if line.texts_per_second else now
    turnstile.save(update_fields=["texts", "day", "free_at"])
    return True


def _counted_today(text: Message | None, now: dt.datetime) -> bool:
    claimed_at = text.claimed_at if text else None
    return claimed_at is not None and timezone.localdate(claimed_at) == timezone.localdate(now)


def _new(line: Line) -> list[Turnstile]:
    """The turnstiles that the line's pace needs, unused and not stored."""
    number = line.texts_per_second or WITHOUT_SECONDS
    least, more = divmod(line.texts_per_day or 0, number)
    return [
        Turnstile(
            line=line,
            number=serial,
            per_second=line.texts_per_second or 0,
            per_day=line.texts_per_day or 0,
            share=least + (serial < more) if line.texts_per_day else None,
        )
        for serial in range(number)
    ]


def _rebuild(line: Line, today: dt.date) -> None:
    """Make the turnstiles anew where an officer changed the pace. What went through them lately, counts for the new.

    Whoever comes first holds turnstile 0; the others wait for it and find it done.
    """
    Turnstile.objects.get_or_create(line=line, number=0, defaults={"per_second": 0, "per_day": 0})
    Turnstile.objects.select_for_update().get(line=line, number=0)
    if Turnstile.objects.made_for(line).exists():
        return
    old = list(Turnstile.objects.filter(line=line).select_for_update().order_by("number"))
    gone = sum(each.texts for each in old if each.day == today)
    new = _new(line)
    for turnstile in new:
        turnstile.free_at = max(each.free_at for each in old)
        turnstile.day = today
        turnstile.texts = gone if turnstile.share is None else min(gone, turnstile.share)
        gone -= turnstile.texts
    Turnstile.objects.filter(line=line).exclude(number=0).delete()
    fields = ["per_second", "per_day", "share", "free_at", "day", "texts"]
    Turnstile.objects.filter(line=line, number=0).update(**{name: getattr(new[0], name) for name in fields})
    Turnstile.objects.bulk_create(new[1:])
