import datetime as dt

from django.db import models
from django.db.models import F, Q

from consent.models import Line

LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class TurnstileQuerySet(models.QuerySet["Turnstile"]):
    def made_for(self, line: Line) -> "TurnstileQuerySet":
        """Those of the line's pace as it is now; none where an officer has changed it since (``messaging.pace``)."""
        return self.filter(line=line, per_second=line.texts_per_second or 0, per_day=line.texts_per_day or 0)

    def with_texts_left(self, today: dt.date) -> "TurnstileQuerySet":
        return self.filter(Q(share=None) | Q(texts__lt=F("share")) | Q(day__lt=today, share__gt=0))


class Turnstile(models.Model):
    """One of the gates through which a line's texts leave, one a second each (``messaging.pace``).

    A line of three texts a second has three of them, and its texts of a day are shared out among them. So no two
    claims wait for each other, and yet no second and no day sees more texts than the line may send.
    """

    line = models.ForeignKey(Line, on_delete=models.CASCADE, related_name="turnstiles")
    number = models.PositiveSmallIntegerField()
    # The pace it was made for; 0 is none.
    per_second = models.PositiveSmallIntegerField()
    per_day = models.PositiveIntegerField()
    share = models.PositiveIntegerField(null=True, help_text="Of the texts of a day. Empty: no limit.")
    free_at = models.DateTimeField(default=LONG_AGO)
    day = models.DateField(default=dt.date(2000, 1, 1))
    texts = models.PositiveIntegerField(default=0, help_text="That went through on that day.")

    objects = TurnstileQuerySet.as_manager()

    class Meta:
        ordering = ["line", "number"]
        constraints = [models.UniqueConstraint(fields=["line", "number"], name="a_line_numbers_its_turnstiles")]

    def __str__(self) -> str:
        return f"{self.line}, turnstile {self.number}"
