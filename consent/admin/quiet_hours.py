"""The tables of when, and how often, contacts may be texted where they are."""

from typing import Any

from django import forms
from django.contrib import admin

from consent.admin.screens import Screen
from consent.admin.unfold import UnfoldAdminCheckboxSelectMultipleWidget
from consent.models import ContactCap, SendingHours

_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_VALID = (
    "Since when",
    {
        "fields": ["valid_from", "valid_to", "source"],
        "description": "When a rule changes, end this one and add another: so it can be said later what held when.",
    },
)


class DaysField(forms.MultipleChoiceField):
    """Days of the week, as the digits that the table keeps."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(str(number), name) for number, name in enumerate(_DAYS, 1)], **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return list(value or [])

    def clean(self, value: Any) -> str:
        return "".join(sorted(super().clean(value)))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(list(initial or []), data)


class SendingHoursForm(forms.ModelForm):
    weekdays = DaysField(label="Days", required=False)


@admin.register(SendingHours)
class SendingHoursAdmin(Screen):
    form = SendingHoursForm
    list_display = ["place", "days", "hours", "applies_to", "valid_from", "valid_to", "source"]
    list_filter = ["applies_to"]
    search_fields = ["place", "source"]
    search_help_text = "A place, like FR or US-FL, or part of the source."
    fieldsets = [
        (
            "Where",
            {
                "fields": ["place", "applies_to"],
                "description": "Where a contact is, is told by their postal code or time zone, or else by their "
                "number. Where that leaves several places possible, every one of them must allow the text.",
            },
        ),
        (
            "When texts may leave",
            {
                "fields": ["weekdays", "on_holidays", "opens", "closes"],
                "description": "Every rule that names the day must allow the text: a state's can only narrow what its "
                "country allows. A text outside these hours waits and leaves by itself. Changes hold within seconds; "
                "what waits already is looked at when its hour comes.",
            },
        ),
        _VALID,
    ]

    @admin.display(description="days", ordering="weekdays")
    def days(self, row: SendingHours) -> str:
        return row.days_in_words()

    @admin.display(description="texts may leave", ordering="opens")
    def hours(self, row: SendingHours) -> str:
        return row.hours_in_words()


@admin.register(ContactCap)
class ContactCapAdmin(Screen):
    list_display = ["place", "cap", "applies_to", "valid_from", "valid_to", "source"]
    list_filter = ["applies_to"]
    search_fields = ["place", "source"]
    search_help_text = "A place, like US-FL, or part of the source."
    fieldsets = [
        ("Where", {"fields": ["place", "applies_to"]}),
        (
            "How many texts",
            {
                "fields": ["texts", "hours"],
                "description": "To one contact, from all lines that it holds for. Every text counts that the provider "
                "took, or may have taken, but the confirmation of an opt-out and the reply to HELP. What is more "
                "waits, and leaves by itself.",
            },
        ),
        _VALID,
    ]

    @admin.display(description="at most", ordering="texts")
    def cap(self, row: ContactCap) -> str:
        return f"{row.texts} in {row.hours} hours"
