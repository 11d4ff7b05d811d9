import uuid
from collections.abc import Sequence
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Case, F, Q, Value, When

from consent.models import Line
from consent.models.ledger import AuditRowError
from consent.vocabulary import Language, Level
from messaging import rendering
from messaging.wordings import Kind


class OvertakenError(rendering.WordingError):
    """Somebody saved a newer version since the one that was edited. ``current`` is theirs."""

    def __init__(self, current: "Version") -> None:
        self.current = current
        super().__init__(
            f"{current.author or 'Somebody'} saved version {current.number} while you were writing. "
            "Your words are kept here: compare them with the ones in use, then save again to replace those."
        )


class Worded(models.Model):
    """What has words, saved as numbered versions. The current one speaks; none is ever changed."""

    current: Any
    versions: Any

    class Meta:
        abstract = True

    @property
    def variables_of(self) -> Kind | None:
        """Whose variables the words may use. None: those of an agent's ordinary text."""
        raise NotImplementedError

    def save_words(
        self,
        body: str,
        *,
        author: Any = None,
        seen: int | None = None,
        restored_from: "Version | None" = None,
        **details: Any,
    ) -> Any:
        """Make ``body`` the wording from now on, as a new version. The same words again make none.

        ``seen`` is the number of the version that was edited (0: none): OvertakenError where it is no longer the
        current one. WordingError where the words can't be used.
        """
        if not body.strip():
            raise rendering.WordingError("Write the wording. It can't be empty.")
        rendering.check(body, self.variables_of)
        with transaction.atomic():
            # Locked, so that two people who save at once make two versions and not one number twice.
            locked = type(self)._default_manager.select_for_update(no_key=True).get(pk=self.pk)
            current = self.current = locked.current
            if seen is not None and seen != (current.number if current else 0):
                raise OvertakenError(current)
            if current and all(getattr(current, name) == value for name, value in {"body": body, **details}.items()):
                return current
            number = current.number + 1 if current else 1
            self.current = self.versions.create(
                number=number, body=body, author=author, restored_from=restored_from, **details
            )
            self.save(update_fields=["current"])
        return self.current


class TemplateQuerySet(models.QuerySet["Template"]):
    def for_line(self, kind: str, line: Line | None, languages: Sequence[str] = ()) -> "Template":
        """The template that speaks for ``kind`` on ``line``, in the first of ``languages`` that has one, else English.

        Within a language the line's own goes before the one for every line. One query. What is switched off, or has no
        wording yet, does not speak; the general English one always does.
        """
        wanted = [*dict.fromkeys(code for code in (*languages, Language.ENGLISH) if code)]
        rank = Case(*(When(language=code, then=Value(place)) for place, code in enumerate(wanted)))
        return (
            self.filter(Q(line=line) | Q(line=None), kind=kind, language__in=wanted, in_use=True, current__isnull=False)
            .order_by(rank, F("line").asc(nulls_last=True))
            .select_related("current")[0]
        )


class Template(Worded):
    """The editable wording of one automatic text or notice, for every line or one, in one language."""

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

    @property
    def variables_of(self) -> Kind:
        return Kind(self.kind)

    @property
    def always_speaks(self) -> bool:
        """True for the general English one of each kind: it speaks where nothing more specific does."""
        return self.line_id is None and self.language == Language.ENGLISH

    def clean(self) -> None:
        if self.always_speaks and not self.in_use:
            raise ValidationError(
                {
                    "in_use": "The general English wording is the last resort of this text and stays in use. To say "
                    "something else, edit it, or add a wording for one line or language."
                }
            )

    def say(self, body: str, *, author: Any = None, level: str = Level.EXPRESS, **circumstances: Any) -> Any:
        """Make ``body`` the wording from now on (see ``save_words``). ``level`` is the consent a YES to it gives."""
        return self.save_words(body, author=author, level=level, **circumstances)

    def restore(self, version: "TemplateVersion", *, author: Any, seen: int | None = None) -> Any:
        """Make the words and the level of an old version the wording again, as a new version."""
        return self.say(version.body, author=author, level=version.level, seen=seen, restored_from=version)


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
