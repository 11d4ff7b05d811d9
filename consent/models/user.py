from django.contrib.auth.models import AbstractUser
from django.db import models

from consent.models.line import Line


class User(AbstractUser):
    """Someone who works with Optline, in the admin or through the API. Their groups say what they may do."""

    shown_name = models.CharField(
        "name shown to contacts",
        max_length=40,
        blank=True,
        help_text="How automatic texts name this person. Left empty, the line's name stands in.",
    )
    lines = models.ManyToManyField(
        Line,
        blank=True,
        related_name="people",
        help_text="The lines an agent or an integrator works on. Officers and supervisors see every line anyway.",
    )

    class Meta(AbstractUser.Meta):
        permissions = [("change_shown_name", "Can set the name that contacts see")]

    def __str__(self) -> str:
        return self.get_full_name() or self.get_username()

    def usable_lines(self) -> models.QuerySet[Line]:
        """The lines whose conversations this person may see and text on."""
        if not self.is_active:
            return Line.objects.none()
        if self.has_perm("consent.use_every_line"):
            return Line.objects.all()
        return Line.objects.filter(people=self)

    def may_use(self, line: Line) -> bool:
        return self.usable_lines().filter(pk=line.pk).exists()
