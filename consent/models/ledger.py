import uuid
from typing import Any, NoReturn

from django.conf import settings
from django.db import models

from consent.models.contact import Contact
from consent.models.line import Line
from consent.vocabulary import Category, Channel, EntryKind, Level, RequestState, Scope, Status


class AuditRowError(Exception):
    """Somebody tried to change or delete what must stay as it was written."""


class AuditQuerySet(models.QuerySet[Any]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AuditRowError("Audit rows are never changed.")

    def delete(self) -> NoReturn:
        raise AuditRowError("Audit rows are never deleted.")


class AuditRow(models.Model):
    """Insert only. The model refuses for clarity; the database's triggers refuse for good (consent.triggers)."""

    objects = AuditQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AuditRowError("Audit rows are never changed.")
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditRowError("Audit rows are never deleted.")


class LedgerEntry(AuditRow):
    """One change of consent, never changed, never deleted. Holds no personal data: words and numbers are Evidence.

    Entries of a contact form a chain: each hash covers the one before it (consent.chain). An entry about a line holds
    what the state was after it (``status_to``, ``since``, ``source``, ``until``, ``request_state``), so the last one up
    to any instant is the state at that instant.
    """

    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="entries")
    line = models.ForeignKey(Line, on_delete=models.PROTECT, null=True, related_name="entries")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=22, choices=EntryKind.choices)
    status_from = models.CharField(max_length=12, choices=Status.choices, blank=True)
    status_to = models.CharField(max_length=12, choices=Status.choices, blank=True)
    since = models.DateTimeField("status since", null=True)
    source = models.CharField("source of the status", max_length=10, choices=Channel.choices, blank=True)
    until = models.DateTimeField("consent valid until", null=True)
    request_state = models.CharField(max_length=10, choices=RequestState.choices, blank=True)
    level = models.CharField(max_length=8, choices=Level.choices, blank=True)
    channel = models.CharField(max_length=10, choices=Channel.choices, blank=True)
    # How far a revocation reaches, so that lines created later learn of it too.
    scope = models.CharField(max_length=10, choices=Scope.choices, blank=True)
    scope_category = models.CharField(max_length=14, choices=Category.choices, blank=True)
    rule = models.CharField(max_length=60, blank=True, help_text="The rule that read the contact's words.")
    wording = models.UUIDField("wording version", null=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    evidence_digest = models.CharField(max_length=64, blank=True)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "ledger entries"
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["contact", "seq"], name="one_chain_per_contact")]
        indexes = [
            models.Index(fields=["line", "contact", "seq"]),
            models.Index(fields=["evidence_digest"]),
            models.Index(
                fields=["scope", "scope_category", "contact"],
                condition=models.Q(kind__in=["opted_out", "opt_out_repeated", "opt_out_outdated"]),
                name="revocations_by_reach",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, no. {self.seq} of {self.contact}"


class Evidence(AuditRow):
    """What proves an entry: words, number, address, file. Entries name it by its digest, so that it can be erased.

    The digest is SHA-256 over the salt and the canonical JSON of ``data``. Deleting a row is possible only after an
    "evidence erased" entry with its digest (the database's trigger sees to that).
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    digest = models.CharField(max_length=64, unique=True)
    salt = models.BinaryField(max_length=32)
    data = models.JSONField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "evidence"

    def __str__(self) -> str:
        return f"Evidence {self.digest[:12]}"
