"""When a contact may be texted, by the hours of the place where they are (47 CFR 64.1200(c)(1) and stricter). Pure.

A rule names days and, on them, the hours between which texts may leave. Every rule that holds in a place and names the
day must allow the moment; where a contact may be in several places, each of them must.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from consent.whereabouts import Place

EVERY_DAY = frozenset(range(1, 8))  # as isoweekday counts
MIDNIGHT = dt.time(0)
# Where no moment is found within so long, a text waits that long and is looked at again.
HORIZON = dt.timedelta(days=31)

Holidays = Mapping[str, Collection[dt.date]]  # per country


@dataclass(frozen=True)
class Hours:
    """One rule. On the days it names texts leave from ``opens`` until just before ``closes``, in local time.

    Without hours: not at all on these days. ``closes`` at 00:00 is the end of the day. An empty ``jurisdiction`` holds
    everywhere. The dates are inclusive.
    """

    jurisdiction: str = ""
    opens: dt.time | None = None
    closes: dt.time | None = None
    weekdays: frozenset[int] = EVERY_DAY
    on_holidays: bool = False
    valid_from: dt.date = dt.date.min
    valid_to: dt.date = dt.date.max

    def names(self, day: dt.date, holidays: Holidays) -> bool:
        if not self.valid_from <= day <= self.valid_to:
            return False
        holiday = self.on_holidays and day in holidays.get(self.jurisdiction[:2], ())
        return holiday or day.isoweekday() in self.weekdays

    def allows(self, local: dt.datetime, holidays: Holidays) -> bool:
        if not self.names(local.date(), holidays):
            return True
        if self.opens is None or self.closes is None:
            return False
        time = local.time()
        return self.opens <= time and (time < self.closes or self.closes == MIDNIGHT)


@dataclass(frozen=True)
class Quiet:
    """A text may not leave now. ``until`` is the first moment at which it may, by these rules.

    ``zone`` is one in which it is too early or too late now; ``certain`` where the contact can be in no other.
    """

    until: dt.datetime
    zone: str
    certain: bool


@dataclass(frozen=True)
class _Clock:
    """A zone with the rules that hold in one of the places there."""

    zone: ZoneInfo
    rules: tuple[Hours, ...]

    def allows(self, moment: dt.datetime, holidays: Holidays) -> bool:
        local = moment.astimezone(self.zone)
        return all(rule.allows(local, holidays) for rule in self.rules)


class Timetable:
    """Rules and holidays, to be asked about many moments and places."""

    def __init__(self, rules: Collection[Hours], holidays: Holidays) -> None:
        self._rules, self._holidays = rules, holidays
        self._clocks: dict[tuple[Place, ...], tuple[_Clock, ...]] = {}

    def quiet(self, moment: dt.datetime, places: tuple[Place, ...]) -> Quiet | None:
        """None where a text may leave at ``moment`` (aware), whichever of ``places`` the contact is in."""
        clocks = self._clocks.get(places)
        if clocks is None:
            clocks = self._clocks[places] = _clocks(places, self._rules)
        closed = [clock for clock in clocks if not clock.allows(moment, self._holidays)]
        if not closed:
            return None
        until = _opening(moment, clocks, self._holidays)
        last = [clock for clock in closed if not clock.allows(until - dt.timedelta(seconds=1), self._holidays)]
        zone = (last or closed)[0].zone.key
        return Quiet(until, zone, certain=len({place.zone for place in places}) == 1)


def quiet(moment: dt.datetime, places: Collection[Place], rules: Collection[Hours], holidays: Holidays) -> Quiet | None:
    """As ``Timetable.quiet``, for one question."""
    return Timetable(rules, holidays).quiet(moment, tuple(places))


def _clocks(places: tuple[Place, ...], rules: Collection[Hours]) -> tuple[_Clock, ...]:
    """One for all places that have the same zone and the same rules."""
    found = {
        _Clock(
            ZoneInfo(place.zone), tuple(rule for rule in rules if rule.jurisdiction in ("", *place.jurisdictions))
        ): None
        for place in places
    }
    return tuple(found)


def _opening(moment: dt.datetime, clocks: Collection[_Clock], holidays: Holidays) -> dt.datetime:
    """The first moment from ``moment`` on that every clock allows."""
    start, end = moment.astimezone(dt.UTC), moment.astimezone(dt.UTC) + HORIZON
    while start < end:
        after = start + dt.timedelta(days=1)
        turns = {turn for clock in clocks for turn in _turns(clock, start, after)}
        for turn in sorted(turns):
            if all(clock.allows(turn, holidays) for clock in clocks):
                return turn
        start = after
    return end


def _turns(clock: _Clock, start: dt.datetime, end: dt.datetime) -> Iterator[dt.datetime]:
    """Every moment between the two at which the answer of ``clock`` may turn from no to yes: a rule's hour of opening,
    midnight, and a change of the clocks."""
    opens = {MIDNIGHT, *(rule.opens for rule in clock.rules if rule.opens)}
    day, last = start.astimezone(clock.zone).date(), end.astimezone(clock.zone).date()
    while day <= last:
        for time in opens:
            # An hour that comes twice, when the clocks go back, opens twice.
            for fold in (0, 1):
                turn = dt.datetime.combine(day, time, clock.zone).replace(fold=fold).astimezone(dt.UTC)
                if start <= turn < end:
                    yield turn
        day += dt.timedelta(days=1)
    if start.astimezone(clock.zone).utcoffset() != end.astimezone(clock.zone).utcoffset():
        yield _change(clock.zone, start, end)


def _change(zone: ZoneInfo, start: dt.datetime, end: dt.datetime) -> dt.datetime:
    """When between the two the clocks change, to the minute, which is as exact as law sets it."""
    before = start.astimezone(zone).utcoffset()
    first = start.replace(second=0, microsecond=0)
    low, high = 0, int((end - first).total_seconds() // 60) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if (first + dt.timedelta(minutes=middle)).astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return first + dt.timedelta(minutes=high)
