from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q

from consent.models import Contact, Line, Tag
from messaging.models.template import Version, Worded


class SavedTextQuerySet(models.QuerySet["SavedText"]):
    def offered(self, line: Line, contact: Contact) -> "SavedTextQuerySet":
        """The active ones that an agent may insert here: for this line or every line, and where a saved text has tags,
        for contacts with one of them. Each with its current version."""
        lines = SavedText.lines.through.objects.filter(savedtext=OuterRef("pk"))
        tags = SavedText.tags.through.objects.filter(savedtext=OuterRef("pk"))
        return self.filter(
            ~Exists(lines) | Exists(lines.filter(line=line)),
            ~Exists(tags) | Exists(tags.filter(tag__contacts=contact)),
            Q(active=True, current__isnull=False),
        ).select_related("current")


class SavedText(Worded):
    """An approved ordinary text with variables, for agents to insert. Saving its words adds a version."""

    name = models.CharField(max_length=60, unique=True, help_text="By which agents find it.")
    lines = models.ManyToManyField(Line, blank=True, help_text="None chosen: every line.")
    tags = models.ManyToManyField(Tag, blank=True, help_text="None chosen: contacts with and without tags.")
    active = models.BooleanField(default=True)
    current = models.ForeignKey(
        "SavedTextVersion", on_delete=models.PROTECT, null=True, editable=False, related_name="+"
    )

    objects = SavedTextQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def variables_of(self) -> None:
        return None

    def say(self, body: str, *, author: Any = None, **circumstances: Any) -> Any:
        """Make ``body`` its words from now on, as a new version (see ``save_words``)."""
        return self.save_words(body, author=author, **circumstances)

    def restore(self, version: "SavedTextVersion", *, author: Any, seen: int | None = None) -> Any:
        """Make the words of an old version its words again, as a new version."""
        return self.say(version.body, author=author, seen=seen, restored_from=version)


class SavedTextVersion(Version):
    """A version of a saved text. Texts that were made from it point here."""

    saved_text = models.ForeignKey(SavedText, on_delete=models.PROTECT, related_name="versions")

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["saved_text", "number"], name="saved_text_versions_are_numbered")
        ]

    def __str__(self) -> str:
        return f"{self.saved_text}, version {self.number}"
