"""A contact's new number: their opt-outs are copied to it (PRODUCT "Rules around the flows")."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from consent.admin.numbers import ContactScreen, NumberField, full_number, signed_in
from consent.admin.unfold import UnfoldAdminTextInputWidget, action
from consent.ledger import ConsentError
from consent.models import Consent, Contact, DoNotContact, Line
from consent.vocabulary import Status
from messaging import capture
from messaging.capture import Copied

_NEEDED = ("consent.change_contact", "consent.record_revocation")


class NewNumberForm(forms.Form):
    number = NumberField(label="Their new number")
    reason = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        max_length=200,
        label="How you know",
        help_text="For example “Called us from it on 3 May”. It is kept as evidence, under your name.",
    )


class NewNumber(ContactScreen):
    """What a contact's admin needs for it."""

    # By method, not by name: Unfold's system check would look a dotted name up in a database that may not be there yet.
    def has_new_number_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return signed_in(request).has_perms(_NEEDED)

    @action(description="New number", url_path="new-number/", icon="phone_forwarded", permissions=["new_number"])
    def new_number(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form on GET, the verb on POST."""
        contact: Contact = self.found(request, object_id)
        copied = _to_copy(contact)
        if not copied:
            messages.info(
                request,
                f"{contact} is opted out nowhere and not on the do-not-contact list, so there is nothing to copy. "
                "Consent doesn't move: text the new number, and they are asked anew where they must be.",
            )
            return HttpResponseRedirect(reverse("admin:consent_contact_change", args=[contact.pk]))
        form = NewNumberForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                with transaction.atomic():
                    done = capture.copy_opt_outs(
                        contact, given["number"], by=signed_in(request), reason=given["reason"]
                    )
            except ConsentError as error:
                form.add_error("number", str(error))
            else:
                for sentence in _told(done):
                    messages.success(request, sentence)
                return HttpResponseRedirect(reverse("admin:consent_contact_change", args=[done.contact.pk]))
        return self.form_page(
            request,
            form,
            row=contact,
            title=f"{contact} has a new number",
            submit="Copy the opt-outs",
            intro=_what_happens(contact, copied),
        )


def _to_copy(contact: Contact) -> list[str]:
    out = Line.objects.filter(consents__contact=contact.pk, consents__status=Status.OPTED_OUT)
    found = [f"the opt-outs on {_names(list(out))}"] if out else []
    if DoNotContact.objects.matching(full_number(contact)).exists():
        found.append("the entry on the do-not-contact list")
    return found


def _what_happens(contact: Contact, copied: list[str]) -> str:
    sentences = [
        f"Copied to the new number: {' and '.join(copied)}.",
        "What waits for the new number there is cancelled.",
        "Consent is never copied: for everything else they are asked anew.",
        "The old number keeps its page and its history. Nobody is texted about it.",
    ]
    if Consent.objects.filter(contact=contact.pk).exclude(review_since=None).exists():
        sentences.append("A text from the old number is under review. If it was an opt-out, repeat this afterwards.")
    return " ".join(sentences)


def _told(copied: Copied) -> list[str]:
    """What was copied, in words."""
    revoked, contact = copied.revoked, copied.contact
    who = f"{contact.name} ({contact.number})" if contact.name else contact.number
    sentences = []
    if revoked.ended:
        sentences.append(f"{who} is opted out on {_names(revoked.ended)} now; what waited there is cancelled.")
    if revoked.repeated:
        sentences.append(f"{who} was opted out already on {_names(revoked.repeated)}; it is recorded again.")
    if revoked.kept:
        sentences.append(
            f"On {_names(revoked.kept)} {who} stays in: they opted in from this number after the old one opted out."
        )
    if copied.listed:
        sentences.append(f"{who} is on the do-not-contact list.")
    return sentences


def _names(lines: list[Line]) -> str:
    return ", ".join(line.name for line in lines)
