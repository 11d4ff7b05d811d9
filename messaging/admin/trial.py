from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from consent.admin.standing import status_badge
from consent.admin.unfold import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget, action
from consent.models import Line
from consent.vocabulary import Status
from messaging import trial
from messaging.keywords import Meaning
from messaging.provider import OptOutWord
from messaging.trial import Case, Standing, Trial

_LONGEST = 1600  # characters of one inbound text (FACTS "Inbound webhook")
_MEANINGS: dict[Meaning, tuple[str, str]] = {
    Meaning.OPT_IN: ("Opt in", "success"),
    Meaning.OPT_OUT: ("Opt out", "danger"),
    Meaning.HELP: ("Help", "info"),
    Meaning.REPLY: ("Reply only", "info"),
    Meaning.YES: ("YES", "success"),
    Meaning.NO: ("NO", "danger"),
    Meaning.CONVERSATION: ("Conversation", ""),
    Meaning.REVIEW: ("May be an opt-out", "warning"),
    Meaning.POSSIBLE_ACCEPTANCE: ("May be a yes", "warning"),
    Meaning.REACTION: ("Reaction", ""),
}


class TrialForm(forms.Form):
    text = forms.CharField(
        label="What the contact texts",
        max_length=_LONGEST,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
    )
    line = forms.ModelChoiceField(Line.objects.all(), label="To", empty_label=None, widget=UnfoldAdminSelectWidget)
    standing = forms.ChoiceField(
        label="The contact is", choices=Standing.choices, initial=Standing.NOT_DEFINED, widget=UnfoldAdminSelectWidget
    )
    under_review = forms.BooleanField(
        label="Under review: an earlier text may be an opt-out", required=False, widget=UnfoldBooleanSwitchWidget
    )
    told = forms.BooleanField(
        label="Was told how to stop (had the disclaimer)", required=False, widget=UnfoldBooleanSwitchWidget
    )
    provider_said = forms.ChoiceField(
        label="Twilio says that it answered the text itself",
        choices=[("", "No"), *((word.value, f"Yes, as {word.value}") for word in OptOutWord)],
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Only where Advanced Opt-Out is on.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        chosen = cleaned.get("standing")
        if chosen and cleaned.get("under_review") and Standing(chosen).status is Status.OPTED_OUT:
            self.add_error("under_review", "Who opted out can't be under review any more. Switch this off.")
        return cleaned

    def case(self) -> Case:
        """What was asked, once the form is valid."""
        asked = self.cleaned_data
        return Case(
            text=asked["text"],
            line=asked["line"],
            standing=Standing(asked["standing"]),
            under_review=asked["under_review"],
            told=asked["told"],
            provider_said=OptOutWord(asked["provider_said"]) if asked["provider_said"] else None,
        )


class TrialPage:
    """The page "Try a text", for those who may see the responders. It sends and stores nothing.

    The text may be a contact's own, so it travels in a form and never in an address.
    """

    @action(description="Try a text", url_path="try", icon="science", permissions=["view"])
    def try_a_text(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = TrialForm(request.POST if request.method == "POST" else None)
        found = trial.attempt(form.case()) if form.is_bound and form.is_valid() else None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Try a text",
            "form": form,
            "trial": found,
            **(_shown(found) if found else {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/messaging/keywordresponder/try.html", context)


def _shown(found: Trial) -> dict[str, Any]:
    label, tone = _MEANINGS[found.reading.meaning]
    return {
        "meaning": label,
        "tone": tone,
        "before": status_badge(found.case.standing.status, told=found.case.told),
        "then": status_badge(found.status_then, told=found.told_then),
        "changes": (found.status_then, found.told_then) != (found.case.standing.status, found.case.told),
    }
