import datetime as dt
from collections.abc import Collection

from django.conf import settings
from django.db import models
from django.db.models import Q

from consent.models import Contact, Line
from consent.models.ledger import AuditRow
from messaging.models.conversation import Conversation
from messaging.models.message import Message


class Doubt(models.TextChoices):
    REVOCATION = "revocation", "May have asked us to stop"
    ACCEPTANCE = "acceptance", "May have agreed"


class Outcome(models.TextChoices):
    OPEN = "", "Open"
    OPT_OUT = "opt_out", "It was an opt-out"
    NOT_AN_OPT_OUT = "not_an_opt_out", "It was no opt-out"
    UNDECIDED = "undecided", "Nobody decided in time: opted out"
    AGREED = "agreed", "They agreed"
    NOT_AGREED = "not_agreed", "They did not agree"
    OVERTAKEN = "overtaken", "The contact settled it themselves"


class ReviewQuerySet(models.QuerySet["Review"]):
    def open(self) -> "ReviewQuerySet":
        return self.filter(outcome=Outcome.OPEN)

    def revocations(self) -> "ReviewQuerySet":
        return self.filter(doubt=Doubt.REVOCATION)

    def acceptances(self) -> "ReviewQuerySet":
        return self.filter(doubt=Doubt.ACCEPTANCE)

    def overtake(self, contact: Contact, lines: Collection[Line], at: dt.datetime) -> None:
        """The contact said yes or no themselves, or an officer did: nothing on these lines is in doubt any more."""
        still = self.open().filter(conversation__contact=contact, conversation__line__in=lines)
        still.update(outcome=Outcome.OVERTAKEN, decided_at=at)

    def due(self, today: dt.date) -> "ReviewQuerySet":
        """Open reviews whose last day has come."""
        return self.open().filter(last_day__lte=today)


class Review(models.Model):
    """A text that a person has to read, because it may be a revocation or an acceptance.

    open ─▶ opt_out | not_an_opt_out | undecided (last day) ; agreed | not_agreed ; overtaken (STOP, START or YES came)

    One that may be a revocation suspends sending (``Consent.review_since``) and has a last day; one that may be an
    acceptance does neither. At most one of each is open in a conversation: what is written meanwhile belongs to it.
    """

    conversation = models.ForeignKey(Conversation, on_delete=models.PROTECT, related_name="reviews")
    message = models.OneToOneField(Message, on_delete=models.PROTECT, related_name="review")
    doubt = models.CharField(max_length=10, choices=Doubt.choices)
    opened_at = models.DateTimeField()
    last_day = models.DateField(null=True, help_text="Undecided on this day, it becomes an opt-out.")
    outcome = models.CharField(max_length=14, choices=Outcome.choices, blank=True, default=Outcome.OPEN)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=500, blank=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["last_day", "opened_at", "pk"]
        verbose_name_plural = "review queue"
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "doubt"], condition=Q(outcome=Outcome.OPEN), name="one_open_review_of_a_kind"
            )
        ]
        indexes = [
            models.Index(fields=["last_day"], condition=Q(outcome=Outcome.OPEN), name="open_reviews_by_last_day")
        ]
        permissions = [("decide_review", "Can decide reviews"), ("read_held_back", "Can read held-back texts, logged")]

    def __str__(self) -> str:
        return f"{self.get_doubt_display()}: {self.conversation}"


class PossibleAcceptance(Review):
    """The reviews without clock or suspension, as a list of their own."""

    class Meta:
        proxy = True
        ordering = ["opened_at", "pk"]
        default_permissions = ()
        verbose_name = "possible acceptance"


class HeldBackRead(AuditRow):
    """Somebody read words that were held back from agents. Kept, so that it can be asked who did and why."""

    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="reads")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = "reading of a held-back text"
        verbose_name_plural = "readings of held-back texts"

    def __str__(self) -> str:
        return f"{self.reader} read a held-back text"
