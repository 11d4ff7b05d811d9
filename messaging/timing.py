"""What the gate needs to know about the hour: quiet hours, the contact's own last words, and the cap on texts.

Most texts leave by day, to places without a cap: then this costs no statement, but for a look at the officers' tables
every few seconds.
"""

import datetime as dt
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from consent import gate, whereabouts
from consent.models import ContactCap, Line
from consent.models.quiet_hours import Rulebook
from consent.quiet_hours import Timetable
from consent.vocabulary import Category
from consent.whereabouts import Place
from messaging import known
from messaging.known import Known
from messaging.models import Message

# How long a process goes by the tables that it has read. A change of theirs holds everywhere after that.
RULES_KEPT_SECONDS = 5.0


class Timing(NamedTuple):
    """The facts of the same names (``gate.Facts``)."""

    quiet_until: dt.datetime | None = None
    wrote_at: dt.datetime | None = None
    cap_until: dt.datetime | None = None
    cap_hours: int = 24
    zone: str = ""
    zone_is_certain: bool = True


# Nothing is known that keeps the text waiting.
ANY_TIME = Timing()


def gather(lines: Mapping[int, Line], rows: Sequence[Known], text: Message | None, now: dt.datetime) -> list[Timing]:
    """For each of ``rows``, in their order. ``lines`` by id; ``text`` is not counted against the cap."""
    kept = _current()
    places: dict[tuple[int, str, str | None, str | None], _There] = {}
    alike: dict[tuple[int, tuple[Place, ...]], _There] = {}
    there = []
    for found in rows:
        key = (found.line, found.hint, found.postal_code, found.time_zone)
        place = places.get(key)
        if place is None:
            place = places[key] = _there(lines[found.line], found, kept, now, alike)
        there.append(place)
    timings = [place.timing for place in there]
    if any(place.timing.quiet_until for place in alike.values()):
        _answer_lately(lines, rows, timings, now)
    if any(place.caps for place in alike.values()):
        _cap(lines, rows, there, timings, text, now)
    return timings


# ---- the officers' tables -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kept:
    read_at: float  # time.monotonic
    rules: Rulebook
    # Of a line by whether it is for marketing, and by its own hours.
    timetables: dict[tuple[bool, dt.time | None, dt.time | None], Timetable] = field(default_factory=dict)

    def timetable(self, line: Line) -> Timetable:
        key = (line.category == Category.MARKETING, line.texts_from, line.texts_until)
        found = self.timetables.get(key)
        if found is None:
            hours = (*self.rules.hours_for(marketing=key[0]), *line.own_hours())
            found = self.timetables[key] = Timetable(hours, self.rules.holidays)
        return found


_kept: _Kept | None = None


def rulebook() -> Rulebook:
    """The tables, as they were a few seconds ago at most."""
    return _current().rules


def _current() -> _Kept:
    global _kept  # replaced as a whole, so threads need no lock
    kept = _kept
    if kept is None or time.monotonic() - kept.read_at >= RULES_KEPT_SECONDS:
        kept = _kept = _Kept(time.monotonic(), Rulebook.read())
    return kept


def forget_rules() -> None:
    """Read the tables anew when they are needed next."""
    global _kept
    _kept = None


# ---- quiet hours ----------------------------------------------------------------------------------------------------


class _There(NamedTuple):
    """Where contacts may be, what the hour there says of a line, and the caps that hold there today."""

    places: tuple[Place, ...]
    timing: Timing
    caps: list[ContactCap]


def _there(
    line: Line, found: Known, kept: _Kept, now: dt.datetime, alike: dict[tuple[int, tuple[Place, ...]], _There]
) -> _There:
    """Who is in the same places may be texted at the same hours, so these are looked up once."""
    places = whereabouts.of(found.number, postal_code=found.postal_code or "", time_zone=found.time_zone or "")
    there = alike.get((line.pk, places))
    if there is None:
        there = _There(places, _hours(line, places, kept, now), _caps(kept.rules, places, now))
        alike[line.pk, places] = there
    return there


def _hours(line: Line, places: tuple[Place, ...], kept: _Kept, now: dt.datetime) -> Timing:
    quiet = kept.timetable(line).quiet(now, places) if line.quiet_hours else None
    return Timing(quiet_until=quiet.until, zone=quiet.zone, zone_is_certain=quiet.certain) if quiet else ANY_TIME


def _answer_lately(lines: Mapping[int, Line], rows: Sequence[Known], timings: list[Timing], now: dt.datetime) -> None:
    """Note in ``timings`` when those wrote whom it is too late to text, where that may be answered at any hour."""
    waiting = {row.contact for row, timing in zip(rows, timings, strict=True) if row.contact and timing.quiet_until}
    if not waiting:
        return
    wrote = known.last_words(waiting, lines, now - gate.FREE_ANSWER)
    for place, row in enumerate(rows):
        if row.contact and timings[place].quiet_until and (at := wrote.get((row.contact, row.line))):
            timings[place] = timings[place]._replace(wrote_at=at)


# ---- the cap --------------------------------------------------------------------------------------------------------


def _cap(
    lines: Mapping[int, Line],
    rows: Sequence[Known],
    there: Sequence[_There],
    timings: list[Timing],
    text: Message | None,
    now: dt.datetime,
) -> None:
    """Note in ``timings`` the caps that are used up."""
    capped = [place for place, row in enumerate(rows) if row.contact and there[place].caps]
    if not capped:
        return
    since = now - dt.timedelta(hours=max(cap.hours for place in capped for cap in there[place].caps))
    had = known.had({rows[place].contact for place in capped}, since, text)
    for place in capped:
        if texts := had.get(rows[place].contact):
            at, line = there[place], lines[rows[place].line]
            timings[place] = _capped(timings[place], line, at.caps, texts, at.places, now)


def _caps(rules: Rulebook, places: tuple[Place, ...], now: dt.datetime) -> list[ContactCap]:
    """Those that hold today in any of the places where the contact may be."""
    there = {jurisdiction for place in places for jurisdiction in place.jurisdictions}
    return [cap for cap in rules.caps if cap.place in there and cap.holds_on(now.date())]


def _capped(
    timing: Timing,
    line: Line,
    caps: Collection[ContactCap],
    texts: Collection[tuple[str, dt.datetime]],
    places: Sequence[Place],
    now: dt.datetime,
) -> Timing:
    """``timing`` with the latest end of the caps that are used up on ``line``, if any is."""
    for cap in caps:
        if cap.marketing_only and line.category != Category.MARKETING:
            continue
        span = dt.timedelta(hours=cap.hours)
        counted = [
            at
            for category, at in texts
            if at > now - span and (category == Category.MARKETING or not cap.marketing_only)
        ]
        if len(counted) < cap.texts:
            continue
        until = counted[cap.texts - 1] + span
        if timing.cap_until is None or until > timing.cap_until:
            more: dict[str, Any] = {}
            if not timing.zone:
                more = {"zone": places[0].zone, "zone_is_certain": len({place.zone for place in places}) == 1}
            timing = timing._replace(cap_until=until, cap_hours=cap.hours, **more)
    return timing
