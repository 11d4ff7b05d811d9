"""The contact's page with what can be done there: verbs of messaging, which consent/ does not know."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from consent.admin.contact import ContactAdmin as ConsentContactAdmin
from consent.admin.numbers import full_number, signed_in
from consent.admin.screens import ReadOnlyRows, plain
from consent.admin.unfold import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    action,
)
from consent.ledger import ConsentError, Revoked
from consent.models import Consent, Contact, Line, User
from consent.vocabulary import Status
from messaging import bell, capture
from messaging.admin.own_lines import on_own_lines
from messaging.models import Conversation

ON_LINE = plain("line")


class RevocationForm(forms.Form):
    """What somebody told us by another way than a text: call, e-mail, letter, voicemail."""

    line = forms.ModelChoiceField(Line.objects.none(), widget=UnfoldAdminSelectWidget, label="On which line")
    route = forms.ChoiceField(
        widget=UnfoldAdminSelectWidget,
        label="How they told us",
        choices=[
            ("call", "In a call"),
            ("in person", "In person"),
            ("e-mail", "By e-mail"),
            ("letter", "By letter"),
            ("voicemail", "By voicemail"),
        ],
    )
    words = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        max_length=2000,
        label="What they said",
        help_text="In their own words, as far as you know them. They are kept as evidence.",
    )
    occurred_at = forms.SplitDateTimeField(
        widget=UnfoldAdminSplitDateTimeWidget, label="When they said it", required=False
    )

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["line"].queryset = by.usable_lines()
        zone = timezone.get_current_timezone_name()
        self.fields["occurred_at"].help_text = f"Leave it empty if it was just now. Times are in the time zone {zone}."

    def clean_occurred_at(self) -> dt.datetime:
        """The last moment that what was given can mean: where they opted in within that minute, doubt says out."""
        now, given = timezone.now(), self.cleaned_data["occurred_at"]
        if given is None or given > now:
            return given or now
        return min(given + dt.timedelta(seconds=1 if given.second else 60) - dt.timedelta(microseconds=1), now)


class LiftForm(forms.Form):
    """An officer takes an opt-out back. It must say why, and what proves that the contact wants it."""

    line = forms.ModelChoiceField(Line.objects.none(), widget=UnfoldAdminSelectWidget, label="On which line")
    reason = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        max_length=200,
        help_text="Why this opt-out is taken back, for whoever asks in some years.",
    )
    proof = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        max_length=2000,
        label="What proves it",
        help_text="For example the words of the contact's e-mail with its date, or who took the call and when.",
    )

    def __init__(self, *args: Any, contact: Contact, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["line"].queryset = Line.objects.filter(
            consents__contact=contact.pk, consents__status=Status.OPTED_OUT
        )


class ConversationRows(ReadOnlyRows):
    model = Conversation
    fields = ["opened", ON_LINE, "state", "last_activity"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return on_own_lines(super().get_queryset(request), request, "line").select_related("line")

    @admin.display(description="conversation")
    def opened(self, conversation: Conversation) -> SafeString:
        address = reverse("admin:messaging_conversation_change", args=[conversation.pk])
        return format_html('<a class="text-link" href="{}">See it</a>', address)

    @admin.display(description="state")
    def state(self, conversation: Conversation) -> str:
        return "Open" if conversation.is_open else "Closed"


admin.site.unregister(Contact)


@admin.register(Contact)
class ContactAdmin(ConsentContactAdmin):
    inlines = [*ConsentContactAdmin.inlines[:1], ConversationRows, *ConsentContactAdmin.inlines[1:]]
    actions_detail = ["revocation", "lift"]

    # By method, not by name: Unfold's system check would look a dotted name up in a database that may not be there yet.
    def has_record_revocation_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return signed_in(request).has_perm("consent.record_revocation")

    def has_lift_opt_out_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return signed_in(request).has_perm("consent.lift_opt_out")

    @action(
        description="Record a revocation",
        url_path="revocation",
        icon="block",
        permissions=["record_revocation"],
    )
    def revocation(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form on GET, the verb on POST."""
        contact: Contact = self.found(request, object_id)
        user = signed_in(request)
        form = RevocationForm(request.POST or None, by=user)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                with transaction.atomic():
                    revoked = capture.record_revocation(
                        full_number(contact),
                        given["line"],
                        by=user,
                        route=given["route"],
                        words=given["words"],
                        occurred_at=given["occurred_at"],
                    )
            except ConsentError as error:
                form.add_error("occurred_at", str(error))
            else:
                messages.success(request, _told(contact, revoked))
                return self._back_to(contact)
        return self.form_page(
            request,
            form,
            row=contact,
            title=f"Record a revocation by {contact}",
            submit="Opt them out",
            intro="Texts to this contact stop at once: on this line, and on the lines the organisation's policy adds. "
            "They get no confirmation. Only they themselves or an officer can undo it.",
        )

    @action(description="Lift an opt-out", url_path="lift-opt-out", icon="lock_open", permissions=["lift_opt_out"])
    def lift(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form on GET, the verb on POST."""
        contact: Contact = self.found(request, object_id)
        form = LiftForm(request.POST or None, contact=contact)
        if request.method == "POST" and form.is_valid():
            line = form.cleaned_data["line"]
            with transaction.atomic():
                locked = Contact.objects.lock(full_number(contact))
                if not Consent.objects.filter(contact=locked, line=line, status=Status.OPTED_OUT).exists():
                    form.add_error("line", "The contact is no longer opted out there. There is nothing to lift.")
                else:
                    capture.lift_opt_out(
                        locked,
                        line,
                        by=signed_in(request),
                        reason=form.cleaned_data["reason"],
                        evidence={"proof": form.cleaned_data["proof"]},
                    )
                    bell.ring_send()
            if not form.errors:
                messages.success(request, f"{contact} is opted in on {line.name} again and gets a text that says so.")
                return self._back_to(contact)
        if not form.fields["line"].queryset.exists():
            messages.info(request, f"{contact} is opted out nowhere. There is nothing to lift.")
            return self._back_to(contact)
        return self.form_page(
            request,
            form,
            row=contact,
            title=f"Lift an opt-out of {contact}",
            submit="Lift the opt-out",
            intro="Do this only where the contact asked for it. Reason and proof are kept for good under your name, "
            "and the contact gets a text that they are in. It undoes the opt-out on this one line. Where the provider "
            "blocks them, they must still text START themselves.",
        )

    def _back_to(self, contact: Contact) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:consent_contact_change", args=[contact.pk]))


def _told(contact: Contact, revoked: Revoked) -> str:
    """What a revocation did, in words."""
    sentences = []
    if revoked.ended:
        sentences.append(f"{contact} is opted out on {_names(revoked.ended)}; what waited there is cancelled.")
    if revoked.repeated:
        sentences.append(f"They were out already on {_names(revoked.repeated)}; it is recorded again.")
    if revoked.kept:
        sentences.append(f"On {_names(revoked.kept)} they stay in: they opted in themselves after the moment you gave.")
    return " ".join(sentences)


def _names(lines: list[Line]) -> str:
    return ", ".join(line.name for line in lines)
