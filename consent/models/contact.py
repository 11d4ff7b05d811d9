import functools
import hmac
import re
import uuid
from collections.abc import Collection

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower

from consent import among as among  # registers the look-up
from consent import phones, whereabouts
from consent.vocabulary import Language

_POSTAL_CODE = re.compile(r"[A-Z0-9 -]*")


class ContactQuerySet(models.QuerySet["Contact"]):
    def lock(self, number: str) -> "Contact":
        """The contact of this E.164 number, made if missing, held until the transaction ends.

        Every change that concerns a contact takes this lock first. Whatever was read before it may be stale after it.
        """
        locked = self.select_for_update(no_key=True)
        contact = locked.filter(number=number).first()
        if contact is None:
            with transaction.atomic():
                self.get_or_create(number=number)
            contact = locked.get(number=number)
        return contact

    def lock_pk(self, pk: int) -> "Contact":
        return self.select_for_update(no_key=True).get(pk=pk)

    def lock_numbers(self, numbers: Collection[str]) -> None:
        """Lock the contacts of all these numbers, in ascending id; those that nobody knows are passed over."""
        list(self.among(numbers).select_for_update(no_key=True).order_by("pk").values_list("pk"))

    def among(self, numbers: Collection[str]) -> "ContactQuerySet":
        """Those of these numbers, however many they are."""
        return self.filter(number__among=numbers)


class Contact(models.Model):
    """One mobile number and the person behind it. The row is the lock of all that concerns them."""

    class Unreachable(models.TextChoices):
        DEACTIVATED = "deactivated", "Deactivated by the carrier"
        REASSIGNED = "reassigned", "Given to somebody else"
        NOT_MOBILE = "not_mobile", "Can't receive texts"

    class FoundBy(models.TextChoices):
        DELIVERY = "delivery", "A text that failed"
        PROVIDER = "provider", "The provider's list of deactivated numbers"
        DATABASE = "database", "An answer about reassigned numbers"
        PERSON = "person", "Recorded by hand"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    number = models.CharField("mobile number", max_length=16, unique=True)
    first_name = models.CharField(max_length=60, blank=True)
    last_name = models.CharField(max_length=60, blank=True)
    language = models.CharField(
        max_length=2,
        choices=Language.choices,
        blank=True,
        help_text="In which Optline speaks to them, where there is a wording in it. Empty: as the line.",
    )
    postal_code = models.CharField(
        max_length=12,
        blank=True,
        db_default="",
        default="",
        help_text="Tells more surely than the number when they may be texted: in the United States their state, and "
        "with it the time zone. Elsewhere it is only kept.",
    )
    time_zone = models.CharField(
        max_length=40,
        blank=True,
        db_default="",
        default="",
        help_text="Where they live, if you know it. Empty: as the postal code says, or else the number.",
    )
    # Consent given up to this moment may be a former owner's: it comes back only by an officer's word.
    changed_hands_at = models.DateTimeField(null=True, editable=False)
    tags = models.ManyToManyField("consent.Tag", blank=True, related_name="contacts")
    # Written by consent.ledger, with an entry for each change.
    unreachable = models.CharField(max_length=12, choices=Unreachable.choices, blank=True)
    unreachable_since = models.DateTimeField(null=True, editable=False)
    unreachable_source = models.CharField(
        "unreachable according to", max_length=12, choices=FoundBy.choices, blank=True, db_default="", default=""
    )
    # Since when nothing is known of them any more (consent.erasure); what stands for the number is none.
    erased_at = models.DateTimeField(null=True, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    # Where this contact's chain of ledger entries ends. Written by consent.ledger alone.
    ledger_seq = models.PositiveIntegerField(default=0, editable=False)
    ledger_head = models.CharField(max_length=64, blank=True, editable=False)

    objects = ContactQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        permissions = [
            ("settle_number", "Can say whether a number is still the contact's"),
            ("erase_contact", "Can erase a contact on lawful request"),
        ]

    def __str__(self) -> str:
        return f"Erased contact {self.pk}" if self.erased_at else self.name or self.number

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def clean(self) -> None:
        try:
            self.number = phones.normalise(self.number)
        except phones.PhoneError as error:
            raise ValidationError({"number": str(error)}) from None
        self.postal_code = self.postal_code.strip().upper()
        if self.postal_code[:1].isdigit() and phones.may_be_in_the_us(self.number):
            if not whereabouts.is_us_postal_code(self.postal_code):
                raise ValidationError({"postal_code": "A US postal code is written 98101 or 98101-1234."})
        elif not _POSTAL_CODE.fullmatch(self.postal_code):
            raise ValidationError({"postal_code": "A postal code has letters, digits, spaces and dashes only."})
        if self.time_zone and self.time_zone not in whereabouts.time_zones():
            raise ValidationError({"time_zone": "There is no such time zone. An example is America/Chicago."})


class Tag(models.Model):
    """A word that sorts contacts, put on them by people or by a keyword responder. Says nothing about consent."""

    name = models.CharField(max_length=40)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"), name="one_tag_per_name", violation_error_message="There is a tag of this name already."
            )
        ]

    def __str__(self) -> str:
        return self.name


def suppression_digest(number: str) -> str:
    """The keyed hash that recognises a number after it was erased (SUPPRESSION_KEY, which never rotates)."""
    keyed = _suppression_hash(settings.SUPPRESSION_KEY).copy()
    keyed.update(number.encode())
    return keyed.hexdigest()


@functools.lru_cache(maxsize=1)
def _suppression_hash(key: str) -> hmac.HMAC:
    """To be copied: to take in the key each time would take twice as long as the number."""
    return hmac.new(key.encode(), digestmod="sha256")


class DoNotContactQuerySet(models.QuerySet["DoNotContact"]):
    def matching(self, number: str) -> "DoNotContactQuerySet":
        return self.filter(models.Q(number=number) | models.Q(digest=suppression_digest(number)))

    def erased(self, numbers: Collection[str]) -> set[str]:
        """Those of these numbers that are on the list by their hash alone."""
        digests = {suppression_digest(number): number for number in numbers}
        unnamed = self.filter(number=None, digest__among=digests)
        return {digests[digest] for digest in unnamed.values_list("digest", flat=True)}

    def listed(self, numbers: Collection[str]) -> set[str]:
        """Those of these numbers that are on the list, erased ones too."""
        if not numbers or not self.exists():
            return set()
        digests = {suppression_digest(number): number for number in numbers}
        by_digest = self.filter(digest__among=digests)
        by_number = self.filter(number__among=numbers)
        return {digests[digest] for digest in by_digest.values_list("digest", flat=True)} | {
            number for number in by_number.values_list("number", flat=True) if number
        }


class DoNotContact(models.Model):
    """A number to which nothing at all goes, not even confirmations.

    The digest outlives the number: after an erasure it alone recognises it.
    """

    number = models.CharField(max_length=16, unique=True, null=True)  # noqa: DJ001  (null: erased; unique allows many)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    reason = models.CharField(max_length=200, help_text="Why nothing may go to this number.")
    added = models.DateTimeField(auto_now_add=True)
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, editable=False)

    objects = DoNotContactQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "do-not-contact number"

    def __str__(self) -> str:
        return self.number or "erased number"

    def clean(self) -> None:
        if self.number:
            try:
                self.number = phones.normalise(self.number)
            except phones.PhoneError as error:
                raise ValidationError({"number": str(error)}) from None
