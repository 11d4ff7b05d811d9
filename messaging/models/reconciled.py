import datetime as dt

from django.db import models

from consent.models import Line


class ReconciledQuerySet(models.QuerySet["Reconciled"]):
    def reached(self, line: Line, up_to: dt.datetime) -> None:
        """Move a line's mark forward, never back."""
        mark, made = self.get_or_create(line=line, defaults={"up_to": up_to})
        if not made:
            self.filter(pk=mark.pk, up_to__lt=up_to).update(up_to=up_to)


class Reconciled(models.Model):
    """Up to when, by the provider's clock, the texts that came in for a line were compared with the provider's list."""

    line = models.OneToOneField(Line, on_delete=models.CASCADE, related_name="reconciled")
    up_to = models.DateTimeField()

    objects = ReconciledQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.line} up to {self.up_to}"
