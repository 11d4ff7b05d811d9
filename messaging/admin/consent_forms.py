"""What people record by hand about a contact's consent on one line: each form is one verb of messaging.capture.

``carry_out`` runs in a transaction, raises ConsentError where the rules don't allow it, and says what was done. It
never says whose consent it was: the modal does, where a name that turns the direction of writing twists no sentence.
"""

import datetime as dt
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone

from consent import kept_files
from consent.admin.unfold import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)
from consent.kept_files import Checked, FileRefused
from consent.ledger import Revoked
from consent.models import Contact, ImpliedConsentPeriod, Line, Organisation, User
from consent.vocabulary import Channel, EntryKind, Level, Scope
from messaging import capture
from messaging.admin.consent_lines import ASK, LIFT, RECORD, REVOKE, may_skip_double_opt_in
from messaging.capture import Basis

_ROUTES = {"call": "In a call", "in person": "In person", "e-mail": "By e-mail", "voicemail": "By voicemail"}
_GAVE = [*_ROUTES.items(), ("paper", "On paper")]
_REVOKED = [*_ROUTES.items(), ("letter", "By letter")]
# Completes "you signed up for our texts through …" in the text that asks them to confirm.
_THROUGH = {
    "call": "a phone call",
    "in person": "a talk in person",
    "e-mail": "an e-mail",
    "voicemail": "a voicemail",
    "paper": "a paper form",
}
_FULL_WIDTH = {"class": " ".join(UnfoldAdminTextInputWidget().attrs["class"].split())}


class _Moment(forms.DateTimeInput):
    input_type = "datetime-local"


class _Day(forms.DateInput):
    input_type = "date"


class _File(forms.FileField):
    """Gives what was looked at, not what was uploaded; None for none."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            label="A file that proves it",
            widget=forms.FileInput(attrs={**_FULL_WIDTH, "accept": ".pdf,.png,.jpg,.jpeg,.txt"}),
            help_text="PDF, PNG, JPEG or text, at most 5 MB. It is kept as evidence.",
            max_length=200,
        )

    def clean(self, data: Any, initial: Any = None) -> Checked | None:
        uploaded: UploadedFile | None = super().clean(data, initial)
        if not uploaded:
            return None
        try:
            return kept_files.check(uploaded)
        except FileRefused as error:
            raise forms.ValidationError(str(error)) from None


def _words(label: str, help_text: str = "") -> forms.CharField:
    return forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        max_length=2000,
        label=label,
        help_text=help_text,
        error_messages={"required": "Write it down, in a few words at least."},
    )


class VerbForm(forms.Form):
    """What all of them share. ``number`` is the contact's full number."""

    verb = ""
    title = ""
    submit = ""
    intro = ""

    def __init__(self, *args: Any, contact: Contact, number: str, line: Line, by: User, **kwargs: Any) -> None:
        super().__init__(*args, auto_id="consent_%s", **kwargs)
        self.contact, self.number, self.line, self.by = contact, number, line, by
        self.label_suffix = ""

    def carry_out(self) -> str:
        raise NotImplementedError

    def _evidence(self, kept: Any) -> dict[str, Any]:
        return kept_files.as_evidence(kept)


class _When(VerbForm):
    """Verbs about what happened at some moment, which is never in the future."""

    route = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    occurred_at = forms.DateTimeField(
        widget=_Moment(format="%Y-%m-%dT%H:%M", attrs=_FULL_WIDTH),
        error_messages={"invalid": "Give a date and a time.", "required": "Give the date and the time."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        moment = self.fields["occurred_at"]
        moment.initial = timezone.now
        moment.help_text = f"To the minute. Times are in the time zone {timezone.get_current_timezone_name()}."

    def clean_occurred_at(self) -> dt.datetime:
        given: dt.datetime = self.cleaned_data["occurred_at"]
        if given > timezone.now():
            raise forms.ValidationError("This moment lies in the future. Give the time at which they said it.")
        return given


class RecordForm(_When):
    verb = RECORD
    title = "Record consent"
    submit = "Record consent"
    file = _File()
    words = _words("What they agreed to", "In their own words, as far as you know them. They are kept as evidence.")
    level = forms.ChoiceField(
        widget=UnfoldAdminSelectWidget,
        choices=Level.choices,
        initial=Level.EXPRESS,
        label="How firm it is",
        help_text="Implied: they gave the number in the course of business. Express: they said yes to texts. Written: "
        "signed, with all that the law wants to be in it.",
    )
    follows_from = forms.ChoiceField(
        widget=UnfoldAdminSelectWidget,
        required=False,
        label="Implied by",
        help_text="Of implied consent: what it follows from. It decides when the consent ends.",
    )
    until = forms.DateField(
        widget=_Day(format="%Y-%m-%d", attrs=_FULL_WIDTH),
        required=False,
        label="Valid until",
        help_text="The last day on which it holds. Empty: it does not end by itself.",
        error_messages={"invalid": "Give a day, like 2027-06-30, or none."},
    )
    double = forms.BooleanField(
        widget=UnfoldBooleanSwitchWidget,
        required=False,
        initial=True,
        label="Ask them to confirm by text",
        help_text="They are opted in once they agree (double opt-in). Most people do not answer. Without it they "
        "are opted in at once, on your word.",
    )
    field_order = ["route", "occurred_at", "words", "file", "level", "follows_from", "until", "double"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        route = self.fields["route"]
        route.label = "How they agreed"
        route.choices = _GAVE  # type: ignore[attr-defined]
        self.fields["occurred_at"].label = "When they agreed"
        if not may_skip_double_opt_in(self.by):
            # PRODUCT "Capture channels": an agent's word is express consent, and counts with the contact's own YES.
            for name in ("double", "level", "until"):
                del self.fields[name]
            self.intro = (
                "They get a text that asks them to confirm, and are opted in once they agree. Until then nothing "
                "else is sent."
            )

        self.periods = {str(each.pk): each for each in ImpliedConsentPeriod.objects.for_number(self.number)}
        if self.periods and "level" in self.fields:
            known = ((pk, f"{each.follows_from} ({each.months} months)") for pk, each in self.periods.items())
            self.fields["follows_from"].choices = [("", "Something else"), *known]  # type: ignore[attr-defined]
        else:
            del self.fields["follows_from"]

    def clean(self) -> dict[str, Any]:
        """The end in one moment: of the day that was chosen, or of the period that the law gives."""
        given = super().clean() or {}
        day, period = given.get("until"), self.periods.get(given.get("follows_from") or "")
        given["ends"] = None
        if day:
            given["ends"] = timezone.make_aware(dt.datetime.combine(day + dt.timedelta(days=1), dt.time()))
            if given["ends"] <= timezone.now():
                self.add_error("until", "This day is over. Give a later one, or none if it does not end.")
        if period and given.get("level") == Level.IMPLIED and given.get("occurred_at"):
            end = period.end(given["occurred_at"])
            if end <= timezone.now():
                self.add_error("follows_from", f"That ended on {end:%d %B %Y}, so it implies nothing any more.")
            if given["ends"] and given["ends"] - end > dt.timedelta(days=1):
                self.add_error("until", f"By law it ends on {end:%d %B %Y}. Give that day or an earlier one.")
            given["ends"] = min(given["ends"] or end, end)
        return given

    def carry_out(self) -> str:
        given = self.cleaned_data
        period = self.periods.get(given.get("follows_from") or "")
        implied = {"implied_by": period.follows_from} if period and given.get("level") == Level.IMPLIED else {}
        with kept_files.keeping(given["file"], _locked(self.number), self.line, self.by) as kept:
            capture.record_consent(
                self.number,
                self.line,
                channel=Channel.AGENT,
                evidence={"route": given["route"], "words": given["words"], **implied, **self._evidence(kept)},
                occurred_at=given["occurred_at"],
                by=self.by,
                until=given["ends"],
                level=Level(given.get("level") or Level.EXPRESS),
                double=given.get("double", True),
                source=_THROUGH[given["route"]],
            )
        if given.get("double", True):
            return "It is recorded. They are asked by text to confirm it."
        if self.contact.entries.filter(line=self.line).latest("seq").kind == EntryKind.OPT_IN_TOO_LATE:
            return "It is recorded, but a later opt-out overrules it."
        return f"They are opted in on {self.line.name}."


class RevokeForm(_When):
    verb = REVOKE
    title = "Record a revocation"
    submit = "Opt them out"
    intro = (
        "Texts stop at once and what waits is cancelled. They get no confirmation text. Only they themselves or an "
        "officer can undo it."
    )
    words = _words("What they said", "In their own words, as far as you know them. They are kept as evidence.")
    scope = forms.ChoiceField(widget=UnfoldAdminSelectWidget, required=False, label="Where it is valid")
    field_order = ["route", "occurred_at", "words", "scope"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        route = self.fields["route"]
        route.label = "How they told us"
        route.choices = _REVOKED  # type: ignore[attr-defined]
        self.fields["occurred_at"].label = "When they said it"
        policy = Organisation.objects.current().scope_at(timezone.now())
        wider = capture.SCOPES_BY_WIDTH[capture.SCOPES_BY_WIDTH.index(policy) + 1 :]
        scope = self.fields["scope"]
        scope.choices = [("", _as_policy_says(policy)), *((each, each.label) for each in wider)]  # type: ignore[attr-defined]
        names = ", ".join(line.name for line in Line.objects.in_scope(policy, self.line))
        scope.help_text = f"By your organisation's policy: {names}. Choose more where they asked for it."
        if not wider:
            del self.fields["scope"]
            self.intro += " By your organisation's policy it is valid on every line."

    def clean_occurred_at(self) -> dt.datetime:
        """The last moment that what was given can mean: where they opted in within that minute, doubt says out."""
        given = super().clean_occurred_at()
        within = dt.timedelta(seconds=1 if given.second else 60)
        return min(given + within - dt.timedelta(microseconds=1), timezone.now())

    def carry_out(self) -> str:
        given = self.cleaned_data
        revoked = capture.record_revocation(
            self.number,
            self.line,
            by=self.by,
            route=given["route"],
            words=given["words"],
            occurred_at=given["occurred_at"],
            scope=Scope(given["scope"]) if given.get("scope") else None,
        )
        return told(revoked)


class LiftForm(VerbForm):
    verb = LIFT
    title = "Lift the opt-out"
    submit = "Lift the opt-out"
    reason = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        max_length=200,
        label="Why",
        help_text="Why this opt-out is taken back, for whoever asks in some years.",
        error_messages={"required": "Say why."},
    )
    route = forms.ChoiceField(widget=UnfoldAdminSelectWidget, choices=_GAVE, label="How they asked for it")
    proof = _words(
        "What proves it", "For example the words of their e-mail with its date, or who took the call and when."
    )
    file = _File()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        blocked = self.contact.consents.filter(line=self.line, blocked_at_provider=True).exists()
        self.intro = "Do this only where they asked for it. Reason and proof are kept for good under your name. " + (
            f"The provider blocks them besides: until they text START to {self.line.number} nothing reaches them, not "
            "even a confirmation."
            if blocked
            else "They get a text that says they are in. It undoes the opt-out on this one line."
        )

    def carry_out(self) -> str:
        given = self.cleaned_data
        contact = _locked(self.number)
        with kept_files.keeping(given["file"], contact, self.line, self.by) as kept:
            capture.lift_opt_out(
                contact,
                self.line,
                by=self.by,
                reason=given["reason"],
                evidence={"route": given["route"], "proof": given["proof"], **self._evidence(kept)},
            )
        if contact.consents.filter(line=self.line, blocked_at_provider=True).exists():
            return (
                f"They are opted in on {self.line.name} again. The provider still blocks them: they must text "
                f"START to {self.line.number} before anything reaches them."
            )
        return f"They are opted in on {self.line.name} again and get a text that says so."


class AskForm(VerbForm):
    verb = ASK
    title = "Ask for consent"
    submit = "Send the request"
    intro = "They get the opt-in request now, and nothing else until they agree."
    basis = forms.ChoiceField(
        widget=UnfoldAdminSelectWidget,
        choices=[("", "Choose one"), *Basis.choices],
        label="Why they may be asked",
        help_text="It is kept with the request.",
        error_messages={"required": "Choose why they may be asked."},
    )
    basis_words = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        max_length=200,
        required=False,
        label="In your words",
        help_text="Needed where you chose “Another reason”.",
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("basis") == Basis.OTHER and not given.get("basis_words"):
            self.add_error("basis_words", "Say what the reason is.")
        return given

    def carry_out(self) -> str:
        basis = Basis(self.cleaned_data["basis"])
        words = self.cleaned_data["basis_words"]
        kept = words if basis is Basis.OTHER else f"{basis.label}: {words}" if words else str(basis.label)
        capture.ask(self.number, self.line, by=self.by, basis=kept[:200])
        return f"They are being asked on {self.line.name}."


FORMS: dict[str, type[VerbForm]] = {form.verb: form for form in (RecordForm, RevokeForm, LiftForm, AskForm)}


def _locked(number: str) -> Contact:
    return Contact.objects.lock(number)


def _as_policy_says(policy: Scope) -> str:
    words = {Scope.LINE: "On this line only", Scope.CATEGORY: "On every line of the same category"}
    return f"{words.get(policy, policy.label)}, by your organisation's policy"


def told(revoked: Revoked) -> str:
    """What a revocation did, in words."""
    sentences = []
    if revoked.ended:
        sentences.append(f"They are opted out on {_names(revoked.ended)}; what waited there is cancelled.")
    if revoked.repeated:
        sentences.append(f"They were out already on {_names(revoked.repeated)}; it is recorded again.")
    if revoked.kept:
        sentences.append(f"On {_names(revoked.kept)} they stay in: they opted in themselves after the moment you gave.")
    return " ".join(sentences)


def _names(lines: list[Line]) -> str:
    return ", ".join(line.name for line in lines)
