from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from consent import ledger
from consent.admin.numbers import NumberField, signed_in
from consent.admin.screens import Screen
from consent.admin.unfold import UnfoldAdminTextInputWidget
from consent.ledger import Proof
from consent.models import Contact, DoNotContact
from consent.vocabulary import Channel


class AddForm(forms.ModelForm):
    number = NumberField()


class LiftForm(forms.Form):
    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="Why texts may go to this number again. It is kept in the ledger's evidence.",
    )


@admin.register(DoNotContact)
class DoNotContactAdmin(Screen):
    """The list is written through the ledger, in both directions: nothing here bypasses it."""

    form = AddForm
    list_display = ["shown_number", "reason", "added", "added_by"]
    list_filter = ["added"]
    list_select_related = ["added_by"]
    search_fields = ["number", "reason"]
    search_help_text = "Any part of the number, or of the reason."
    fields = ["number", "reason", "added", "added_by"]

    def get_readonly_fields(self, request: HttpRequest, obj: DoNotContact | None = None) -> list[str]:
        return ["added", "added_by"]

    def get_fields(self, request: HttpRequest, obj: DoNotContact | None = None) -> list[str]:
        return ["number", "reason", "added", "added_by"] if obj else ["number", "reason"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="number", ordering="number")
    def shown_number(self, listed: DoNotContact) -> str:
        return str(listed)

    def save_model(self, request: HttpRequest, obj: DoNotContact, form: forms.ModelForm, change: bool) -> None:
        assert not change and obj.number
        contact = Contact.objects.lock(obj.number)
        proof = Proof(Channel.AGENT, {"reason": obj.reason, "number": obj.number}, actor=signed_in(request))
        obj.pk = ledger.add_do_not_contact(contact, proof, reason=obj.reason).pk

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the reason, then take the number off the list through the ledger."""
        listed: DoNotContact = self.found(request, object_id)
        if not self.has_delete_permission(request, listed):
            raise PermissionDenied
        overview = HttpResponseRedirect(reverse("admin:consent_donotcontact_changelist"))
        if not listed.number:
            messages.error(request, "This number was erased, so nobody can say whose it is. It stays on the list.")
            return overview
        form = LiftForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            proof = Proof(
                Channel.AGENT,
                {"reason": form.cleaned_data["reason"], "number": listed.number},
                actor=signed_in(request),
            )
            with transaction.atomic():
                ledger.lift_do_not_contact(Contact.objects.lock(listed.number), proof)
            messages.success(
                request, f"{listed.number} is off the do-not-contact list. What it opted out of stays opted out."
            )
            return overview
        return self.form_page(
            request,
            form,
            row=listed,
            title=f"Take {listed.number} off the do-not-contact list",
            submit="Take it off the list",
            intro="From then on texts may go to this number again where its consent allows them.",
        )
