import datetime as dt
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from consent.models.contact import Contact
from consent.models.line import Line
from consent.vocabulary import Channel, Level, RequestKind, RequestOutcome, RequestState, Status

# PRODUCT "Rules around the flows": a YES still accepts a request this long after it expired.
LATE_YES = dt.timedelta(days=30)


class ConsentQuerySet(models.QuerySet["Consent"]):
    def that_ended(self, now: dt.datetime) -> "ConsentQuerySet":
        """Those whose end came and is not recorded yet."""
        return self.filter(until__lte=now, ended_at=None, suspended_at=None, status=Status.OPTED_IN)


class Consent(models.Model):
    """The current state for one contact on one line. Written by consent.ledger alone; the entries are the truth.

    not_defined ──asked──▶ pending ──YES, START──▶ opted_in ◀──START, YES to a request they triggered── opted_out
         ▲                    │                        │                                                    ▲
         └── request expired ─┘        STOP, NO, any revocation, from every state ───────────────────────────┘
    """

    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="consents")
    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="consents")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.NOT_DEFINED)
    since = models.DateTimeField(null=True)
    source = models.CharField(max_length=10, choices=Channel.choices, blank=True)
    level = models.CharField(max_length=8, choices=Level.choices, blank=True)
    # When the consent ends, or ended; the status stays what it is, and the gate asks again (consent.ending).
    until = models.DateTimeField("valid until", null=True)
    # That end was recorded, once, for people to see.
    ended_at = models.DateTimeField("end recorded", null=True)
    # The number changed hands: ``until`` is when that became known, whatever end was agreed before.
    suspended_at = models.DateTimeField("suspended since", null=True)
    request_state = models.CharField(max_length=10, choices=RequestState.choices, default=RequestState.NOT_SENT)
    told_at = models.DateTimeField("told how to stop", null=True)
    # The two times the rule "an opt-in counts only if it is later than the last opt-out" compares.
    opted_out_at = models.DateTimeField(null=True)
    own_opt_in_at = models.DateTimeField(null=True)
    # Twilio blocks this pair until the contact texts START; our own state can't lift that.
    blocked_at_provider = models.BooleanField(default=False)
    review_since = models.DateTimeField("under review since", null=True)
    # The last one about this pair; null where nothing was recorded yet. verify_ledger compares them, so
    # no constraint of the database has to: it would cost each bulk write.
    entry = models.ForeignKey(
        "consent.LedgerEntry",
        on_delete=models.DO_NOTHING,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )

    objects = ConsentQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contact", "line"], name="one_consent_per_contact_and_line")]
        indexes = [
            models.Index(fields=["line", "status"]),
            models.Index(fields=["line", "contact"]),  # a line's contacts in order, for pages and exports
            models.Index(fields=["contact"], condition=Q(review_since__isnull=False), name="consents_under_review"),
            models.Index(
                fields=["until"], condition=Q(until__isnull=False, ended_at__isnull=True), name="consents_that_end"
            ),
        ]
        permissions = [
            ("record_consent", "Can record consent given elsewhere"),
            ("record_revocation", "Can record a revocation given elsewhere"),
            ("lift_opt_out", "Can lift an opt-out with a reason and evidence"),
        ]

    def __str__(self) -> str:
        return f"{self.contact} on {self.line}: {self.get_status_display()}"

    @property
    def is_over(self) -> bool:
        """Opted in for a time that is over, or by somebody who may not have this number any more."""
        return self.status == Status.OPTED_IN and self.until is not None and self.until <= timezone.now()


class OptInRequestQuerySet(models.QuerySet["OptInRequest"]):
    def open(self) -> "OptInRequestQuerySet":
        return self.filter(outcome=RequestOutcome.OPEN)

    def due(self, now: dt.datetime) -> "OptInRequestQuerySet":
        return self.open().filter(expires_at__lte=now)

    def acceptable(self, contact: Contact, line: Line, at: dt.datetime) -> "OptInRequest | None":
        """The request that a YES given ``at`` accepts: the open one, or one that expired at most 30 days before.

        One that has not begun to leave can't have been read, so a YES does not answer it. One that was followed by a
        STOP is no longer acceptable.
        """
        stopped = Consent.objects.filter(
            contact=OuterRef("contact"), line=OuterRef("line"), opted_out_at__gte=OuterRef("created")
        )
        return (
            self.filter(~Exists(stopped), contact=contact, line=line)
            .exclude(left_at=None)
            .filter(Q(outcome=RequestOutcome.OPEN) | Q(outcome=RequestOutcome.EXPIRED, expires_at__gte=at - LATE_YES))
            .order_by("-pk")
            .first()
        )


class OptInRequest(models.Model):
    """The text that asks a contact for consent, with its own life.

    created ──claimed──▶ left_at ──provider took it──▶ sent_at ──▶ accepted | rejected | expired
       └── withdrawn (START came first) ; failed (could not be sent)
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="requests")
    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="requests")
    kind = models.CharField(max_length=16, choices=RequestKind.choices)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    basis = models.CharField(
        max_length=200, blank=True, help_text="Why the agent thought this contact may be asked, in their words."
    )
    # The consent a YES gives, as the wording that is sent declares.
    level = models.CharField(max_length=8, choices=Level.choices, default=Level.EXPRESS)
    # When that consent ends: what was agreed elsewhere and is confirmed by the YES may have an end.
    consent_until = models.DateTimeField(null=True)
    wording = models.UUIDField("wording version", null=True)
    batch = models.CharField(
        "import batch", max_length=80, blank=True, help_text="The import that it came from, if any."
    )
    created = models.DateTimeField()
    left_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=RequestOutcome.choices, blank=True, default=RequestOutcome.OPEN)
    ended_at = models.DateTimeField(null=True)

    objects = OptInRequestQuerySet.as_manager()

    class Meta:
        verbose_name = "opt-in request"
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "line"], condition=Q(outcome=RequestOutcome.OPEN), name="one_open_request"
            )
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], condition=Q(outcome=RequestOutcome.OPEN), name="open_requests_by_expiry"
            ),
            models.Index(fields=["sent_at"], condition=Q(sent_at__isnull=False), name="requests_by_time_sent"),
        ]

    def __str__(self) -> str:
        return f"Request to {self.contact} on {self.line}"
