"""Counts kept ahead, so that the dashboard reads a few rows however many consents and texts there are."""

from django.db import models
from django.db.models import Q

from consent.models import Line


class Figure(models.Model):
    """One number of the dashboard, for one line. Nothing here is the truth: all of it can be counted again at any time.

    Those of consent and ledger grow with each new entry, those of requests and texts are replaced (reporting.figures).
    """

    class What(models.TextChoices):
        # Up to what the mark says:
        PAIRS = "pairs", "Contacts on record on the line"
        STATUS = "status", "Contacts in a status"
        CHANGES = "changes", "Changes of status on a day"  # key: "from>to"
        OPT_OUTS = "opt_outs", "Opt-outs on a day, by the rule that read them"
        LEFT_AFTER = "left_after", "Texted opt-outs on a day, by the text of ours before them"
        # As of when they were last counted:
        REQUESTS = "requests", "Opt-in requests sent on a day, by outcome"
        REFUSED = "refused", "Refused texts written on a day, by reason"
        TEXTS = "texts", "Texts that wait now"

    what = models.CharField(max_length=10, choices=What.choices)
    line = models.ForeignKey(Line, on_delete=models.CASCADE, related_name="+")
    day = models.DateField(null=True, help_text="In the install's time zone. Empty: as of now.")
    key = models.CharField(max_length=60, blank=True)
    number = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["what", "line", "key"], condition=Q(day=None), name="one_figure_as_of_now"),
            models.UniqueConstraint(
                fields=["day", "what", "line", "key"], condition=Q(day__isnull=False), name="one_figure_a_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_what_display()}: {self.number}"


class MarkQuerySet(models.QuerySet["Mark"]):
    def lock(self) -> "Mark":
        """The one mark, held until the transaction ends: one process counts at a time."""
        return self.select_for_update().get_or_create(pk=1)[0]


class Mark(models.Model):
    """How far consents and ledger entries are counted (one row).

    Everything up to ``ledger`` and ``consent`` is in the figures, and no row with such an id can appear any more. Up to
    ``seen_…`` rows may still be written by transactions below ``seen_xid``, which were under way.
    """

    ledger = models.BigIntegerField(default=0)
    consent = models.BigIntegerField(default=0)
    seen_ledger = models.BigIntegerField(default=0)
    seen_consent = models.BigIntegerField(default=0)
    seen_xid = models.BigIntegerField(null=True)
    counted_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True, help_text="What /readyz said then.")
    # What is to be said of the versions that the figures name, by their key (figures.versions).
    versions = models.JSONField(default=dict)

    objects = MarkQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Counted up to ledger entry {self.ledger}"
