from typing import Any

from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString

from consent.admin.mode_switch import CONFIRM, ModeSwitchForm, asks_to_confirm
from consent.admin.numbers import LineNumberField
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


@admin.register(Line)
class LineAdmin(Screen):
    """Lines are switched off, never deleted: consent, texts and ledger entries belong to them."""

    form = LineForm
    list_display = ["name", "number", "kind", "category", "shown_mode", "shown_registration", "state"]
    list_filter = ["category", "kind", "mode", "registration", "active"]
    search_fields = ["name", "number"]
    search_help_text = "Name or number."
    fieldsets = [
        ("The number", {"fields": ["number", "name", "kind"]}),
        (
            "What is sent from here",
            {
                "fields": ["category"],
                "description": "Changing the category closes the line until the opt-outs that reach the new category "
                "have been written on it. That takes seconds; texts sent meanwhile are refused.",
            },
        ),
        ("How consent works here", {"fields": ["mode", "required_level", "opt_outs_answered_by_provider"]}),
        ("Whether it may text", {"fields": ["active", "registration", "ready_since"]}),
        (
            "Limits of opt-in requests",
            {
                "fields": ["request_limit", "request_pause", "request_expires_after"],
                "description": "Empty: as the organisation. Pauses and times are written days hours:minutes:seconds.",
            },
        ),
    ]

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
