import uuid
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F

from consent.models import Line
from consent.models.ledger import AuditRowError
from consent.vocabulary import Language, Level
from messaging import rendering
from messaging.wordings import Kind


class TemplateQuerySet(models.QuerySet["Template"]):
    def for_line(self, kind: str, line: Line) -> "Template":
        """The template that speaks for ``kind`` on ``line``: the line's own, else the one for every line."""
        return (
            self.filter(models.Q(line=line) | models.Q(line=None), kind=kind, language="en")
            .order_by(F("line").asc(nulls_last=True))
            .select_related("current")[0]
        )


class Template(models.Model):
    """The editable wording of one automatic text or notice. Saving a wording adds a version; none is ever changed."""

    kind = models.CharField(max_length=40, choices=Kind.choices)
    line = models.ForeignKey(
        Line, on_delete=models.PROTECT, null=True, blank=True, help_text="Empty: for every line without its own."
    )
    language = models.CharField(max_length=2, choices=Language.choices, default=Language.ENGLISH)
    in_use = models.BooleanField(
        default=True, help_text="Switched off: the next less specific wording speaks in its place."
    )
    current = models.ForeignKey(
        "TemplateVersion", on_delete=models.PROTECT, null=True, editable=False, related_name="+"
    )

    objects = TemplateQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "line_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "line", "language"],
                condition=models.Q(line__isnull=False),
                name="one_template_per_kind_line_and_language",
            ),
            models.UniqueConstraint(
                fields=["kind", "language"],
                condition=models.Q(line__isnull=True),
                name="one_general_template_per_kind_and_language",
            ),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()

    def say(self, body: str, *, author: Any = None, level: str = Level.EXPRESS) -> "TemplateVersion":
        """Make ``body`` the wording from now on, as a new version. The same words again make none.

        Raises rendering.WordingError for unknown variables or stray braces.
        """
        rendering.check(body, Kind(self.kind))
        if self.current and (self.current.body, self.current.level) == (body, level):
            return self.current
        number = self.versions.count() + 1
        self.current = self.versions.create(number=number, body=body, author=author, level=level)
        self.save(update_fields=["current"])
        return self.current


class Version(models.Model):
    """One wording as it was saved, numbered from 1. What was sent points here, so it never changes."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    number = models.PositiveIntegerField()
    body = models.TextField(max_length=1000)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)
    restored_from = models.ForeignKey("self", on_delete=models.PROTECT, null=True, editable=False, related_name="+")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AuditRowError("A saved wording is never changed. Save a new version.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditRowError("A saved wording is never deleted.")


class TemplateVersion(Version):
    """A version of a template. Sent texts and ledger entries point here."""

    template = models.ForeignKey(Template, on_delete=models.PROTECT, related_name="versions")
    level = models.CharField(
        "a YES to it gives",
        max_length=8,
        choices=Level.choices,
        default=Level.EXPRESS,
        help_text="Written only if the wording holds what the law wants of written consent.",
    )

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["template", "number"], name="template_versions_are_numbered")]

    def __str__(self) -> str:
        return f"{self.template}, version {self.number}"

    def clean(self) -> None:
        try:
            rendering.check(self.body, Kind(self.template.kind))
        except rendering.WordingError as error:
            raise ValidationError({"body": str(error)}) from None
