import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.core.validators import MinValueValidator
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString

from consent.admin import choices
from consent.admin.mode_switch import CONFIRM, ModeSwitchForm, asks_to_confirm
from consent.admin.numbers import LineNumberField
from consent.admin.plain_durations import PlainDurationField
from consent.admin.screens import Screen
from consent.admin.unfold import badge
from consent.models import Line
from consent.vocabulary import Registration

_REGISTRATION_TONES = {
    Registration.PENDING: "warning",
    Registration.VERIFIED: "success",
    Registration.REJECTED: "danger",
}


class LineForm(ModeSwitchForm):
    number = LineNumberField(help_text="With country code, like +12065550123, or a short code like 72345.")
    category = choices.category()
    mode = choices.mode_of_a_line()
    required_level = choices.level()
    footer_frequency = choices.footer()
    request_pause = PlainDurationField(
        label="Pause between two requests", required=False, help_text="For example “24 hours”."
    )
    request_expires_after = PlainDurationField(
        label="A request expires after",
        required=False,
        validators=[MinValueValidator(dt.timedelta(seconds=1))],
        help_text="For example “7 days”, counted from the moment the provider took it.",
    )

    class Meta:
        labels = {
            "request_limit": "Requests in 30 days",
            "active": "Switched on",
            "name": "Name of the line",
            "quiet_hours": "Quiet hours",
            "web_form_double_opt_in": "Double opt-in on the web form",
            "ivr_double_opt_in": "Double opt-in in the phone menu",
            "texts_from": "Own hours: from",
            "texts_until": "Own hours: until",
            "texts_per_second": "Texts a second",
            "texts_per_day": "Texts a day",
        }
        help_texts = {
            "name": "Your people see it everywhere, and contacts where no agent is named.",
            "request_limit": "At most so many to one contact. 0: nobody is asked.",
            "active": "From a line that is switched off nothing leaves; what people text to it is still read.",
            "quiet_hours": "Texts keep to the table “Sending hours” and to this line's own. Switched off, they leave "
            "at any hour: only where your lawyers say so.",
            "texts_from": "Narrower than the table, never wider. Empty: only the table counts.",
            "texts_until": "The last text leaves just before. 00:00 is midnight.",
            "texts_per_second": "Empty: no limit. Twilio sends 1 a second from a US long code that has no 10DLC "
            "campaign, 3 from a toll-free number and 100 from a short code; a campaign's own figure stands in Twilio's "
            "console.",
            "registration": "10DLC campaign or toll-free verification, as your provider shows it. While it is waiting "
            "or rejected, nothing leaves.",
            "opt_outs_answered_by_provider": "Toll-free numbers: always. Long codes: yes, unless opt-out handling is "
            "switched off at Twilio. Optline then sends no confirmation of its own, since the contact already got one, "
            "and its wordings say START instead of YES.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "texts_per_day" in self.fields:
            self.fields["texts_per_day"].help_text = (
                f"Empty: no limit. A day lasts from midnight to midnight in {timezone.get_default_timezone_name()}, "
                "the time zone in which this admin shows times, wherever the contacts are."
            )
        if "mode" in self.fields:  # it is not, for those who only look
            follow, *own = self.fields["mode"].choices  # type: ignore[attr-defined]
            self.fields["mode"].choices = [(follow[0], choices.as_the_organisation()), *own]  # type: ignore[attr-defined]


@admin.register(Line)
class LineAdmin(Screen):
    """Lines are switched off, never deleted: consent, texts and ledger entries belong to them."""

    form = LineForm
    list_display = ["name", "number", "kind", "category", "shown_mode", "shown_registration", "state"]
    list_filter = ["category", "kind", "mode", "registration", "active"]
    search_fields = ["name", "number"]
    search_help_text = "Name or number."
    fieldsets = [
        (
            "The number",
            {
                "fields": ["number", "name", "kind"],
                "description": "What was agreed, was agreed for this number, so it can't be changed later: another "
                "number is another line.",
            },
        ),
        (
            "What is sent from here",
            {
                "fields": ["category"],
                "description": "Changing the category closes the line until the opt-outs that reach the new category "
                "have been written on it. That takes seconds; texts sent meanwhile are refused.",
            },
        ),
        (
            "How consent works here",
            {
                "fields": ["mode", "required_level", "opt_outs_answered_by_provider"],
                "description": "Marketing texts to US numbers need consent before the first one, whatever the mode.",
            },
        ),
        (
            "Sign-ups outside of texts",
            {
                "fields": ["web_form_double_opt_in", "ivr_double_opt_in"],
                "description": "Anybody can enter or call with somebody else's number, so with double opt-in a sign-up "
                "counts once its phone replies YES. Expect most people not to answer: vendors report about four in "
                "five. Without it a sign-up counts at once, and a text says so and how to stop. The funnel shows how "
                "many confirm.",
            },
        ),
        (
            "What Optline says by itself",
            {
                "fields": ["language", "footer_frequency", "footer_days"],
                "description": "The footer is the wording that tells how to stop, after an ordinary text. Whoever was "
                "told by another text meanwhile, like a request or a confirmation, counts as told. A conversation in "
                "which nobody texted for 24 hours begins anew. To some countries every text ends with it, whatever "
                "is chosen here.",
            },
        ),
        (
            "When texts may leave",
            {
                "fields": ["quiet_hours", "texts_from", "texts_until"],
                "description": "In the contact's own time. What people write outside the hours waits and leaves by "
                "itself in the morning, unless the contact opts out. A contact who wrote in the last 30 minutes may be "
                "answered at any hour, but on marketing lines.",
            },
        ),
        (
            "How fast texts leave",
            {
                "fields": ["texts_per_second", "texts_per_day"],
                "description": "What is more waits here in its order, not at the provider, where a STOP could no "
                "longer catch it. What an agent writes goes before what is sent to many. Confirmations of opt-outs and "
                "replies to HELP don't wait.",
            },
        ),
        ("Whether it may text", {"fields": ["active", "registration", "ready_since"]}),
        (
            "How often contacts are asked",
            {
                "fields": ["request_limit", "request_pause", "request_expires_after"],
                "description": "Leave a field empty to follow the organisation.",
            },
        ),
    ]

    class Media:
        css = {"all": ["optline/policy.css"]}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Line | None = None) -> list[Any]:
        fieldsets = list(super().get_fieldsets(request, obj))
        return [CONFIRM, *fieldsets] if asks_to_confirm(request, obj) else fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Line | None = None) -> list[str]:
        # What was agreed, was agreed for this number: another number is another line.
        return ["kind", "ready_since", *(["number"] if obj else [])]

    def save_model(self, request: HttpRequest, obj: Line, form: ModelForm, change: bool) -> None:
        if change:
            self.save_changes(obj, form)
        else:
            obj.save()
        if not change or "category" in form.changed_data:
            messages.warning(
                request,
                f"{obj.name} is closed while the opt-outs that reach it are written on it. It opens by itself, usually "
                "within seconds; its page says since when it is ready.",
            )

    @admin.display(description="opt-in mode", ordering="mode")
    def shown_mode(self, line: Line) -> str:
        return line.get_mode_display() if line.mode else "As the organisation"

    @admin.display(description="registration", ordering="registration")
    def shown_registration(self, line: Line) -> SafeString:
        return badge(line.get_registration_display(), _REGISTRATION_TONES.get(Registration(line.registration), ""))

    @admin.display(description="state")
    def state(self, line: Line) -> SafeString:
        if not line.active:
            return badge("Switched off")
        return badge("Ready", "success") if line.is_open else badge("Being prepared", "warning")

    @admin.display(description="ready since")
    def ready_since(self, line: Line) -> str:
        if line.opened_at is None:
            return "Not yet: the opt-outs that reach this line are being written on it."
        return date_format(timezone.localtime(line.opened_at), "DATETIME_FORMAT")
