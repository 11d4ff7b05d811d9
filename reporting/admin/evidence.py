"""The way to the evidence pack from a contact's page."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from consent.admin.numbers import ContactScreen, signed_in
from consent.admin.unfold import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextInputWidget,
    action,
)
from consent.models import Contact, Line
from reporting import exports
from reporting.evidence_pack import making
from reporting.models import ReportRun

Format = ReportRun.Format


class PackForm(forms.Form):
    format = forms.ChoiceField(
        choices=[
            (Format.ZIP, "ZIP: to be checked and kept"),
            (Format.PDF, "PDF: to be read"),
        ],
        initial=Format.ZIP,
        widget=UnfoldAdminRadioSelectWidget,
        help_text="The ZIP holds the PDF too, with JSON, CSV, the kept files and a program that checks all of it.",
    )
    lines = forms.ModelMultipleChoiceField(
        Line.objects.order_by("name"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None chosen: every line. A pack of some lines tells nothing of the others, and still verifies.",
    )
    reason = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        max_length=200,
        label="What it is for",
        help_text="For example “Complaint 4711”. It stands in the pack and in the record of exports.",
    )


class EvidencePack(ContactScreen):
    """What a contact's admin needs for it."""

    # By method, not by name: Unfold's system check would look a dotted name up in a database that may not be there yet.
    def has_evidence_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return making.may_make(signed_in(request))

    @action(description="Evidence pack", url_path="evidence/", icon="gavel", permissions=["evidence"])
    def evidence(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form on GET; on POST the file, whose making is recorded."""
        contact: Contact = self.found(request, object_id)
        form = PackForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                run, file = making.make(
                    contact,
                    list(given["lines"]) or None,
                    format=given["format"],
                    origin=ReportRun.Origin.ADMIN,
                    user=signed_in(request),
                    reason=given["reason"],
                )
                return exports.handed_over(run, exports.blocks_of(file), size=run.size)
            except (making.PackError, exports.Busy) as error:
                messages.error(request, str(error))
                return HttpResponseRedirect(reverse("admin:consent_contact_evidence", args=[contact.pk]))
        return self.form_page(
            request,
            form,
            row=contact,
            title=f"Evidence pack of {contact}",
            submit="Make it",
            intro="All that is on record about this contact: every change of consent with its evidence, every text and "
            "refusal with its exact words, who did what, and the proof that none of it was changed. It also holds the "
            "words of texts that are held back from agents; that you were given them is kept, as is that this pack "
            "was made.",
        )
