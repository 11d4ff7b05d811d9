from django.db import models

from consent.models import Line, Tag
from messaging.models.template import Version


class SavedText(models.Model):
    """An approved ordinary text with variables, for agents to insert. Saving its words adds a version."""

    name = models.CharField(max_length=60, unique=True, help_text="By which agents find it.")
    lines = models.ManyToManyField(Line, blank=True, help_text="None chosen: every line.")
    tags = models.ManyToManyField(Tag, blank=True, help_text="None chosen: contacts with and without tags.")
    active = models.BooleanField(default=True)
    current = models.ForeignKey(
        "SavedTextVersion", on_delete=models.PROTECT, null=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


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
