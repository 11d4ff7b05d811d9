import datetime as dt
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import MinValueValidator
from django.db.models import URLField
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from consent.admin import choices
from consent.admin.mode_switch import CONFIRM, ModeSwitchForm, asks_to_confirm, lines_of
from consent.admin.plain_durations import PlainDurationField
from consent.admin.screens import Screen
from consent.models import Organisation
from consent.vocabulary import Mode


class OrganisationForm(ModeSwitchForm):
    mode = choices.mode()
    revocation_scope = choices.scope()
    next_revocation_scope = choices.next_scope()
    request_pause = PlainDurationField(
        label="Pause between two requests", help_text="For example “24 hours”. Counted from the moment one left."
    )
    request_expires_after = PlainDurationField(
        label="A request expires after",
        validators=[MinValueValidator(dt.timedelta(seconds=1))],
        help_text="For example “7 days”, counted from the moment the provider took it. Texts that waited for the "
        "answer are cancelled then.",
    )

    class Meta:
        labels = {
            "terms_address": "Address of the terms",
            "privacy_address": "Address of the privacy policy",
            "next_revocation_scope_on": "Changes on",
            "request_limit": "Requests in 30 days",
            "mask_numbers": "Hide full numbers from agents",
        }
        help_texts = {
            "request_limit": "At most so many to one contact on one line. 0: nobody is asked.",
            "terms_address": "A web page, for wordings that name it.",
            "privacy_address": "A web page, for wordings that name it.",
            "next_revocation_scope_on": "Opt-outs from that day on reach as far as is chosen below. Earlier ones keep "
            "their reach. Empty: no change is planned.",
            "mask_numbers": "Agents then see the last four digits, and find contacts by name or by those. Officers and "
            "supervisors see full numbers.",
        }

    def clean_mode(self) -> str:
        """A line that follows the organisation must be able to: law wants consent before marketing to US numbers."""
        mode: str = self.cleaned_data["mode"]
        stuck = [line.name for line in lines_of(self.instance) if line.law_wants_consent(line.number)]
        if mode == Mode.DISCLAIMER and stuck:
            raise ValidationError(
                "Marketing texts to US numbers need consent before the first one (47 CFR 64.1200). First choose "
                f"“Opt-in with consent” on these lines, which follow this default: {', '.join(stuck)}."
            )
        return mode


@admin.register(Organisation)
class OrganisationAdmin(Screen):
    """Exactly one row: its list is its form, and it is neither added nor deleted."""

    form = OrganisationForm
    fieldsets = [
        (
            "Who we are",
            {
                "fields": ["name", "support_contact", "frequency", "terms_address", "privacy_address"],
                "description": "What contacts read about you in requests, confirmations and help replies.",
            },
        ),
        (
            "How we get consent",
            {
                "fields": ["mode"],
                "description": "The default for every line that has no mode of its own. Consent that somebody records "
                "by hand counts only once the contact has answered YES to a text (double opt-in), unless an officer "
                "decides otherwise. Expect that most people do not answer: vendors report about four in five.",
            },
        ),
        (
            "How far a STOP reaches",
            {
                "fields": ["at_present", "revocation_scope", "next_revocation_scope_on", "next_revocation_scope"],
                "description": "In the United States a STOP answers for every line of the business from 31 January "
                "2027 on (47 CFR 64.1200(a)(10), waived until then by FCC DA 26-12). Optline comes with that change "
                "planned. STOPALL always means every line, and START lifts an opt-out on its own line only.",
            },
        ),
        (
            "How often contacts are asked",
            {
                "fields": ["request_limit", "request_pause", "request_expires_after"],
                "description": "A line can have limits of its own. At the limit an agent's text is refused, with the "
                "day from which asking is possible; a contact's text is held back.",
            },
        ),
        ("What agents see", {"fields": ["mask_numbers"]}),
    ]
    readonly_fields = ["at_present"]

    class Media:
        css = {"all": ["optline/policy.css"]}

    @admin.display(description="at present")
    def at_present(self, policy: Organisation) -> str:
        now, day = timezone.now(), policy.next_revocation_scope_on
        words = policy.scope_at(now).label.lower()
        if not day or timezone.localdate(now) >= day:
            return f"A STOP is valid for: {words}."
        then = policy.get_next_revocation_scope_display().lower()
        return f"A STOP is valid for: {words}. From {date_format(day, 'j F Y')} on: {then}."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, URLField):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Organisation | None = None) -> list[Any]:
        fieldsets = list(super().get_fieldsets(request, obj))
        return [CONFIRM, *fieldsets] if asks_to_confirm(request, obj) else fieldsets

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:consent_organisation_change", args=[1]))

    def save_model(self, request: HttpRequest, obj: Organisation, form: ModelForm, change: bool) -> None:
        self.save_changes(obj, form)
