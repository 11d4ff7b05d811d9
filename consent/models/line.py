import datetime as dt
import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from consent import phones
from consent.models.organisation import Organisation
from consent.models.quiet_hours import check_hours
from consent.quiet_hours import Hours
from consent.vocabulary import Category, FooterFrequency, Language, Level, LineKind, Mode, Registration, Scope


class LineQuerySet(models.QuerySet["Line"]):
    def in_scope(self, scope: str, origin: "Line | None") -> "LineQuerySet":
        """The lines that a revocation given on ``origin`` reaches, in lock order. Without an origin: every line."""
        if scope == Scope.ALL or origin is None:
            found = self.all()
        elif scope == Scope.CATEGORY:
            found = self.filter(models.Q(category=origin.category) | models.Q(pk=origin.pk))
        else:
            found = self.filter(pk=origin.pk)
        return found.order_by("pk")

    def to_open(self) -> "LineQuerySet":
        """Lines on which the opt-outs that reach them have not been written yet."""
        return self.filter(opened_at=None)


class Line(models.Model):
    """One business phone number that texts.

    A new line, and one whose category changes, is closed until the opt-outs that reach it have been written on it
    (``opened_at``): before that nobody could know who must not be texted there.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    number = models.CharField(
        max_length=16, unique=True, help_text="With country code, like +12065550123, or a short code like 72345."
    )
    name = models.CharField(max_length=40, help_text="Contacts see it where no agent is named.")
    kind = models.CharField(max_length=12, choices=LineKind.choices, editable=False)
    category = models.CharField(
        max_length=14,
        choices=Category.choices,
        default=Category.INFORMATIONAL,
        help_text="A STOP may be valid for every line of one category.",
    )
    mode = models.CharField(
        "opt-in mode",
        max_length=12,
        choices=Mode.choices,
        blank=True,
        help_text="Empty: as the organisation. With consent: contacts must reply YES before anything else is sent. "
        "Disclaimer only: contacts are told who writes and how to stop.",
    )
    required_level = models.CharField("required consent", max_length=8, choices=Level.choices, default=Level.EXPRESS)
    opt_outs_answered_by_provider = models.BooleanField(
        "the provider answers STOP",
        default=False,
        help_text="Toll-free numbers: always. Long codes: yes, unless opt-out handling is switched off at Twilio. "
        "Optline then sends no confirmation of its own.",
    )
    registration = models.CharField(
        max_length=10,
        choices=Registration.choices,
        default=Registration.NOT_NEEDED,
        help_text="10DLC campaign or toll-free verification. Nothing leaves while it is waiting or rejected.",
    )
    active = models.BooleanField(default=True, help_text="Nothing leaves from a line that is switched off.")
    opened_at = models.DateTimeField(null=True, editable=False)
    request_limit = models.PositiveSmallIntegerField(
        "opt-in requests in 30 days", null=True, blank=True, help_text="Empty: as the organisation."
    )
    request_pause = models.DurationField(
        "pause between opt-in requests", null=True, blank=True, help_text="Empty: as the organisation."
    )
    request_expires_after = models.DurationField(
        "an opt-in request expires after",
        null=True,
        blank=True,
        validators=[MinValueValidator(dt.timedelta(seconds=1))],
        help_text="Empty: as the organisation.",
    )

    language = models.CharField(
        max_length=2,
        choices=Language.choices,
        default=Language.ENGLISH,
        help_text="Of what Optline says here by itself, to contacts whose own language is not known.",
    )
    web_form_double_opt_in = models.BooleanField(
        "confirm sign-ups on the web form by text",
        default=False,
        db_default=False,
        help_text="Who signs up is opted in once they reply YES to a text. Most people do not answer.",
    )
    ivr_double_opt_in = models.BooleanField(
        "confirm sign-ups in the phone menu by text",
        default=False,
        db_default=False,
        help_text="Who presses the key is opted in once they reply YES to a text. Most people do not answer.",
    )
    footer_frequency = models.CharField(
        "footer goes with",
        max_length=5,
        choices=FooterFrequency.choices,
        default=FooterFrequency.EVERY,
        help_text="How often an ordinary text ends with the words that tell how to stop. Where the contact's country "
        "demands it, every text does.",
    )
    footer_days = models.PositiveSmallIntegerField(
        "days between footers",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="For “at most once in so many days”.",
    )
    quiet_hours = models.BooleanField(
        "keeps quiet hours",
        default=True,
        help_text="Texts that would reach contacts outside the hours allowed where they are wait for the next ones.",
    )
    texts_from = models.TimeField(
        null=True, blank=True, help_text="Narrower hours of this line's own, in the contact's time. Empty: none."
    )
    texts_until = models.TimeField(null=True, blank=True, help_text="00:00 is midnight.")
    texts_per_second = models.PositiveSmallIntegerField(
        "texts a second",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="At most so many leave in any second; the others wait here. Empty: no limit.",
    )
    texts_per_day = models.PositiveIntegerField(
        "texts a day",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(10_000_000)],
        help_text="At most so many leave from midnight to midnight. Empty: no limit.",
    )

    objects = LineQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        permissions = [("use_every_line", "Can see and text on every line")]

    def __str__(self) -> str:
        return f"{self.name} ({self.number})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.kind = self.kind_of(self.number)
        before = Line.objects.filter(pk=self.pk).values_list("category", flat=True).first()
        if before != self.category:
            self.opened_at = None
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "opened_at"}
        elif kwargs.get("update_fields") is None:
            # A form that was opened before the line was would otherwise close it again.
            kwargs["update_fields"] = {field.name for field in self._meta.concrete_fields} - {"id", "opened_at"}
        super().save(*args, **kwargs)

    def clean(self) -> None:
        try:
            self.number = phones.normalise_line(self.number)
        except phones.PhoneError as error:
            raise ValidationError({"number": str(error)}) from None
        self.kind = self.kind_of(self.number)
        if self.kind == LineKind.TOLL_FREE and not self.opt_outs_answered_by_provider:
            raise ValidationError(
                {
                    "opt_outs_answered_by_provider": "The network answers STOP on toll-free numbers and can't be told "
                    "not to. Tick this box."
                }
            )
        if self.footer_frequency == FooterFrequency.DAYS and not self.footer_days:
            raise ValidationError({"footer_days": "Give the number of days, for example 30."})
        check_hours(self.texts_from, self.texts_until, "texts_from", "texts_until")
        if self.disclaims_too_little():
            raise ValidationError(
                {
                    "mode": "Marketing texts to US numbers need consent before the first one (47 CFR 64.1200). "
                    "Choose “Opt-in with consent”, or require written consent."
                }
            )

    @staticmethod
    def kind_of(number: str) -> LineKind:
        if phones.is_short_code(number):
            return LineKind.SHORT_CODE
        return LineKind.TOLL_FREE if phones.is_toll_free(number) else LineKind.LONG_CODE

    @property
    def is_open(self) -> bool:
        """True where texts may leave from this line at all."""
        return self.active and self.opened_at is not None

    @property
    def has_a_pace(self) -> bool:
        """True where texts may have to wait for others of this line."""
        return self.texts_per_second is not None or self.texts_per_day is not None

    def own_hours(self) -> tuple[Hours, ...]:
        """The rule that the line's own hours are, if it has any. They narrow what the places allow, never widen it."""
        if self.texts_from is None or self.texts_until is None:
            return ()
        return (Hours(opens=self.texts_from, closes=self.texts_until),)

    def law_wants_consent(self, number: str) -> bool:
        """True where a disclaimer is not enough to text ``number`` from here (47 CFR 64.1200(f)(9)).

        The gate asks such a contact for consent whatever the line's mode is (``mode_towards``).
        """
        return self.category == Category.MARKETING and phones.may_be_in_the_us(number)

    def disclaims_too_little(self) -> bool:
        """True for a marketing line to US numbers in disclaimer mode, unless it requires written consent."""
        return (
            self.chosen_mode() == Mode.DISCLAIMER
            and self.law_wants_consent(self.number)
            and self.required_level != Level.WRITTEN
        )

    def chosen_mode(self) -> Mode:
        return Mode(self.mode or Organisation.objects.current().mode)

    def mode_towards(self, number: str, default: str) -> Mode:
        """The mode that holds towards one contact; ``default`` is the organisation's.

        A marketing line in disclaimer mode elsewhere still needs consent of the US numbers it texts.
        """
        return Mode.CONSENT if self.law_wants_consent(number) else Mode(self.mode or default)
