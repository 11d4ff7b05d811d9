"""An officer's word on whether a number is still the contact's, where a list or an answer said otherwise."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from consent.admin.numbers import ContactScreen, signed_in
from consent.admin.unfold import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget, action
from consent.ledger import ConsentError
from consent.models import Contact
from messaging import bell, changed_hands


class SettleForm(forms.Form):
    same_person = forms.TypedChoiceField(
        label="Whose number it is",
        choices=[
            ("yes", "The same person's as before"),
            ("no", "It works, but whose it is, is not sure"),
        ],
        help_text="The same person's: what was suspended holds again. Not sure: it stays suspended, and they are asked "
        "anew before the next text.",
        coerce=lambda chosen: chosen == "yes",
        widget=UnfoldAdminRadioSelectWidget,
        error_messages={"required": "Choose one of the two."},
    )
    reason = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        max_length=200,
        label="How you know",
        help_text="For example “Called us from it on 3 May and gave her customer number”. It is kept as evidence, "
        "under your name.",
    )


class SettleNumber(ContactScreen):
    """What a contact's admin needs for it."""

    # By method, not by name: Unfold's system check would look a dotted name up in a database that may not be there yet.
    def has_settle_number_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return signed_in(request).has_perm("consent.settle_number")

    @action(
        description="Is the number theirs?",
        url_path="settle-number/",
        icon="contact_phone",
        permissions=["settle_number"],
    )
    def settle_number(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form on GET, the verb on POST."""
        contact: Contact = self.found(request, object_id)
        back = HttpResponseRedirect(reverse("admin:consent_contact_change", args=[contact.pk]))
        suspended = [each.line.name for each in _suspended(contact)]
        if not contact.unreachable and not suspended:
            messages.info(request, f"There is nothing to settle: nothing says that {contact} lost this number.")
            return back
        form = SettleForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                with transaction.atomic():
                    done = changed_hands.settle(
                        Contact.objects.lock_pk(contact.pk), by=signed_in(request), **form.cleaned_data
                    )
                    bell.ring_send()
            except ConsentError as error:
                form.add_error(None, str(error))
            else:
                if done.was_unreachable:
                    messages.success(request, "The number counts as reachable again.")
                if done.resumed:
                    lines = ", ".join(line.name for line in done.resumed)
                    messages.success(request, f"What they agreed to holds again on {lines}.")
                return back
        return self.form_page(
            request,
            form,
            row=contact,
            title=f"Is the number still that of {contact}?",
            submit="Record it",
            intro=_what_is_known(contact, suspended),
        )


def _suspended(contact: Contact) -> Any:
    return contact.consents.exclude(suspended_at=None).select_related("line").order_by("line__name")


def _what_is_known(contact: Contact, suspended: list[str]) -> str:
    sentences = []
    if contact.unreachable:
        source = contact.get_unreachable_source_display()
        sentences.append(
            f"On record: {contact.get_unreachable_display().lower()}{f' ({source.lower()})' if source else ''}."
        )
    if suspended:
        sentences.append(f"Their consent is suspended on {', '.join(suspended)}.")
    sentences.append(
        "A text from the number that opts in settles it by itself, on the line where it is sent. Opt-outs stay, "
        "whatever you choose, and texts that were refused stay refused."
    )
    return " ".join(sentences)
