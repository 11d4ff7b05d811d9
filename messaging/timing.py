"""What the gate needs to know about the hour: quiet hours, the contact's own last words, and the cap on texts.

Most texts leave by day, to places without a cap: then this costs no statement, but for a look at the officers' tables
every few seconds.
"""

import datetime as dt
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Q
from django.db.models.functions import Coalesce

from consent import gate, quiet_hours, whereabouts
from consent.models import Contact, ContactCap, Line
from consent.models.quiet_hours import Rulebook
from consent.vocabulary import Category
from consent.whereabouts import Place
from messaging.models import Message
from messaging.models.message import LEFT, Direction, MessageStatus

# How long a process goes by the tables that it has read. A change of theirs holds everywhere after that.
RULES_KEPT_SECONDS = 5.0

# Texts that the provider has, or may have.
_GONE = [*LEFT, MessageStatus.SENDING, MessageStatus.UNKNOWN]


@dataclass(frozen=True)
class Timing:
    """The facts of the same names (``gate.Facts``)."""

    quiet_until: dt.datetime | None = None
    wrote_at: dt.datetime | None = None
    cap_until: dt.datetime | None = None
    cap_hours: int = 24
    zone: str = ""
    zone_is_certain: bool = True


def gather(
    lines: Sequence[Line], number: str, contact: Contact | None, text: Message | None, now: dt.datetime
) -> dict[int, Timing]:
    """For each of ``lines`` by its id. ``text`` is not counted against the cap."""
    rules = rulebook()
    places = whereabouts.of(
        number,
        postal_code=contact.postal_code if contact else "",
        time_zone=contact.time_zone if contact else "",
    )
    found = {line.pk: _quiet(line, places, rules, now) for line in lines}
    quiet = [line.pk for line in lines if found[line.pk].quiet_until]
    if contact and quiet:
        for pk, wrote_at in _last_words(contact, quiet, now).items():
            found[pk] = replace(found[pk], wrote_at=wrote_at)
    if contact and (caps := _caps(rules, places, now)):
        texts = _counted(contact, max(cap.hours for cap in caps), text, now)
        for line in lines:
            found[line.pk] = _capped(found[line.pk], line, caps, texts, places, now)
    return found


# ---- the officers' tables -------------------------------------------------------------------------------------------

_kept: tuple[float, Rulebook] | None = None


def rulebook() -> Rulebook:
    """The tables, as they were a few seconds ago at most."""
    global _kept  # replaced as a whole, so threads need no lock
    kept = _kept
    if kept is None or time.monotonic() - kept[0] >= RULES_KEPT_SECONDS:
        kept = _kept = (time.monotonic(), Rulebook.read())
    return kept[1]


def forget_rules() -> None:
    """Read the tables anew when they are needed next."""
    global _kept
    _kept = None


# ---- quiet hours ----------------------------------------------------------------------------------------------------


def _quiet(line: Line, places: Collection[Place], rules: Rulebook, now: dt.datetime) -> Timing:
    if not line.quiet_hours:
        return Timing()
    hours = (*rules.hours_for(marketing=line.category == Category.MARKETING), *line.own_hours())
    quiet = quiet_hours.quiet(now, places, hours, rules.holidays)
    return Timing(quiet_until=quiet.until, zone=quiet.zone, zone_is_certain=quiet.certain) if quiet else Timing()


def _last_words(contact: Contact, lines: Collection[int], now: dt.datetime) -> dict[int, dt.datetime]:
    """Per line, when the contact wrote last, where that was lately enough to be answered at any hour."""
    lately = now - gate.FREE_ANSWER
    wrote = (
        Message.objects.filter(
            conversation__contact=contact, conversation__line__in=lines, direction=Direction.IN, created__gte=lately
        )
        .annotate(at=Coalesce("receipt__occurred_at", "receipt__received_at", "created"))
        .order_by("at")
    )
    return dict(wrote.values_list("conversation__line", "at"))


# ---- the cap --------------------------------------------------------------------------------------------------------


def _caps(rules: Rulebook, places: Collection[Place], now: dt.datetime) -> list[ContactCap]:
    """Those that hold today in any place where the contact may be."""
    there = {jurisdiction for place in places for jurisdiction in place.jurisdictions}
    return [cap for cap in rules.caps if cap.place in there and cap.holds_on(now.date())]


def _counted(contact: Contact, hours: int, text: Message | None, now: dt.datetime) -> list[tuple[bool, dt.datetime]]:
    """Whether from a marketing line, and when, for each text of the last ``hours`` that counts; newest first.

    All count but those that no cap holds back: the opt-out confirmation and the help reply. A text of unknown fate
    counts, too.
    """
    since = now - dt.timedelta(hours=hours)
    texts = (
        Message.objects.outgoing()
        .filter(Q(sent_at__gt=since) | Q(sent_at=None, claimed_at__gt=since))
        .filter(conversation__contact=contact, status__in=_GONE)
        .exclude(purpose__in=gate.PASSES_CAP_AND_PACE)
        .exclude(pk=text.pk if text else None)
        .annotate(at=Coalesce("sent_at", "claimed_at"))
        .order_by("-at")
    )
    return [
        (category == Category.MARKETING, at) for category, at in texts.values_list("conversation__line__category", "at")
    ]


def _capped(
    timing: Timing,
    line: Line,
    caps: Collection[ContactCap],
    texts: Collection[tuple[bool, dt.datetime]],
    places: Sequence[Place],
    now: dt.datetime,
) -> Timing:
    """``timing`` with the latest end of the caps that are used up on ``line``, if any is."""
    for cap in caps:
        if cap.marketing_only and line.category != Category.MARKETING:
            continue
        span = dt.timedelta(hours=cap.hours)
        counted = [at for marketing, at in texts if at > now - span and (marketing or not cap.marketing_only)]
        if len(counted) < cap.texts:
            continue
        until = counted[cap.texts - 1] + span
        if timing.cap_until is None or until > timing.cap_until:
            more: dict[str, Any] = {}
            if not timing.zone:
                more = {"zone": places[0].zone, "zone_is_certain": len({place.zone for place in places}) == 1}
            timing = replace(timing, cap_until=until, cap_hours=cap.hours, **more)
    return timing
