import datetime as dt
import uuid
from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from consent.models import Contact
from consent.models.ledger import AuditRowError

# How long a finished file can be fetched (PRODUCT "Screens" 5).
KEPT_FOR = dt.timedelta(days=7)
# A worker says every second that it is alive; one that was silent for so long is taken to be dead.
SILENCE = dt.timedelta(seconds=30)


class ReportRunQuerySet(models.QuerySet["ReportRun"]):
    def delete(self) -> NoReturn:
        raise AuditRowError("What was exported stays on record.")

    def evidence_of(self, contact: Contact) -> "ReportRunQuerySet":
        """The evidence packs of a contact."""
        return self.filter(report=ReportRun.Report.EVIDENCE, filters__contact=str(contact.uuid))

    def to_make(self, now: dt.datetime) -> "ReportRunQuerySet":
        """Files that a worker should make: nobody began, or who began is silent."""
        State = ReportRun.State
        abandoned = Q(state=State.RUNNING, heartbeat_at__lt=now - SILENCE)
        return self.filter(Q(state=State.WAITING) | abandoned, in_background=True).order_by("pk")

    def cut_off(self, now: dt.datetime) -> "ReportRunQuerySet":
        """Downloads that should long have ended: whoever served them is gone."""
        longest = dt.timedelta(seconds=settings.EXPORT_SECONDS) + SILENCE
        return self.filter(in_background=False, state=ReportRun.State.RUNNING, created__lt=now - longest)

    def to_remove(self, now: dt.datetime) -> "ReportRunQuerySet":
        """Runs whose file has been kept for long enough."""
        return self.filter(
            in_background=True, state=ReportRun.State.DONE, ended_at__lt=now - KEPT_FOR, file_removed_at=None
        )


class ReportRun(models.Model):
    """One export: who took which file with what in it. Never deleted; once it has ended it stays as it is.

    streamed to the browser:   running ─▶ done | cancelled (the reader went away) | failed
    made in the background:    waiting ─claimed─▶ running ─▶ done ─▶ file removed after 7 days
                                  ▲                │ └─▶ failed
                                  └─ worker died ──┘     waiting, running ─▶ cancelled

    ``sha256`` and ``size`` are of the whole file as it was handed out, ``rows`` without the heading. ``as_of`` is the
    instant whose state the file shows, by recorded time.
    """

    class Report(models.TextChoices):
        SNAPSHOT = "snapshot", "Opt In & Out Snapshot"
        FUNNEL = "funnel", "Double opt-in funnel"
        EVIDENCE = "evidence", "Evidence pack"

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        CSV_FOR_EXCEL = "csv-excel", "CSV for Excel"
        XLSX = "xlsx", "Excel (XLSX)"
        JSON = "json", "JSON"
        PDF = "pdf", "PDF"
        ZIP = "zip", "ZIP"

    class Origin(models.TextChoices):
        ADMIN = "admin", "Admin"
        API = "api", "API"
        COMMAND = "command", "Command line"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for a worker"
        RUNNING = "running", "Being made"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    report = models.CharField(max_length=8, choices=Report.choices)
    format = models.CharField(max_length=9, choices=Format.choices)
    origin = models.CharField(max_length=7, choices=Origin.choices)
    # Null for the command line, which has no user of ours.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="report_runs")
    filters = models.JSONField(default=dict, help_text="What was chosen, in the words of the API.")
    numbers_masked = models.BooleanField("numbers hidden", default=False)
    as_of = models.DateTimeField("shows the state of", null=True)
    in_background = models.BooleanField(default=False)
    state = models.CharField(max_length=9, choices=State.choices)
    created = models.DateTimeField("asked for")
    started_at = models.DateTimeField("begun", null=True)
    ended_at = models.DateTimeField("ended", null=True)
    heartbeat_at = models.DateTimeField(null=True)
    # Whoever makes the file holds this; a second worker that takes over gets another.
    claim = models.UUIDField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    expected_rows = models.PositiveBigIntegerField(null=True)
    rows = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(null=True, help_text="In bytes.")
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    problem = models.TextField(blank=True)
    file_removed_at = models.DateTimeField(null=True)

    objects = ReportRunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "export"
        permissions = [
            ("export_reports", "Can see and export the snapshot and the funnel"),
            ("download_any_export", "Can download what others exported"),
            ("make_evidence_pack", "Can make evidence packs"),
        ]
        indexes = [
            models.Index(
                fields=["state", "heartbeat_at"],
                condition=Q(in_background=True, state__in=["waiting", "running"]),
                name="reports_to_make",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_report_display()}, {self.get_format_display()}"

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditRowError("What was exported stays on record.")

    @property
    def ended(self) -> bool:
        return self.state in {self.State.DONE, self.State.FAILED, self.State.CANCELLED}

    @property
    def seconds(self) -> float | None:
        """From the first row to the last."""
        return (self.ended_at - self.started_at).total_seconds() if self.started_at and self.ended_at else None

    @property
    def kept_until(self) -> dt.datetime | None:
        """Until when the file can be fetched; None where there is none."""
        if not self.in_background or self.state != self.State.DONE or self.file_removed_at or not self.ended_at:
            return None
        until = self.ended_at + KEPT_FOR
        return until if until > timezone.now() else None


class Download(models.Model):
    """Somebody fetched the file of an export that was made in the background. Never changed, never deleted."""

    run = models.ForeignKey(ReportRun, on_delete=models.PROTECT, related_name="downloads")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.run} by {self.user}"

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditRowError("Who fetched what stays on record.")
