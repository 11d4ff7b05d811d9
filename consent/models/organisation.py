import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from consent.remembered import recall
from consent.vocabulary import Mode, Scope


class OrganisationQuerySet(models.QuerySet["Organisation"]):
    def current(self) -> "Organisation":
        """The organisation of this install. Migrations make it, so it is always there."""
        return recall("organisation", lambda: self.get(pk=1))


class Organisation(models.Model):
    """The company that runs this install (exactly one row) and its default policies."""

    name = models.CharField(max_length=80, default="Our company", help_text="As contacts know the company.")
    support_contact = models.CharField(
        max_length=80, blank=True, help_text="Phone or e-mail given in the help reply, for example help@example.com."
    )
    terms_address = models.URLField("address of the terms", blank=True)
    privacy_address = models.URLField("address of the privacy policy", blank=True)
    frequency = models.CharField(
        "message frequency",
        max_length=60,
        default="message frequency varies",
        help_text="Completes a sentence in requests and confirmations, for example “up to 4 messages a month”.",
    )
    mode = models.CharField(
        "opt-in mode",
        max_length=12,
        choices=Mode.choices,
        default=Mode.CONSENT,
        help_text="With consent: contacts must reply YES before anything else is sent. A line can differ.",
    )
    revocation_scope = models.CharField(
        "a STOP is valid for", max_length=10, choices=Scope.choices, default=Scope.CATEGORY
    )
    next_revocation_scope = models.CharField(
        "changing to",
        max_length=10,
        choices=Scope.choices,
        default=Scope.ALL,
        blank=True,
        help_text="Opt-outs from that day on are valid for this wider or narrower set. Earlier ones stay as they are.",
    )
    next_revocation_scope_on = models.DateField("on", null=True, blank=True, default=dt.date(2027, 1, 31))
    request_limit = models.PositiveSmallIntegerField(
        "opt-in requests in 30 days", default=2, help_text="At most this many to one contact on one line."
    )
    request_pause = models.DurationField(
        "pause between opt-in requests", default=dt.timedelta(hours=24), help_text="Hours:minutes:seconds."
    )
    request_expires_after = models.DurationField(
        "an opt-in request expires after",
        default=dt.timedelta(days=7),
        validators=[MinValueValidator(dt.timedelta(seconds=1))],
        help_text="Counted from the moment the provider took it. Days hours:minutes:seconds.",
    )
    mask_numbers = models.BooleanField(
        "hide full numbers from agents", default=False, help_text="Agents then see only the last four digits."
    )

    objects = OrganisationQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "organisation"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="only_one_organisation")]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A dated change whose day has come is what holds from then on, whatever change is planned next."""
        before = Organisation.objects.filter(pk=self.pk).first()
        if before:
            planned_anew = self.next_revocation_scope_on != before.next_revocation_scope_on
            if planned_anew and self.revocation_scope == before.revocation_scope:
                self.revocation_scope = before.scope_at(timezone.now())
        super().save(*args, **kwargs)

    def clean(self) -> None:
        if bool(self.next_revocation_scope) != bool(self.next_revocation_scope_on):
            raise ValidationError(
                {
                    "next_revocation_scope_on": "A change of scope needs both what it changes to and the day. "
                    "Clear both for none."
                }
            )

    def scope_at(self, moment: dt.datetime) -> Scope:
        """How far an opt-out given at ``moment`` reaches. The change is not retroactive (FCC DA 26-12)."""
        if self.next_revocation_scope_on and timezone.localtime(moment).date() >= self.next_revocation_scope_on:
            return Scope(self.next_revocation_scope)
        return Scope(self.revocation_scope)
