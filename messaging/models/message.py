import datetime as dt
import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from consent.gate import Purpose, Reason
from consent.models import Line, OptInRequest
from messaging.models.conversation import Conversation
from messaging.models.receipt import Receipt
from messaging.models.saved_text import SavedTextVersion
from messaging.models.template import TemplateVersion


class Direction(models.TextChoices):
    IN = "in", "From the contact"
    OUT = "out", "To the contact"


class MessageStatus(models.TextChoices):
    # of texts to the contact
    QUEUED = "queued", "Queued"
    HELD = "held", "Held"
    DEFERRED = "deferred", "Deferred"
    REFUSED = "refused", "Refused"
    CANCELLED = "cancelled", "Cancelled"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    DELIVERED = "delivered", "Delivered"
    UNDELIVERED = "undelivered", "Undelivered"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown"
    # of texts from the contact
    RECEIVED = "received", "Received"
    HELD_BACK = "held_back", "Held back"
    KEYWORD = "keyword", "Keyword"


S = MessageStatus
WAITING = (S.QUEUED, S.HELD, S.DEFERRED)
LEFT = (S.SENT, S.DELIVERED, S.UNDELIVERED)
# The provider is asked about a text of unknown fate for so long.
LOOKED_UP_FOR = dt.timedelta(hours=24)
# An automatic text of unknown fate makes what stands behind it wait, but for these two.
DOES_NOT_WAIT = (Purpose.OPT_OUT_CONFIRMATION, Purpose.HELP_REPLY)


class MessageQuerySet(models.QuerySet["Message"]):
    def outgoing(self) -> "MessageQuerySet":
        return self.filter(direction=Direction.OUT)

    def waiting(self) -> "MessageQuerySet":
        """Outgoing texts that have not begun to leave."""
        return self.outgoing().filter(status__in=WAITING)

    def due(self, now: dt.datetime) -> "MessageQuerySet":
        """Outgoing texts whose turn to be claimed may be now."""
        return self.outgoing().filter(
            Q(status=S.QUEUED, not_before=None) | Q(status__in=[S.QUEUED, S.DEFERRED], not_before__lte=now)
        )

    # The three below divide what may be claimed on a line. Each has an index of its own, so that it is found as fast
    # among a hundred thousand that wait as among ten.

    def queued_by(self, now: dt.datetime) -> "MessageQuerySet":
        return self.filter(Q(not_before=None) | Q(not_before__lte=now), status=S.QUEUED)

    def woken_by(self, now: dt.datetime) -> "MessageQuerySet":
        """Deferred texts whose hour has come."""
        return self.filter(~Q(reason=Reason.LINE_PACE), status=S.DEFERRED, not_before__lte=now)

    def paced(self) -> "MessageQuerySet":
        """Texts that wait for nothing but their turn on the line. Their ``not_before`` is when that is expected, and
        keeps them from nothing where it comes sooner: others opted out, or an officer set a quicker pace."""
        return self.filter(status=S.DEFERRED, reason=Reason.LINE_PACE)

    def free_to_move(self, now: dt.datetime) -> "MessageQuerySet":
        """Those with nothing before them in their conversation that can't leave now and that nothing may overtake
        (``outbound._next``), which may last until a person says what became of it."""
        cannot_yet = Q(not_before__gt=now) | Q(status=S.DEFERRED, not_before=None)
        put_off = Q(status=S.DEFERRED) & ~Q(reason=Reason.LINE_PACE) & cannot_yet
        automatic = ~Q(purpose=Purpose.ORDINARY) & (Q(status=S.UNKNOWN) | put_off)
        first = Q(place__lt=OuterRef("place")) & (Q(status=S.QUEUED, not_before__gt=now) | automatic)
        there = Message.objects.outgoing().filter(conversation=OuterRef("conversation")).order_by()
        in_the_way = there.filter(Q(status=S.SENDING) | (first & ~Q(purpose__in=DOES_NOT_WAIT)))
        return self.filter(~Exists(in_the_way.filter(status__in=[S.QUEUED, S.DEFERRED, S.SENDING, S.UNKNOWN])))

    def in_order(self) -> "MessageQuerySet":
        return self.order_by("place", "pk")

    def lost(self, now: dt.datetime) -> "MessageQuerySet":
        """Texts whose call to the provider should long have ended: they may or may not have left."""
        limit = dt.timedelta(seconds=settings.LOST_SECONDS)
        return self.outgoing().filter(status=S.SENDING, claimed_at__lt=now - limit)

    def to_look_up(self, now: dt.datetime) -> "MessageQuerySet":
        """Texts of unknown fate that the provider should be asked about now, those never asked about first."""
        due = Q(look_up_after=None) | Q(look_up_after__lte=now)
        unknown = self.filter(due, status=S.UNKNOWN, claimed_at__gt=now - LOOKED_UP_FOR)
        return unknown.outgoing().order_by(F("look_up_after").asc(nulls_first=True), "pk")


class Message(models.Model):
    """One text, either way.

    To the contact:
        submitted ─▶ queued ─claimed─▶ sending ─▶ sent ─▶ delivered | undelivered | failed
                  ─▶ held, deferred ─▶ queued       └─▶ unknown (may have left; never sent again) ─▶ as above
                  ─▶ refused          waiting ─▶ cancelled (opted out, expired, withdrawn)
    From the contact: received; held_back ─▶ received (once they agree); keyword (an answer that a rule acted on).
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.PROTECT, related_name="messages")
    # The conversation's, so that what waits on a line is found without a look at every conversation.
    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="+", editable=False, db_index=False)
    direction = models.CharField(max_length=3, choices=Direction.choices)
    purpose = models.CharField(max_length=24, blank=True, choices=Purpose.choices)
    body = models.TextField(help_text="As written. What left is in “sent body”.")
    sent_body = models.TextField(blank=True, help_text="As it left, footer included.")
    status = models.CharField(max_length=12, choices=MessageStatus.choices)
    reason = models.CharField(max_length=24, blank=True)
    reason_text = models.TextField(blank=True)
    place = models.PositiveIntegerField(default=0)
    bulk = models.BooleanField(default=False, help_text="One of many: those that somebody waits for go first.")
    not_before = models.DateTimeField(null=True)
    send_before = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    look_ups = models.PositiveSmallIntegerField(
        default=0, help_text="How often the provider was asked what became of it."
    )
    look_up_after = models.DateTimeField(null=True)
    provider_id = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001  (unique, and often unknown)
    error_code = models.CharField(max_length=12, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="texts")
    wording = models.ForeignKey(TemplateVersion, on_delete=models.PROTECT, null=True)
    saved_text = models.ForeignKey(SavedTextVersion, on_delete=models.PROTECT, null=True)
    request = models.ForeignKey(OptInRequest, on_delete=models.PROTECT, null=True, related_name="messages")
    receipt = models.ForeignKey(Receipt, on_delete=models.PROTECT, null=True, related_name="messages")
    marks = models.JSONField(default=list, blank=True)
    meaning = models.CharField(max_length=24, blank=True)
    rule = models.CharField(max_length=60, blank=True)
    rules_version = models.CharField(max_length=20, blank=True)
    media_count = models.PositiveSmallIntegerField(default=0)
    created = models.DateTimeField()

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["created", "pk"]
        constraints = [
            # Whichever worker or sweep reads a receipt, it can't cause the same text twice.
            models.UniqueConstraint(
                fields=["receipt", "purpose"],
                condition=Q(receipt__isnull=False),
                name="a_receipt_causes_a_text_once",
            ),
            # In a conversation the provider has accepted a text before the next one is claimed.
            models.UniqueConstraint(
                fields=["conversation"], condition=Q(status="sending"), name="one_text_at_a_time_in_a_conversation"
            ),
        ]
        indexes = [
            models.Index(
                fields=["conversation", "place"],
                condition=Q(status__in=["queued", "deferred", "held", "sending", "unknown"]),
                name="texts_that_wait",
            ),
            models.Index(fields=["conversation", "created"]),
            models.Index(fields=["claimed_at"], condition=Q(status="unknown"), name="texts_of_unknown_fate"),
            models.Index(fields=["created"], condition=Q(status="refused"), name="refused_texts_by_time"),
            models.Index(fields=["conversation"], condition=Q(purpose="way_back"), name="ways_back"),
            models.Index(fields=["line", "bulk", "id"], condition=Q(status="queued"), name="texts_queued_on_a_line"),
            models.Index(
                fields=["line", "bulk", "not_before", "id"],
                condition=Q(status="deferred") & ~Q(reason="line_pace"),
                name="texts_deferred_on_a_line",
            ),
            models.Index(
                fields=["line", "bulk", "not_before", "id"],
                condition=Q(status="deferred", reason="line_pace"),
                name="texts_paced_on_a_line",
            ),
            models.Index(
                fields=["id"],
                condition=Q(status__in=["queued", "deferred"], purpose__in=["opt_out_confirmation", "help_reply"]),
                name="texts_that_wait_for_nobody",
            ),
            models.Index(
                fields=["send_before"],
                condition=Q(status__in=["queued", "held", "deferred"], send_before__isnull=False),
                name="texts_that_may_be_too_late",
            ),
        ]
        permissions = [
            ("send_text", "Can send texts"),
            ("check_consent", "Can see whether a contact may be texted"),
            ("settle_text", "Can say what became of a text of unknown fate"),
        ]

    def __str__(self) -> str:
        return f"{self.get_direction_display()}, {self.get_status_display().lower()}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.line_id is None:
            self.line_id = self.conversation.line_id
        super().save(*args, **kwargs)

    @property
    def said_at(self) -> dt.datetime:
        """When a contact wrote this text: by the provider's clock, where known."""
        return self.receipt.at if self.receipt else self.created

    def is_due(self, now: dt.datetime) -> bool:
        """As ``due``, of one text."""
        return (self.status == S.QUEUED and self.not_before is None) or (
            self.status in {S.QUEUED, S.DEFERRED} and self.not_before is not None and self.not_before <= now
        )

    @property
    def is_automatic(self) -> bool:
        return self.purpose != Purpose.ORDINARY


class IdempotencyKey(models.Model):
    """A key under which an API client submitted a text. The same key again gives the same answer, no second text."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    key = models.CharField(max_length=200)
    body_hash = models.CharField(max_length=64)
    answer = models.JSONField(null=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="a_key_is_used_once")]

    def __str__(self) -> str:
        return self.key
