"""The choices of our policies, each with what it does said beside it."""

from collections.abc import Mapping
from typing import Any

from django import forms

from consent.admin.unfold import UnfoldAdminRadioSelectWidget
from consent.models import Organisation
from consent.vocabulary import Category, FooterFrequency, Level, Mode, Scope

_MODES = {
    Mode.CONSENT: "contacts must reply YES before anything else is sent. Texts wait for it.",
    Mode.DISCLAIMER: "contacts are told who writes and how to stop, and need not answer.",
}
_SCOPES = {
    Scope.LINE: "the others may go on texting them.",
    Scope.CATEGORY: "a STOP to one marketing line ends all marketing lines, and no other.",
    Scope.ALL: "one STOP ends all texts from the company.",
}
_CATEGORIES = {
    Category.TRANSACTIONAL: "about what the contact ordered, booked or asked for.",
    Category.INFORMATIONAL: "news, reminders and hints that sell nothing.",
    Category.MARKETING: "anything that wants to sell. To US numbers the law wants consent first.",
}
_LEVELS = {
    Level.IMPLIED: "they texted us, or are a customer. In some countries it ends after a time.",
    Level.EXPRESS: "they said yes to texts.",
    Level.WRITTEN: "they said yes to a wording that holds what the law wants for marketing.",
}
_FOOTERS = {
    FooterFrequency.EVERY: "the safest choice.",
    FooterFrequency.FIRST: "a conversation in which nobody texted for 24 hours begins anew.",
    FooterFrequency.DAYS: "give the number of days below.",
    FooterFrequency.NEVER: "only where your texts say it in other ways.",
}


class PolicyField(forms.ChoiceField):
    """Radio buttons, each with its effect in words."""

    def __init__(self, effects: Mapping[Any, str], *, label: str, empty: str = "") -> None:
        offered = [(key, f"{key.label}: {words}") for key, words in effects.items()]
        nothing = [("", empty)] if empty else []
        super().__init__(
            choices=[*nothing, *offered], required=not empty, widget=UnfoldAdminRadioSelectWidget, label=label
        )


def mode() -> PolicyField:
    return PolicyField(_MODES, label="Opt-in mode")


def mode_of_a_line() -> PolicyField:
    return PolicyField(_MODES, empty="As the organisation", label="Opt-in mode")


def as_the_organisation() -> str:
    """What a line without a mode of its own does at present."""
    return f"As the organisation, at present: {Organisation.objects.current().get_mode_display()}"


def scope() -> PolicyField:
    return PolicyField(_SCOPES, label="A STOP is valid for")


def next_scope() -> PolicyField:
    return PolicyField(_SCOPES, empty="No change is planned", label="From that day on for")


def category() -> PolicyField:
    return PolicyField(_CATEGORIES, label="Category")


def level() -> PolicyField:
    return PolicyField(_LEVELS, label="Consent that its texts need")


def footer() -> PolicyField:
    return PolicyField(_FOOTERS, label="The footer goes with")
