"""Business days (47 CFR 64.1200(a)(10): a revocation is honoured within ten of them), and the holidays shipped.

The days are pure; which of them are holidays is the officers' editable table (consent.models.Holiday).
"""

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any

SOURCE = "5 U.S.C. 6103, with the days on which offices close where a holiday falls on a weekend"
FRENCH_SOURCE = "Code du travail, article L3133-1"
# Whose holidays stop the clock of reviews: the law that sets the ten days is federal law of the United States.
CLOCK_COUNTRY = "US"


def is_business_day(day: dt.date, holidays: Collection[dt.date]) -> bool:
    return day.weekday() < 5 and day not in holidays


def business_days_after(day: dt.date, count: int, holidays: Collection[dt.date]) -> dt.date:
    """The ``count``-th business day after ``day``, which itself does not count."""
    while count:
        day += dt.timedelta(days=1)
        count -= is_business_day(day, holidays)
    return day


def business_days_left(today: dt.date, last_day: dt.date, holidays: Collection[dt.date]) -> int:
    """How many business days come after today, the last one included; 0 once it has come."""
    span = max((last_day - today).days, 0)
    return sum(is_business_day(today + dt.timedelta(days=each), holidays) for each in range(1, span + 1))


def federal(year: int) -> Iterator[tuple[dt.date, str]]:
    """The federal holidays of the United States in a year, on the days on which offices close."""
    for month, day, name in (
        (1, 1, "New Year's Day"),
        (6, 19, "Juneteenth"),
        (7, 4, "Independence Day"),
        (11, 11, "Veterans Day"),
        (12, 25, "Christmas Day"),
    ):
        yield _observed(dt.date(year, month, day)), name
    for month, weekday, nth, name in (
        (1, 0, 3, "Martin Luther King Jr. Day"),
        (2, 0, 3, "Washington's Birthday"),
        (5, 0, -1, "Memorial Day"),
        (9, 0, 1, "Labor Day"),
        (10, 0, 2, "Columbus Day"),
        (11, 3, 4, "Thanksgiving Day"),
    ):
        yield _nth(year, month, weekday, nth), name


# Easter Sundays of the years that are shipped.
_EASTER = {year: dt.date(year, month, day) for year, month, day in (
    (2026, 4, 5), (2027, 3, 28), (2028, 4, 16), (2029, 4, 1), (2030, 4, 21), (2031, 4, 13)
)}  # fmt: skip


def french(year: int) -> Iterator[tuple[dt.date, str]]:
    """The public holidays of France in one of the years that are shipped (Code du travail, L3133-1)."""
    for month, day, name in (
        (1, 1, "Jour de l'An"),
        (5, 1, "Fête du Travail"),
        (5, 8, "Victoire de 1945"),
        (7, 14, "Fête nationale"),
        (8, 15, "Assomption"),
        (11, 1, "Toussaint"),
        (11, 11, "Armistice de 1918"),
        (12, 25, "Noël"),
    ):
        yield dt.date(year, month, day), name
    for days, name in ((1, "Lundi de Pâques"), (39, "Ascension"), (50, "Lundi de Pentecôte")):
        yield _EASTER[year] + dt.timedelta(days=days), name


def _observed(day: dt.date) -> dt.date:
    return day + dt.timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


def _nth(year: int, month: int, weekday: int, nth: int) -> dt.date:
    days = [dt.date(year, month, 1) + dt.timedelta(days=each) for each in range(31)]
    found = [day for day in days if day.month == month and day.weekday() == weekday]
    return found[nth - 1] if nth > 0 else found[nth]


def install(apps: Any) -> None:
    """Add the holidays that are missing, for the years that a table made now should hold."""
    Holiday = apps.get_model("consent", "Holiday")
    for year in range(2026, 2032):
        for country, source, days in ((CLOCK_COUNTRY, SOURCE, federal(year)), ("FR", FRENCH_SOURCE, french(year))):
            # Two of them may fall on one day, as Ascension and 8 May do now and then.
            for day, name in days:
                Holiday.objects.get_or_create(day=day, country=country, defaults={"name": name, "source": source})
