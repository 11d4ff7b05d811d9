import datetime as dt

from django.db import models


class HolidayQuerySet(models.QuerySet["Holiday"]):
    def days(self, country: str) -> set[dt.date]:
        return set(self.filter(country=country).values_list("day", flat=True))


class Holiday(models.Model):
    """A day on which a country's offices are closed: no business day. Editable data with its source."""

    day = models.DateField()
    name = models.CharField(max_length=60)
    country = models.CharField(max_length=2, default="US", help_text="Two letters, like US.")
    source = models.CharField(max_length=200, help_text="Where this is laid down, and as of when.")

    objects = HolidayQuerySet.as_manager()

    class Meta:
        ordering = ["day", "country"]
        constraints = [
            models.UniqueConstraint(
                fields=["day", "country"],
                name="one_holiday_a_day_and_country",
                violation_error_message="This day is a holiday there already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.day}"
