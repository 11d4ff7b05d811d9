"""Where a contact may be, as far as their number, postal code and stored time zone tell. Pure.

A jurisdiction is a country ("FR") or a state of the United States ("US-TX", as ISO 3166-2 writes it). An area code is a
hint at best, since people move and keep their numbers: where it fits several places, all of them are named.
"""

import datetime as dt
import functools
import re
import tomllib
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import phonenumbers
from phonenumbers import timezone as number_zones

from consent import phones

US = "US"
_STATE = re.compile(r"US-[A-Z]{2}")
_POSTAL_CODE = re.compile(r"[0-9]{5}(?:-?[0-9]{4})?")
_DATA = Path(__file__).with_name("us_places.toml")


class Place(NamedTuple):
    """A place where a contact may be: its time zone, and the jurisdictions whose rules hold there."""

    zone: str
    jurisdictions: tuple[str, ...]


def of(number: str, *, postal_code: str = "", time_zone: str = "") -> tuple[Place, ...]:
    """Every place where the owner of ``number`` (E.164) may be, at least one.

    What is stored with the contact counts before what the number tells: a US postal code for the state, ``time_zone``
    for the zone. A stored zone alone leaves the number's own states where they have that zone; otherwise its owner has
    moved, and every state with that zone is possible.
    """
    if not phones.may_be_in_the_us(number):
        return _elsewhere(number, time_zone)
    return _in_the_us(number[2:5], postal_code, time_zone)


def hint(number: str) -> str:
    """What of ``number`` (E.164) tells where its owner may be: numbers with the same one may be in the same places."""
    return phones.area_code(number) or number


@functools.lru_cache(maxsize=10_000)
def _elsewhere(number: str, time_zone: str) -> tuple[Place, ...]:
    country = phones.country(number)
    zones = (time_zone,) if time_zone else zones_of(number)
    known = (country,) if country in phonenumbers.SUPPORTED_REGIONS else ()
    return tuple(Place(zone, known) for zone in zones)


@functools.lru_cache(maxsize=10_000)
def _in_the_us(area_code: str, postal_code: str, time_zone: str) -> tuple[Place, ...]:
    found = us_places(postal_code) or _of_area_code(area_code) or _anywhere()
    if not time_zone:
        return found
    if us_places(postal_code):
        return tuple(sorted({Place(time_zone, place.jurisdictions) for place in found}))
    there = [place for place in found if _alike(place.zone, time_zone)] or [
        place for place in _anywhere() if _alike(place.zone, time_zone)
    ]
    return tuple(Place(time_zone, place.jurisdictions) for place in there) or (Place(time_zone, (US,)),)


def us_places(postal_code: str) -> tuple[Place, ...]:
    """Where a US postal code ("98101" or "98101-1234") is. Empty where it is none, or belongs to no state."""
    return _us().postal_codes.get(postal_code[:3], ()) if is_us_postal_code(postal_code) else ()


def is_us_postal_code(text: str) -> bool:
    """Whether it has the form of one."""
    return bool(_POSTAL_CODE.fullmatch(text))


def zones_of(number: str) -> tuple[str, ...]:
    """The time zones of a number outside the US, by the numbering plan. UTC where that knows none (satellites)."""
    try:
        zones = number_zones.time_zones_for_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        zones = ()
    return tuple(sorted(set(zones) & time_zones())) or ("UTC",)


@functools.cache
def time_zones() -> frozenset[str]:
    """The names of all time zones that this machine knows."""
    return frozenset(zoneinfo.available_timezones())


def name_of(jurisdiction: str) -> str:
    """The name of a state; of a country its two letters. Raises KeyError where there is no such place."""
    if _STATE.fullmatch(jurisdiction):
        return _us().names[jurisdiction]
    if jurisdiction in phonenumbers.SUPPORTED_REGIONS:
        return jurisdiction
    raise KeyError(jurisdiction)


# ---- the United States ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _UnitedStates:
    names: dict[str, str]
    area_codes: dict[str, tuple[Place, ...]]
    postal_codes: dict[str, tuple[Place, ...]]


@functools.cache
def _us() -> _UnitedStates:
    with _DATA.open("rb") as file:
        states = tomllib.load(file)
    area_codes: dict[str, tuple[Place, ...]] = {}
    postal_codes: dict[str, tuple[Place, ...]] = {}
    for code, state in states.items():
        for index, listed in ((area_codes, state.get("area_codes", {})), (postal_codes, state.get("postal_codes", {}))):
            for zones, items in listed.items():
                places = tuple(Place(zone, (US, f"US-{code}")) for zone in zones.split())
                for item in _each(items):
                    index[item] = index.get(item, ()) + places
    names = {f"US-{code}": state["name"] for code, state in states.items()}
    return _UnitedStates(names, area_codes, postal_codes)


def _each(items: str) -> list[str]:
    """The codes that "010-012 015" names."""
    found = []
    for item in items.split():
        first, _, last = item.partition("-")
        found += [f"{code:03}" for code in range(int(first), int(last or first) + 1)]
    return found


def _of_area_code(code: str) -> tuple[Place, ...]:
    return _us().area_codes.get(code, ())


@functools.cache
def _anywhere() -> tuple[Place, ...]:
    """Every state with each of its zones: for toll-free and personal numbers, and area codes newer than the data."""
    return tuple(sorted({place for places in _us().area_codes.values() for place in places}))


@functools.cache
def _alike(zone: str, other: str) -> bool:
    """Whether two zones keep the same hours in winter and in summer."""
    days = [dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (1, 7)]
    one, two = zoneinfo.ZoneInfo(zone), zoneinfo.ZoneInfo(other)
    return all(day.astimezone(one).utcoffset() == day.astimezone(two).utcoffset() for day in days)
