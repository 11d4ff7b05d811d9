"""The way to erase a contact, from their page."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from consent.admin.numbers import ContactScreen, NumberField, full_number, signed_in
from consent.admin.unfold import UnfoldAdminTextInputWidget, action
from consent.models import Contact
from reporting import erasure

_WHAT_HAPPENS = (
    "On lawful request only; nobody can undo it. Their name, number and tags, the words of all texts, all evidence and "
    "its files are erased. What stays: the ledger's entries, which hold no personal data and still verify; when there "
    "were texts; and a keyed hash of the number, so that nothing goes to it ever again and no import brings it back. "
    "If it may be needed in a dispute, make the evidence pack first. Not reached: exports and imported files of the "
    "last seven days, evidence packs that were taken, backups, evidence about another number of theirs, and what the "
    "provider keeps."
)


class ErasureForm(forms.Form):
    number = NumberField(label="Their number, once more", help_text="So that nobody else is erased by mistake.")
    reason = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        max_length=200,
        label="On what request",
        help_text="For example “Request of 3 May, file 4711”. It stays for good, so write no name and no number.",
    )

    def __init__(self, *args: Any, number: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._number = number

    def clean_number(self) -> str:
        given: str = self.cleaned_data["number"]
        if given != self._number:
            raise forms.ValidationError("This is not this contact's number. Go back and look whom you want to erase.")
        return given

    def clean_reason(self) -> str:
        reason: str = self.cleaned_data["reason"]
        digits = "".join(char for char in reason if char.isdecimal())
        if self._number.lstrip("+") in digits or self._number[2:] in digits:
            raise forms.ValidationError("The number stands in it, and what you write here stays. Leave it out.")
        return reason


class Erasure(ContactScreen):
    """What a contact's admin needs for it."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is written again about somebody who was erased."""
        return not (obj and obj.erased_at) and super().has_change_permission(request, obj)

    # By method, not by name: Unfold's system check would look a dotted name up in a database that may not be there yet.
    def has_erase_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return signed_in(request).has_perm("consent.erase_contact")

    @action(description="Erase", url_path="erase/", icon="person_remove", permissions=["erase"])
    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form on GET, the verb on POST."""
        contact: Contact = self.found(request, object_id)
        page = HttpResponseRedirect(reverse("admin:consent_contact_change", args=[contact.pk]))
        if contact.erased_at:
            messages.info(request, "This contact was erased already.")
            return page
        form = ErasureForm(request.POST or None, number=full_number(contact))
        if request.method == "POST" and form.is_valid():
            try:
                erasure.erase(contact, by=signed_in(request), reason=form.cleaned_data["reason"])
            except erasure.ErasureError as error:
                form.add_error(None, str(error))
            else:
                messages.success(
                    request,
                    "The contact is erased. Nothing goes to the number any more, and Optline knows it by a keyed hash "
                    "alone.",
                )
                return page
        return self.form_page(
            request,
            form,
            row=contact,
            title=f"Erase {contact}",
            submit="Erase for good",
            intro=_WHAT_HAPPENS,
        )
