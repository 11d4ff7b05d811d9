from typing import Any, NoReturn

from django.db import models

from consent.models.ledger import AuditRow, AuditRowError


class Seal(AuditRow):
    """One hash over the heads of all chains as they were (reporting.seals). Never changed, never deleted.

    It covers every ledger entry up to the id ``up_to``: with its own heads those of the chains that grew since the seal
    before, and through that seal's hash all others.
    """

    number = models.PositiveIntegerField(unique=True)
    day = models.DateField(unique=True, help_text="In the install's time zone.")
    taken_at = models.DateTimeField()
    up_to = models.BigIntegerField("up to ledger entry")
    chains = models.PositiveIntegerField("chains that grew", help_text="Since the seal before.")
    entries = models.PositiveBigIntegerField("entries in all", help_text="Up to this seal.")
    previous = models.CharField("hash of the seal before", max_length=64, blank=True)
    sha256 = models.CharField("hash", max_length=64)

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"Seal {self.number}, {self.day}"


class SealMailed(models.Model):
    """That a seal was sent out. A row of its own, since a seal never changes."""

    seal = models.OneToOneField(Seal, on_delete=models.PROTECT, related_name="mailed")
    to = models.CharField(max_length=254)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.seal} to {self.to}"

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditRowError("What was mailed stays on record.")
