"""The officers' tables of what holds where: the hours in which texts may leave, and how many of them in a day."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from consent import whereabouts
from consent.models.holiday import Holiday
from consent.quiet_hours import Hours

LONGEST_CAP_HOURS = 24 * 31


class AppliesTo(models.TextChoices):
    EVERY = "every", "Every line"
    MARKETING = "marketing", "Marketing lines"


class PlaceRule(models.Model):
    """What a country or a state of the United States demands, from a day on, with its source."""

    place = models.CharField(max_length=5, help_text="A country, like FR, or a state of the United States, like US-FL.")
    applies_to = models.CharField("for", max_length=9, choices=AppliesTo.choices, default=AppliesTo.EVERY)
    valid_from = models.DateField(default=timezone.localdate, help_text="The first day on which it holds.")
    valid_to = models.DateField(null=True, blank=True, help_text="The last one. Empty: it holds until further notice.")
    source = models.CharField(max_length=200, help_text="Who says so, and as of when.")

    class Meta:
        abstract = True

    def clean(self) -> None:
        self.place = self.place.strip().upper()
        try:
            whereabouts.name_of(self.place)
        except KeyError:
            raise ValidationError(
                {"place": "This is neither a country's two letters, like FR, nor a state, like US-FL."}
            ) from None
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValidationError({"valid_to": "The last day comes before the first one."})

    def holds_on(self, day: dt.date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    @property
    def marketing_only(self) -> bool:
        return self.applies_to == AppliesTo.MARKETING


class SendingHours(PlaceRule):
    """On the days it names, texts to a place leave between two hours, or not at all.

    Where several name a day, each must allow the text: a state's and its country's, an earlier one's and a later one's.
    """

    weekdays = models.CharField(
        "days", max_length=7, blank=True, default="1234567", help_text="1 is Monday, 7 is Sunday."
    )
    on_holidays = models.BooleanField(
        "also on holidays", default=False, help_text="On the country's days in the table of holidays, too."
    )
    opens = models.TimeField("from", null=True, blank=True, help_text="In the contact's own time.")
    closes = models.TimeField(
        "until", null=True, blank=True, help_text="00:00 is midnight. Both empty: on these days nothing leaves at all."
    )

    class Meta:
        ordering = ["place", "weekdays", "pk"]
        verbose_name = "rule for sending hours"
        verbose_name_plural = "sending hours"

    def __str__(self) -> str:
        return f"{self.place}, {self.days_in_words()}: {self.hours_in_words()}"

    def clean(self) -> None:
        super().clean()
        self.weekdays = "".join(sorted(set(self.weekdays)))
        if not set(self.weekdays) <= set("1234567"):
            raise ValidationError({"weekdays": "Days are the digits 1 (Monday) to 7 (Sunday)."})
        if not self.weekdays and not self.on_holidays:
            raise ValidationError({"weekdays": "Name at least one day, or holidays."})
        check_hours(self.opens, self.closes, "opens", "closes")

    def as_hours(self) -> Hours:
        return Hours(
            jurisdiction=self.place,
            opens=self.opens,
            closes=self.closes,
            weekdays=frozenset(int(day) for day in self.weekdays),
            on_holidays=self.on_holidays,
            valid_from=self.valid_from,
            valid_to=self.valid_to or dt.date.max,
        )

    def days_in_words(self) -> str:
        names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
        days = [names[int(day) - 1] for day in self.weekdays]
        if len(days) > 2 and self.weekdays in "1234567":
            said = ["every day" if len(days) == 7 else f"{days[0]} to {days[-1]}"]
        else:
            said = days
        return ", ".join([*said, *(["holidays"] if self.on_holidays and len(days) < 7 else [])])

    def hours_in_words(self) -> str:
        if self.opens is None or self.closes is None:
            return "not at all"
        return f"{self.opens:%H:%M} to {'24:00' if self.closes == dt.time(0) else f'{self.closes:%H:%M}'}"


class ContactCap(PlaceRule):
    """At most so many texts to one contact in so many hours, over all lines of ours that it holds for."""

    texts = models.PositiveSmallIntegerField(
        "at most", default=3, validators=[MinValueValidator(1)], help_text="So many texts to one contact …"
    )
    hours = models.PositiveSmallIntegerField(
        "in hours",
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_CAP_HOURS)],
        help_text="… in so many hours.",
    )

    class Meta:
        ordering = ["place", "hours", "pk"]
        verbose_name = "cap on texts"
        verbose_name_plural = "caps on texts"

    def __str__(self) -> str:
        return f"{self.place}: {self.texts} in {self.hours} hours"


def check_hours(opens: dt.time | None, closes: dt.time | None, first: str, last: str) -> None:
    """Raises ValidationError on the fields ``first`` and ``last`` where the two are no span of a day."""
    if (opens is None) != (closes is None):
        raise ValidationError({first if opens is None else last: "Give both hours, or neither."})
    if opens is not None and closes is not None and opens >= closes != dt.time(0):
        raise ValidationError(
            {last: "The second hour must be later than the first. For the end of the day write 00:00."}
        )


@dataclass(frozen=True)
class Rulebook:
    """All that the tables hold, read at one time."""

    hours: tuple[Hours, ...]
    marketing_hours: tuple[Hours, ...]  # for marketing lines alone
    caps: tuple[ContactCap, ...]
    holidays: dict[str, set[dt.date]]

    @classmethod
    def read(cls) -> "Rulebook":
        rows = list(SendingHours.objects.all())
        holidays: dict[str, set[dt.date]] = {}
        if any(row.on_holidays for row in rows):
            for country, day in Holiday.objects.order_by().values_list("country", "day"):
                holidays.setdefault(country, set()).add(day)
        return cls(
            hours=tuple(row.as_hours() for row in rows if not row.marketing_only),
            marketing_hours=tuple(row.as_hours() for row in rows if row.marketing_only),
            caps=tuple(ContactCap.objects.all()),
            holidays=holidays,
        )

    def hours_for(self, *, marketing: bool) -> tuple[Hours, ...]:
        return self.hours + self.marketing_hours if marketing else self.hours


# ---- what is shipped ------------------------------------------------------------------------------------------------

_FEDERAL = "47 CFR 64.1200(c)(1), as of November 2026"
_STATES = "State telemarketing law, by secondary sources of November 2026"
_FRANCE = "Vendors' guides to commercial texts, as of November 2026; disputed, above all the hours"
_WORKDAYS, _ALL_DAYS = "123456", "1234567"
_SHIPPED_HOURS: list[dict[str, Any]] = [
    {"place": "US", "weekdays": _ALL_DAYS, "hours": (8, 21), "source": _FEDERAL},
    *(
        {"place": f"US-{state}", "weekdays": _ALL_DAYS, "hours": (8, 20), "source": _STATES}
        for state in ("WA", "FL", "OK", "OR")
    ),
    {"place": "US-CT", "weekdays": _ALL_DAYS, "hours": (9, 20), "source": _STATES},
    {"place": "US-TX", "weekdays": _WORKDAYS, "hours": (9, 21), "source": _STATES},
    {"place": "US-TX", "weekdays": "7", "hours": (12, 21), "source": _STATES},
    {"place": "FR", "weekdays": _WORKDAYS, "hours": (8, 20), "source": _FRANCE, "applies_to": AppliesTo.MARKETING},
    {"place": "FR", "weekdays": "7", "on_holidays": True, "source": _FRANCE, "applies_to": AppliesTo.MARKETING},
]


def install(apps: Any) -> None:
    """Add the hours and caps that are shipped, where the tables are empty."""
    hours, caps = apps.get_model("consent", "SendingHours"), apps.get_model("consent", "ContactCap")
    since = dt.date(2026, 1, 1)
    if not hours.objects.exists():
        for row in _SHIPPED_HOURS:
            fields = dict(row)
            opens, closes = (dt.time(hour) for hour in span) if (span := fields.pop("hours", None)) else (None, None)
            hours.objects.create(opens=opens, closes=closes, valid_from=since, **fields)
    if not caps.objects.exists():
        for state in ("FL", "OK", "OR"):
            caps.objects.create(place=f"US-{state}", texts=3, hours=24, valid_from=since, source=_STATES)
