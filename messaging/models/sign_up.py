"""Signing up outside of texts: the web form and the phone menu of a line, and what people entered there."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse

from consent import phones
from consent.models import Contact, Line
from consent.vocabulary import Channel
from messaging.models.receipt import Receipt
from messaging.models.template import TemplateVersion

# A source that may frame the form. Nothing else gets into the header, so nobody can write a directive of their own.
_SITE = re.compile(
    r"https://(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[0-9]{1,5})?|http://(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?"
)


class WebForm(models.Model):
    """The public page of a line where people sign up. What they agree to there is the template “Web form”."""

    line = models.OneToOneField(Line, on_delete=models.PROTECT, related_name="web_form")
    slug = models.CharField(
        "address",
        max_length=60,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[a-z0-9]+(?:-[a-z0-9]+)*\Z", "Use small letters, digits and single dashes, like harbor-dental."
            )
        ],
        help_text="The readable end of the page's address, like harbor-dental.",
    )
    heading = models.CharField(
        max_length=80, blank=True, help_text="Above the form. Empty: “Get texts from” and the organisation's name."
    )
    active = models.BooleanField("switched on", default=True, help_text="Switched off, the page is not there.")
    countries = models.CharField(
        max_length=1000,
        blank=True,
        help_text="Two-letter codes of the countries whose numbers may sign up, like US CA. The first is chosen "
        "beforehand. Empty: every country, the line's own chosen beforehand. Fewer countries leave less to those who "
        "enter numbers that cost you dearly.",
    )
    framed_by = models.TextField(
        "sites that may embed it",
        max_length=2000,
        blank=True,
        help_text="One a line, like https://www.example.com. Empty: none; a link to the page works anywhere.",
    )

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return f"Web form of {self.line.name}"

    def get_absolute_url(self) -> str:
        return reverse("web_form", args=[self.slug])

    def clean(self) -> None:
        codes = self.countries.upper().replace(",", " ").split()
        if unknown := [code for code in codes if not phones.is_country(code)]:
            raise ValidationError({"countries": f"“{unknown[0]}” is no country's code. Write codes like US CA MX."})
        self.countries = " ".join(dict.fromkeys(codes))
        sites = [site.strip().lower().rstrip("/") for site in self.framed_by.split()]
        if wrong := [site for site in sites if not _SITE.fullmatch(site)]:
            raise ValidationError(
                {"framed_by": f"“{wrong[0][:80]}” is no site. Write its origin alone, like https://www.example.com."}
            )
        self.framed_by = "\n".join(dict.fromkeys(sites))

    @property
    def is_open(self) -> bool:
        return self.active and self.line.active

    @property
    def country(self) -> str:
        """The country that is chosen beforehand."""
        return (self.countries.split() or [phones.country(self.line.number) or "US"])[0]


class PhoneMenu(models.Model):
    """What callers of a line hear, and can agree to by a key. The words are the template “Phone menu”."""

    line = models.OneToOneField(Line, on_delete=models.PROTECT, related_name="phone_menu")
    number = models.CharField(
        "the number that is called",
        max_length=16,
        blank=True,
        help_text="With country code. Empty: the line's own. A short code can't be called, so its menu needs one.",
    )
    active = models.BooleanField("switched on", default=True, help_text="Switched off, callers are told goodbye.")

    class Meta:
        ordering = ["line__name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["number"],
                condition=~Q(number=""),
                name="one_phone_menu_per_number",
                violation_error_message="Another menu answers this number already.",
            )
        ]

    def __str__(self) -> str:
        return f"Phone menu of {self.line.name}"

    def clean(self) -> None:
        if self.number:
            try:
                self.number = phones.normalise(self.number)
            except phones.PhoneError as error:
                raise ValidationError({"number": str(error)}) from None
        if not hasattr(self, "line"):
            return
        if not self.number and phones.is_short_code(self.line.number):
            raise ValidationError({"number": "A short code can't be called. Give the number that people call."})
        called = self.number or self.line.number
        others = PhoneMenu.objects.exclude(pk=self.pk)
        if others.filter(Q(number=called) | Q(number="", line__number=called)).exists():
            raise ValidationError({"number": "Another menu answers this number already."})

    @staticmethod
    def of(called: str) -> "PhoneMenu | None":
        """The menu that answers calls to ``called`` (E.164), switched on or not."""
        found = PhoneMenu.objects.filter(Q(number=called) | Q(number="", line__number=called))
        return found.select_related("line").first()


CHANNELS = [(each.value, each.label) for each in (Channel.WEB_FORM, Channel.IVR)]


class SignUp(models.Model):
    """What somebody entered on the web form or pressed in the phone menu, and what came of it.

    web form:    settled from its receipt ──▶ outcome
    phone menu:  words read out (no outcome) ──key──▶ receipt ──settled──▶ outcome
                                             └──none──▶ silent

    It changes no consent by itself: that is the ledger's, where it counted. Who tried in vain is seen here alone: the
    person at the form or on the phone is answered alike whatever is known of the number.
    """

    class Outcome(models.TextChoices):
        OPEN = "", "No answer yet"
        RECORDED = "recorded", "Opted in"
        ASKED = "asked", "Asked to confirm by text"
        ALREADY_IN = "already_in", "Was opted in already"
        OPTED_OUT = "opted_out", "Not counted: opted out"
        DO_NOT_CONTACT = "do_not_contact", "Not counted: on the do-not-contact list"
        TOO_MANY = "too_many", "Not counted: too many for this number"
        NOT_NOW = "not_now", "Not counted"
        REFUSED = "refused", "Refused"
        REVOKED = "revoked", "Asked to stop all texts"
        SILENT = "silent", "Chose nothing"

    channel = models.CharField(
        max_length=8, choices=[(each.value, each.label) for each in (Channel.WEB_FORM, Channel.IVR)]
    )
    reference = models.CharField(max_length=64, help_text="The provider's id of the call, or ours of the page.")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, null=True, related_name="sign_ups")
    line = models.ForeignKey(Line, on_delete=models.PROTECT)
    wording = models.ForeignKey(TemplateVersion, on_delete=models.PROTECT)
    words = models.TextField(help_text="All that was shown or read out to them.")
    language = models.CharField(max_length=2)
    receipt = models.OneToOneField(Receipt, on_delete=models.PROTECT, null=True, related_name="sign_up")
    outcome = models.CharField(max_length=14, choices=Outcome.choices, blank=True, default=Outcome.OPEN)
    reason = models.CharField(max_length=300, blank=True)
    created = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "sign-up"
        constraints = [
            models.UniqueConstraint(fields=["channel", "reference"], name="a_sign_up_is_kept_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}, {self.created:%Y-%m-%d %H:%M}"

    def came_to(self, outcome: "SignUp.Outcome", reason: str = "") -> None:
        self.outcome, self.reason = outcome, reason[:300]


class SignUpTally(models.Model):
    """How many sign-ups one address, or one number, made within one window: two small columns, gone after it.

    The key is a keyed hash, so that the table tells nobody's address or number.
    """

    key = models.CharField(max_length=64)
    since = models.DateTimeField()
    times = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "since"], name="one_tally_per_key_and_window")]
        indexes = [models.Index(fields=["since"], name="sign_up_tallies_by_age")]

    def __str__(self) -> str:
        return f"{self.times} since {self.since:%Y-%m-%d %H:%M}"
