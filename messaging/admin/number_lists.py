"""Lists of numbers: what was imported, importing more, and the query for reassigned numbers."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from consent.admin.numbers import signed_in
from consent.admin.screens import ReadOnlyScreen
from consent.admin.unfold import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, action, badge
from consent.models import ListImport, ScrubResult
from consent.vocabulary import SCRUB_LISTS, NumberList
from messaging import number_files, reassigned, scrubbing
from messaging.number_files import FileError

_FULL_WIDTH = {"class": " ".join(UnfoldAdminTextInputWidget().attrs["class"].split())}


class _Day(forms.DateInput):
    input_type = "date"


class ImportForm(forms.Form):
    kind = forms.ChoiceField(
        label="What it is",
        widget=UnfoldAdminSelectWidget,
        choices=[
            (NumberList.DO_NOT_CALL.value, "National do-not-call registry: the result of a scrub"),
            (NumberList.LITIGATOR.value, "Known litigators"),
            (NumberList.REASSIGNED.value, "Answers about reassigned numbers"),
        ],
    )
    as_of = forms.DateField(
        label="As of",
        widget=_Day(format="%Y-%m-%d", attrs=_FULL_WIDTH),
        help_text="The day on which the list was drawn up, or the questions were answered.",
        error_messages={"invalid": "Give a day, like 2026-11-30.", "required": "Give the day of the list."},
    )
    file = forms.FileField(
        widget=forms.FileInput(attrs={**_FULL_WIDTH, "accept": ".csv,.txt"}),
        max_length=200,
        help_text="CSV, at most 50 MB, with headings or without. A list: number, and yes or no where it names numbers "
        "that are not on it as well. Answers: number, date asked about, and yes, no or no data.",
    )

    def clean_as_of(self) -> dt.date:
        day: dt.date = self.cleaned_data["as_of"]
        if day > timezone.localdate():
            raise forms.ValidationError("This day lies in the future. Give the day of the list.")
        return day

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        upload = given.get("file")
        if upload and given.get("kind"):
            if upload.size > number_files.LARGEST:
                self.add_error("file", "The file is larger than 50 MB. Split it.")
                return given
            try:
                given["read"] = number_files.read(upload.read(), answers=given["kind"] == NumberList.REASSIGNED)
            except FileError as error:
                for words in error.errors:
                    self.add_error("file", words)
        return given


@admin.register(ListImport)
class ListImportAdmin(ReadOnlyScreen):
    """What came in, from whom and when. Importing is a page of its own."""

    list_display = ["created", "kind", "as_of", "rows", "listed", "suspended", "by"]
    list_filter = ["kind", "as_of"]
    list_select_related = ["by"]
    fields = ["kind", "as_of", "file_name", "sha256", "rows", "listed", "suspended", "by", "created"]
    actions_list = ["take", "query"]

    # By method, not by name: Unfold's system check would look a dotted name up in a database that may not be there yet.
    def has_take_permission(self, request: HttpRequest) -> bool:
        return signed_in(request).has_perm("consent.add_listimport")

    @action(description="Import a list", url_path="import/", icon="upload", permissions=["take"])
    def take(self, request: HttpRequest) -> HttpResponse:
        """The form on GET, the import on POST."""
        posted = request.method == "POST"
        form = ImportForm(request.POST if posted else None, request.FILES if posted else None)
        if posted and form.is_valid():
            try:
                batch = _take(form.cleaned_data, request)
            except FileError as error:
                form.add_error("file", str(error))
            else:
                messages.success(request, _told(batch))
                return HttpResponseRedirect(reverse("admin:consent_listimport_changelist"))
        return self.form_page(
            request,
            form,
            title="Import a list",
            submit="Import it",
            intro="On marketing lines nothing goes to numbers in the national do-not-call registry, unless the contact "
            "gave written consent on that line; to known litigators nothing, whatever was agreed. An answer that a "
            "number was disconnected suspends what was agreed to up to the day asked about.",
        )

    @action(description="Query for reassigned numbers", url_path="query.csv", icon="download", permissions=["take"])
    def query(self, request: HttpRequest) -> HttpResponse:
        """The file to put to the Reassigned Numbers Database. Changes nothing."""
        now = timezone.now()
        answer = HttpResponse("".join(reassigned.query(now)), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="reassigned-numbers-{now:%Y-%m-%d}.csv"'
        answer["Cache-Control"] = "no-store"
        return answer


def _take(given: dict[str, Any], request: HttpRequest) -> ListImport:
    kind = NumberList(given["kind"])
    about: dict[str, Any] = {"as_of": given["as_of"], "name": given["file"].name, "by": signed_in(request)}
    if kind in SCRUB_LISTS:
        return scrubbing.take(given["read"], kind, **about)
    return reassigned.take_answers(given["read"], **about)


def _told(batch: ListImport) -> str:
    rows = f"{batch.rows} row{'' if batch.rows == 1 else 's'} imported"
    if batch.kind == NumberList.REASSIGNED:
        return f"{rows}. For {batch.suspended} of our contacts what they had agreed to is suspended."
    return f"{rows}, {batch.listed} of them on the list. It holds for marketing lines from now on."


@admin.register(ScrubResult)
class ScrubResultAdmin(ReadOnlyScreen):
    """What the newest list of each kind says about a number."""

    list_display = ["number", "kind", "said", "as_of", "imported"]
    list_filter = ["kind", "listed"]
    list_select_related = ["batch"]
    search_fields = ["number"]
    search_help_text = "Any part of the number."
    fields = ["number", "kind", "listed", "as_of", "batch"]

    @admin.display(description="on the list", ordering="listed")
    def said(self, result: ScrubResult) -> Any:
        return badge("Yes", "danger") if result.listed else "No"

    @admin.display(description="imported")
    def imported(self, result: ScrubResult) -> dt.datetime:
        return result.batch.created
