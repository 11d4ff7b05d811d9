"""Switching from disclaimer only to opt-in with consent: the officer sees whom it concerns, and confirms.

PRODUCT "Rules around the flows": opted-in stay; those only told become unasked.
"""

from typing import Any

from django import forms
from django.http import HttpRequest

from consent.admin.unfold import UnfoldBooleanSwitchWidget
from consent.models import Consent, Line, Organisation
from consent.vocabulary import Mode, Status

CONFIRM = ("Switch to opt-in with consent", {"fields": ["switch_confirmed"]})


class ModeSwitchForm(forms.ModelForm):
    """The form of a line or of the organisation. Refuses a switch to consent that nobody confirmed."""

    switch_confirmed = forms.BooleanField(
        label="Yes, ask for consent from now on", required=False, widget=UnfoldBooleanSwitchWidget
    )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        switched = self.instance.pk and "mode" in cleaned and switches(self.instance, cleaned["mode"])
        if switched and not cleaned.get("switch_confirmed"):
            self.add_error("switch_confirmed", _what_it_means(self.instance))
        return cleaned


def asks_to_confirm(request: HttpRequest, obj: Line | Organisation | None) -> bool:
    """True where what is being posted switches to consent, so that the page shows the box to tick."""
    if obj is None or "mode" not in request.POST:
        return False
    return switches(type(obj).objects.get(pk=obj.pk), request.POST["mode"])


def switches(stored: Line | Organisation, chosen: str) -> bool:
    default = Organisation.objects.current().mode
    return (stored.mode or default) == Mode.DISCLAIMER and (chosen or default) == Mode.CONSENT


def lines_of(obj: Line | Organisation) -> list[Line]:
    """The lines whose mode is decided there."""
    return [obj] if isinstance(obj, Line) else list(Line.objects.filter(mode=""))


def _what_it_means(obj: Line | Organisation) -> str:
    lines = lines_of(obj)
    only_told = Consent.objects.filter(line__in=lines, status=Status.NOT_DEFINED).exclude(told_at=None)
    count = only_told.values("contact").distinct().count()
    names = ", ".join(line.name for line in lines) or "no line yet"
    people = {0: "Nobody was", 1: "1 contact was"}.get(count, f"{count} contacts were")
    return (
        f"This concerns {names}. {people} only told how to stop there. Such contacts count as not asked from now on: "
        "the next text to them is held until they say yes. Who opted in stays in. Switch this on and save again."
    )
