import datetime as dt

from django.conf import settings
from django.db import connection, models

from consent import clock

_KEEP = """
INSERT INTO messaging_receipt
    (kind, provider_id, discriminator, number, raw, received_at, outcome, tries, needs_person, error)
VALUES (%s, %s, %s, %s, %s, {now}, '', 0, false, '')
ON CONFLICT DO NOTHING
"""


class ReceiptQuerySet(models.QuerySet["Receipt"]):
    def keep(self, *, kind: str, provider_id: str, number: str, raw: bytes, discriminator: str = "") -> None:
        """Store a webhook as received now, by the database's clock. One that is known already changes nothing.

        One statement, which outside a transaction is on disk when this returns: the provider waits for it.
        """
        with connection.cursor() as cursor:
            cursor.execute(_KEEP.format(now=clock.now_in_sql()), [kind, provider_id, discriminator, number, raw])

    def unsettled(self) -> "ReceiptQuerySet":
        return self.filter(settled_at=None)

    def to_try(self, now: dt.datetime) -> "ReceiptQuerySet":
        """Unsettled receipts that a sweep should try again; those that wait for a person are left alone."""
        return (
            self.unsettled().exclude(needs_person=True).filter(models.Q(try_after=None) | models.Q(try_after__lte=now))
        )


class Receipt(models.Model):
    """A webhook as it came in; unsettled until all its effects are written.

    stored ──settled──▶ settled_at, outcome "settled" | "unroutable"
       └── raises: tries + 1, error, try_after ──▶ … ──▶ needs_person (the number stays fenced until somebody acts)

    While a number has an unsettled receipt the gate defers every text to it.
    """

    class Kind(models.TextChoices):
        INBOUND = "inbound", "Text from a contact"
        STATUS = "status", "Delivery result"
        WEB_FORM = "web_form", "Sign-up on the web form"
        VOICE = "voice", "Key in the phone menu"

    class Outcome(models.TextChoices):
        SETTLED = "settled", "Settled"
        UNROUTABLE = "unroutable", "Unroutable"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    provider_id = models.CharField(max_length=64)
    discriminator = models.CharField(max_length=40, blank=True)
    number = models.CharField(max_length=16, blank=True, help_text="The contact's, normalised; empty: unreadable.")
    raw = models.BinaryField(help_text="The form exactly as it came.")
    received_at = models.DateTimeField()
    occurred_at = models.DateTimeField(null=True, help_text="By the provider's clock, where known.")
    settled_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    try_after = models.DateTimeField(null=True)
    needs_person = models.BooleanField(default=False)
    error = models.TextField(blank=True)

    objects = ReceiptQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "provider_id", "discriminator"], name="a_webhook_is_stored_once")
        ]
        indexes = [
            models.Index(fields=["number", "id"], condition=models.Q(settled_at=None), name="unsettled_receipts")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.provider_id}"

    @property
    def at(self) -> dt.datetime:
        """When it happened: the provider's time where known, else when it came in."""
        return self.occurred_at or self.received_at

    def is_due(self, now: dt.datetime) -> bool:
        """False while it waits for its next try or for a person."""
        return not self.needs_person and (self.try_after is None or self.try_after <= now)

    def failed(self, error: str, now: dt.datetime, *, for_want_of_the_database: bool = False) -> None:
        """Note that settling raised: try again later, each time later, and after some tries ask a person.

        ``for_want_of_the_database`` (no room, a lock, a server that ends) is no fault of this receipt: it is tried
        again soon, however often, and nobody is asked.
        """
        self.error = error[:2000]
        if for_want_of_the_database:
            self.try_after = now + dt.timedelta(seconds=2)
        else:
            self.tries += 1
            self.try_after = now + dt.timedelta(seconds=min(2**self.tries, 300))
            self.needs_person = self.tries >= settings.RECEIPT_TRIES
        self.save(update_fields=["tries", "error", "try_after", "needs_person"])
