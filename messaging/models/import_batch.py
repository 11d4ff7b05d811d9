import datetime as dt
import uuid
from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from consent.models.ledger import AuditRowError

# How long a file stays after its import has ended, or after nobody went on with it.
KEPT_FOR = dt.timedelta(days=7)
# A worker says with each chunk that it is alive; one that was silent for so long is taken to be dead.
SILENCE = dt.timedelta(seconds=60)


class ImportBatchQuerySet(models.QuerySet["ImportBatch"]):
    def delete(self) -> NoReturn:
        raise AuditRowError("What was imported stays on record.")

    def to_do(self, now: dt.datetime) -> "ImportBatchQuerySet":
        """Batches that a worker should check or import: nobody began, or who began is silent."""
        State = ImportBatch.State
        abandoned = Q(state__in=[State.CHECKING, State.RUNNING], heartbeat_at__lt=now - SILENCE)
        return self.filter(Q(state__in=[State.TO_CHECK, State.WAITING]) | abandoned).order_by("pk")

    def to_remove(self, now: dt.datetime) -> "ImportBatchQuerySet":
        """Batches whose file has been kept for long enough."""
        busy = [ImportBatch.State.TO_CHECK, ImportBatch.State.CHECKING]
        busy += [ImportBatch.State.WAITING, ImportBatch.State.RUNNING]
        return self.exclude(state__in=busy).filter(touched_at__lt=now - KEPT_FOR, file_removed_at=None)


class ImportBatch(models.Model):
    """One file of consents, opt-outs or numbers not to contact, and what became of its rows. Never deleted.

    draft ──columns chosen──▶ to_check ─▶ checking ─▶ checked ──"Import"──▶ waiting ─▶ running ─▶ done
      ▲                                      │           │                     ▲          │
      └────────── columns chosen anew ───────┴───────────┘                     └─go on── failed | cancelled
    worker died: checking begins again; running goes on behind the last chunk that was committed.

    ``plan`` is what was chosen (messaging.importing.plan.Plan), ``done`` how many rows of all passes over the file are
    behind us. ``check_counts`` and ``counts`` say what became of them, ``check_refusals`` and ``refusals`` why some
    were refused; the rows themselves are named in ImportChunk. ``sha256`` is of the file as it was uploaded.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Columns to be chosen"
        TO_CHECK = "to_check", "Waiting to be checked"
        CHECKING = "checking", "Being checked"
        CHECKED = "checked", "Checked, nothing imported yet"
        WAITING = "waiting", "Waiting for a worker"
        RUNNING = "running", "Being imported"
        DONE = "done", "Imported"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    class Origin(models.TextChoices):
        ADMIN = "admin", "Admin"
        COMMAND = "command", "Command line"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80, unique=True, help_text="How reports call this import.")
    origin = models.CharField(max_length=7, choices=Origin.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="imports")
    file_name = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField(help_text="In bytes.")
    sha256 = models.CharField("SHA-256", max_length=64)
    # How the file is read: kind, encoding, delimiter, whether its first row names the columns (importing.sheets.Form).
    form = models.JSONField()
    headings = models.JSONField(help_text="What its columns are called.")
    plan = models.JSONField(default=dict, help_text="What its columns mean, and what holds for all rows.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    created = models.DateTimeField("uploaded", auto_now_add=True)
    touched_at = models.DateTimeField(editable=False)
    checked_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField("begun", null=True)
    ended_at = models.DateTimeField("ended", null=True)
    heartbeat_at = models.DateTimeField(null=True)
    # Whoever works on it holds this; a second worker that takes over gets another.
    claim = models.UUIDField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    rows = models.PositiveBigIntegerField(null=True, help_text="Known once it was checked.")
    done = models.PositiveBigIntegerField(default=0)
    check_counts = models.JSONField(default=dict)
    check_refusals = models.JSONField(default=dict)
    counts = models.JSONField(default=dict)
    refusals = models.JSONField(default=dict)
    problem = models.TextField(blank=True)
    file_removed_at = models.DateTimeField(null=True)

    objects = ImportBatchQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "import"
        default_permissions = ("view",)
        permissions = [("import_consents", "Can import consents, opt-outs and numbers not to contact")]
        indexes = [
            models.Index(
                fields=["state", "heartbeat_at"],
                condition=Q(state__in=["to_check", "checking", "waiting", "running"]),
                name="imports_to_do",
            ),
            models.Index(fields=["sha256"]),
        ]

    def __str__(self) -> str:
        return self.name

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditRowError("What was imported stays on record.")

    @property
    def busy(self) -> bool:
        """A worker has it, or will."""
        State = self.State
        return self.state in {State.TO_CHECK, State.CHECKING, State.WAITING, State.RUNNING}

    @property
    def importing(self) -> bool:
        """Something of it may be in the ledger."""
        return self.started_at is not None

    @property
    def seconds(self) -> float | None:
        return (self.ended_at - self.started_at).total_seconds() if self.started_at and self.ended_at else None

    @property
    def file_kept_until(self) -> dt.datetime | None:
        """Until when the file, and with it the refused rows, can be read; None where it is gone."""
        if self.file_removed_at:
            return None
        until = self.touched_at + KEPT_FOR
        return until if self.busy or until > timezone.now() else None


class ImportChunk(models.Model):
    """Rows that were checked, or imported, in one go: all of them or none.

    Written in the transaction that imported them, so a chunk that is here is in the ledger, exactly once. ``refused``
    lists row and reasons of what was refused; what stood in the row is read from the file.
    """

    batch = models.ForeignKey(ImportBatch, on_delete=models.PROTECT, related_name="chunks")
    checking = models.BooleanField()
    first = models.PositiveBigIntegerField(help_text="How many rows of all passes were done before.")
    rows = models.PositiveIntegerField()
    counts = models.JSONField(default=dict)
    refused = models.JSONField(default=list)

    class Meta:
        ordering = ["first"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "checking", "first"], name="each_chunk_of_an_import_once")
        ]

    def __str__(self) -> str:
        return f"Rows of {self.batch} from {self.first}"
