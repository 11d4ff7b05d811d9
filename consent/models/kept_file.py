import uuid

from django.conf import settings
from django.db import models

from consent.models.contact import Contact
from consent.models.line import Line


class KeptFile(models.Model):
    """A file that proves a change of consent: a scanned form, a saved e-mail, a photograph.

    The bytes lie beside the database under a name that says nothing (consent.kept_files); the evidence of the ledger
    entry names this row and their SHA-256. ``kind`` is what the bytes are, not what the name says.
    """

    class Kind(models.TextChoices):
        PDF = "application/pdf", "PDF"
        PNG = "image/png", "PNG"
        JPEG = "image/jpeg", "JPEG"
        TEXT = "text/plain", "Text"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="kept_files")
    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=100, help_text="As the person called it who gave it to us.")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    size = models.PositiveIntegerField(help_text="In bytes.")
    sha256 = models.CharField(max_length=64)
    kept_at = models.DateTimeField(auto_now_add=True)
    kept_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return self.name
