"""What others say about numbers: carriers, registries, and those who sell lists. Each comes in with its date."""

from django.conf import settings
from django.db import models

from consent.models.contact import Contact
from consent.vocabulary import SCRUB_LISTS, NumberList


class ListImport(models.Model):
    """One list, or one set of answers, as it came in. It stays, because it proves that somebody looked, and when."""

    kind = models.CharField("list", max_length=12, choices=NumberList.choices)
    as_of = models.DateField("as of", help_text="The day whose truth the list tells.")
    file_name = models.CharField("file", max_length=200, blank=True)
    sha256 = models.CharField("SHA-256 of the file", max_length=64, blank=True)
    rows = models.PositiveIntegerField(default=0)
    listed = models.PositiveIntegerField(default=0, help_text="How many numbers it names as listed.")
    suspended = models.PositiveIntegerField(
        "contacts suspended", default=0, help_text="For how many contacts nothing is sent any more because of it."
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created = models.DateTimeField("imported", auto_now_add=True)

    class Meta:
        verbose_name = "imported list"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["as_of"], condition=models.Q(kind="deactivated"), name="one_list_of_deactivated_numbers_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} as of {self.as_of:%d %B %Y}"


class ScrubResultQuerySet(models.QuerySet["ScrubResult"]):
    def lists_naming(self, number: str) -> frozenset[str]:
        """The lists that the number is on."""
        return frozenset(self.filter(number=number, listed=True).values_list("kind", flat=True))


class ScrubResult(models.Model):
    """What the newest imported list of a kind that names this number says about it."""

    kind = models.CharField("list", max_length=12, choices=[(each.value, each.label) for each in SCRUB_LISTS])
    number = models.CharField(max_length=16)
    listed = models.BooleanField()
    as_of = models.DateField("as of")
    batch = models.ForeignKey(ListImport, on_delete=models.PROTECT, related_name="results", verbose_name="import")

    objects = ScrubResultQuerySet.as_manager()

    class Meta:
        ordering = ["number", "kind"]
        constraints = [models.UniqueConstraint(fields=["number", "kind"], name="one_scrub_result_per_list")]

    def __str__(self) -> str:
        return f"{self.number}: {'on' if self.listed else 'not on'} the list “{self.get_kind_display()}”"


class ReassignmentAnswer(models.Model):
    """What the Reassigned Numbers Database said about one number: the proof that it was asked (47 CFR 64.1200(m))."""

    class Answer(models.TextChoices):
        YES = "yes", "Disconnected since"
        NO = "no", "Not disconnected"
        NO_DATA = "no_data", "No data"

    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="reassignment_answers")
    asked_about = models.DateField("asked about", help_text="The day on which the number was certainly theirs.")
    answer = models.CharField(max_length=8, choices=Answer.choices)
    batch = models.ForeignKey(ListImport, on_delete=models.PROTECT, related_name="answers", verbose_name="import")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.contact}: {self.get_answer_display()} {self.asked_about:%d %B %Y}"
