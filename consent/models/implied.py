import calendar
import datetime as dt

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from consent import phones, whereabouts


class ImpliedConsentPeriodQuerySet(models.QuerySet["ImpliedConsentPeriod"]):
    def for_number(self, number: str) -> "ImpliedConsentPeriodQuerySet":
        """The periods of the country that the number belongs to, the longest first."""
        return self.filter(country=phones.country(number)).order_by("-months", "pk")


class ImpliedConsentPeriod(models.Model):
    """How long consent that somebody did not give in words holds in a country, and what it follows from."""

    country = models.CharField(max_length=2, help_text="Its two letters, like CA.")
    follows_from = models.CharField(max_length=60, help_text="What implies the consent, for example: a purchase.")
    months = models.PositiveSmallIntegerField(
        "holds for (months)", validators=[MinValueValidator(1)], help_text="Counted from the day it follows from."
    )
    source = models.CharField(max_length=200, help_text="Who says so.")
    as_of = models.DateField("as of")

    objects = ImpliedConsentPeriodQuerySet.as_manager()

    class Meta:
        ordering = ["country", "-months"]
        constraints = [
            models.UniqueConstraint(
                fields=["country", "follows_from"],
                name="one_period_per_country_and_origin",
                violation_error_message="There is a period for this already. Change that one.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.country}: {self.months} months after {self.follows_from}"

    def clean(self) -> None:
        self.country = self.country.strip().upper()
        try:
            whereabouts.name_of(self.country)
        except KeyError:
            raise ValidationError({"country": "This is not a country's two letters. An example is CA."}) from None

    def end(self, occurred_at: dt.datetime) -> dt.datetime:
        """When consent that was implied at ``occurred_at`` ends: that day so many months later, or the last day of a
        shorter month."""
        years, month = divmod(occurred_at.month - 1 + self.months, 12)
        year, month = occurred_at.year + years, month + 1
        return occurred_at.replace(
            year=year, month=month, day=min(occurred_at.day, calendar.monthrange(year, month)[1])
        )


# FACTS "Elsewhere": what secondary sources report.
SHIPPED = (
    ("CA", "a purchase or a contract", 24),
    ("CA", "an inquiry", 6),
)


def install(apps: object) -> None:
    """Add the periods that an install starts with, where they are missing."""
    Period = apps.get_model("consent", "ImpliedConsentPeriod")  # type: ignore[attr-defined]
    for country, follows_from, months in SHIPPED:
        Period.objects.get_or_create(
            country=country,
            follows_from=follows_from,
            defaults={
                "months": months,
                "source": "Canada's Anti-Spam Legislation, section 10(10), as a secondary source reports it",
                "as_of": dt.date(2026, 11, 1),
            },
        )
