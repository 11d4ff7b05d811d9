"""The do-not-contact list: looking a number up, putting it on the list, taking it off."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from consent import ledger, phones
from consent.admin.numbers import NumberField, signed_in
from consent.admin.screens import Screen
from consent.admin.standing import status_badge
from consent.admin.unfold import UnfoldAdminTextInputWidget, action
from consent.ledger import Proof
from consent.models import Consent, Contact, DoNotContact, Line
from consent.vocabulary import Channel


class NamedNumberField(NumberField):
    """A number whose error says which one it is about."""

    def normalise(self, raw: str) -> str:
        try:
            return self.read(raw)
        except phones.PhoneError as error:
            raise phones.PhoneError(f"“{raw.strip()}” can't be read. {error}") from None

    def read(self, raw: str) -> str:
        """``raw`` in E.164. Raises phones.PhoneError."""
        return phones.normalise(raw)


class AnyNotationField(NamedNumberField):
    """A number to look for. Without a country code it is one of the country of our first line."""

    def __init__(self) -> None:
        super().__init__(
            label="Number", help_text="In any notation: +1 206 555 0123, (206) 555-0123, 001 206 555 0123."
        )

    def read(self, raw: str) -> str:
        digits = raw.strip()
        if digits.startswith("00"):
            return phones.normalise(f"+{digits[2:]}")
        ours = (number for number in Line.objects.order_by("pk").values_list("number", flat=True))
        neighbour = next((number for number in ours if not phones.is_short_code(number)), "")
        return phones.normalise_beside(digits, neighbour) if neighbour else phones.normalise(digits)


class LookUpForm(forms.Form):
    number = AnyNotationField()


class AddForm(forms.ModelForm):
    number = NamedNumberField()

    def clean_number(self) -> str:
        number: str = self.cleaned_data["number"]
        if DoNotContact.objects.matching(number).exists():
            raise forms.ValidationError(f"{number} is on the list already. Nothing goes to it.")
        return number


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
    list_display = ["shown_number", "reason", "added", "by"]
    list_filter = ["added"]
    list_select_related = ["added_by"]
    search_fields = ["number", "reason"]
    search_help_text = "Any part of the number, or of the reason."
    actions_list = ["look_up"]

    def get_readonly_fields(self, request: HttpRequest, obj: DoNotContact | None = None) -> list[str]:
        return ["added", "by", "standing"]

    def get_fields(self, request: HttpRequest, obj: DoNotContact | None = None) -> list[str]:
        return ["number", "reason", "added", "by", "standing"] if obj else ["number", "reason"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="number", ordering="number")
    def shown_number(self, listed: DoNotContact) -> str:
        return str(listed)

    @admin.display(description="added by", ordering="added_by")
    def by(self, listed: DoNotContact) -> str:
        who = listed.added_by
        return (who.get_full_name() or who.get_username()) if who else "Optline"

    @admin.display(description="on our lines")
    def standing(self, listed: DoNotContact) -> SafeString | str:
        if not listed.number:
            return "The number was erased. Its keyed hash still recognises it."
        return format_html('<a class="text-link" href="{}">Its status on every line</a>', _look_up_at(listed.number))

    # ---- look up ----------------------------------------------------------------------------------------------------

    # By method, not by name: Unfold's system check would look a dotted name up in a database that may not be there yet.
    def has_look_up_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @action(description="Look up a number", url_path="look-up/", icon="search", permissions=["look_up"])
    def look_up(self, request: HttpRequest) -> HttpResponse:
        """Whether a number is on the list, and where it stands on every line. Changes nothing, whatever the method."""
        form = LookUpForm(request.GET if "number" in request.GET else None)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Look up a number",
            "form": form,
            **(self._found(request, form.cleaned_data["number"]) if form.is_valid() else {}),
        }
        return TemplateResponse(request, "admin/consent/donotcontact/look_up.html", context)

    def _found(self, request: HttpRequest, number: str) -> dict[str, Any]:
        listed = DoNotContact.objects.matching(number).select_related("added_by").first()
        contact = Contact.objects.filter(number=number).first()
        known = {consent.line_id: consent for consent in Consent.objects.filter(contact=contact)} if contact else {}
        query = urlencode({"number": number})
        add, lift = reverse("admin:consent_donotcontact_add"), ""
        if listed and self.has_delete_permission(request, listed):
            lift = reverse("admin:consent_donotcontact_delete", args=[listed.pk])
        return {
            "number": number,
            "listed": listed,
            "contact": contact,
            "contact_url": reverse("admin:consent_contact_change", args=[contact.pk]) if contact else "",
            "rows": [_row(line, known.get(line.pk) or Consent(line=line)) for line in Line.objects.all()],
            "add_url": f"{add}?{query}" if not listed and self.has_add_permission(request) else "",
            "lift_url": f"{lift}?{query}" if lift else "",
        }

    # ---- put on the list --------------------------------------------------------------------------------------------

    def put_on_list(self, contact: Contact, proof: Proof, reason: str) -> int:
        """Under the contact's lock. How many texts that waited for them were cancelled."""
        ledger.add_do_not_contact(contact, proof, reason=reason)
        return 0

    def save_model(self, request: HttpRequest, obj: DoNotContact, form: forms.ModelForm, change: bool) -> None:
        assert not change and obj.number
        contact = Contact.objects.lock(obj.number)
        proof = Proof(Channel.AGENT, {"reason": obj.reason, "number": obj.number}, actor=signed_in(request))
        cancelled = self.put_on_list(contact, proof, obj.reason)
        obj.pk = DoNotContact.objects.matching(obj.number).get().pk
        messages.success(request, f"{obj.number} is on the do-not-contact list. Nothing goes to it, from any line.")
        if cancelled:
            one = "1 text that waited for it was" if cancelled == 1 else f"{cancelled} texts that waited for it were"
            messages.warning(request, f"{one} cancelled.")

    def response_add(self, request: HttpRequest, obj: DoNotContact, post_url_continue: str | None = None) -> Any:
        if "_addanother" in request.POST:
            return HttpResponseRedirect(reverse("admin:consent_donotcontact_add"))
        return HttpResponseRedirect(_look_up_at(str(obj.number)))

    # ---- take off the list ------------------------------------------------------------------------------------------

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the reason, then take the number off the list through the ledger."""
        listed: DoNotContact = self.found(request, object_id)
        if not self.has_delete_permission(request, listed):
            raise PermissionDenied
        number = listed.number or _recognised(listed, request.GET.get("number", ""))
        if not number:
            messages.error(
                request,
                "This number was erased, so nobody can say whose it is. It stays on the list. Who knows the "
                "number can look it up and take it off from there.",
            )
            return HttpResponseRedirect(reverse("admin:consent_donotcontact_changelist"))
        form = LiftForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            reason = form.cleaned_data["reason"]
            proof = Proof(Channel.AGENT, {"reason": reason, "number": number}, actor=signed_in(request))
            with transaction.atomic():
                ledger.lift_do_not_contact(Contact.objects.lock(number), proof)
            messages.success(request, f"{number} is off the do-not-contact list. What it opted out of stays opted out.")
            return HttpResponseRedirect(_look_up_at(number))
        return self.form_page(
            request,
            form,
            row=listed,
            title=f"Take {number} off the do-not-contact list",
            submit="Take it off the list",
            intro="From then on texts may go to this number again where its consent allows them. Opt-outs stay: this "
            "lifts none of them. Texts that were cancelled because of the list stay cancelled, so whoever wrote them "
            "has to write again. Your reason is kept in the ledger.",
        )


def _look_up_at(number: str) -> str:
    return f"{reverse('admin:consent_donotcontact_look_up')}?{urlencode({'number': number})}"


def _recognised(listed: DoNotContact, given: str) -> str:
    """``given`` in E.164, where it is the number of an entry that knows only its hash. Else empty."""
    try:
        number = phones.normalise(given)
    except phones.PhoneError:
        return ""
    return number if DoNotContact.objects.matching(number).filter(pk=listed.pk).exists() else ""


def _row(line: Line, consent: Consent) -> dict[str, Any]:
    return {
        "line": line,
        "consent": consent,
        "status": status_badge(consent.status, told=consent.told_at is not None),
        "request": consent.get_request_state_display(),
    }
