import datetime as dt
from collections.abc import Collection

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from consent.models import Contact, Line
from consent.models.ledger import AuditRow
from messaging.keywords import Meaning
from messaging.models.conversation import Conversation
from messaging.models.message import Direction, Message, MessageQuerySet


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
    OVERTAKEN = "overtaken", "Settled by an opt-in or opt-out meanwhile"


class ReviewQuerySet(models.QuerySet["Review"]):
    def open(self) -> "ReviewQuerySet":
        return self.filter(outcome=Outcome.OPEN)

    def revocations(self) -> "ReviewQuerySet":
        return self.filter(doubt=Doubt.REVOCATION)

    def acceptances(self) -> "ReviewQuerySet":
        return self.filter(doubt=Doubt.ACCEPTANCE)

    def overtake(self, contact: Contact, lines: Collection[Line], at: dt.datetime) -> None:
        """An opt-in or opt-out, by whomever, settled these on these lines."""
        still = self.open().filter(conversation__contact=contact, conversation__line__in=lines)
        still.update(outcome=Outcome.OVERTAKEN, decided_at=at)

    def doubted_since(self, conversation: Conversation, at: dt.datetime) -> bool:
        """True where an open review holds a possible revocation that was written at this time or later.

        By the times of the texts, not by the order in which they were read, as between STOP and START.
        """
        if not self.open().revocations().filter(conversation=conversation).exists():
            return False
        said = Coalesce("receipt__occurred_at", "receipt__received_at", "created")
        texts = Message.objects.filter(conversation=conversation, direction=Direction.IN, meaning=Meaning.REVIEW)
        return texts.annotate(said=said).filter(said__gte=at).exists()

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

    def texts(self) -> MessageQuerySet:
        """The texts in question, oldest first: the one that opened it, and those of its kind until it was settled."""
        meaning = Meaning.REVIEW if self.doubt == Doubt.REVOCATION else Meaning.POSSIBLE_ACCEPTANCE
        later = Q(meaning=meaning, direction=Direction.IN, created__gt=self.message.created)
        found = Message.objects.filter(Q(pk=self.message_id) | later, conversation=self.conversation_id)
        found = found.filter(created__lte=self.decided_at) if self.decided_at else found
        return found.order_by("created", "pk")


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
