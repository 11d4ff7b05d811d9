"""The two forms of an import: the file, and what its columns mean."""

import datetime as dt
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from consent import phones, whereabouts
from consent.admin.unfold import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)
from consent.models import Line
from consent.phones import PhoneError
from consent.vocabulary import Level
from messaging.importing import batches
from messaging.importing.plan import Column, DateOrder, Plan, What, faults
from messaging.models import ImportBatch

_FULL_WIDTH = {"class": " ".join(UnfoldAdminTextInputWidget().attrs["class"].split())}
_SAMPLES = 3


class FileForm(forms.Form):
    file = forms.FileField(
        label="The file",
        widget=forms.FileInput(attrs={**_FULL_WIDTH, "accept": ".csv,.txt,.tsv,.xlsx"}),
        max_length=255,
        error_messages={"required": "Choose a file.", "empty": "This file is empty."},
    )
    name = forms.CharField(
        label="What to call this import",
        required=False,
        max_length=70,
        widget=UnfoldAdminTextInputWidget,
        help_text="Reports name it like this, the funnel too. Empty: as the file.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.fields["file"].help_text = (
            f"CSV or XLSX (its first sheet), at most {filesizeformat(settings.IMPORT_BYTES)}. One person per row; the "
            "first row may say what the columns are called."
        )

    def clean_file(self) -> UploadedFile:
        uploaded: UploadedFile = self.cleaned_data["file"]
        if (uploaded.size or 0) > settings.IMPORT_BYTES:
            raise forms.ValidationError(
                f"This file is larger than {filesizeformat(settings.IMPORT_BYTES)}. Cut it into several; each of them "
                "becomes an import of its own."
            )
        return uploaded


class _Day(forms.DateInput):
    input_type = "date"


class PlanForm(forms.Form):
    """What the rows are. Filled in beforehand as for the last file whose columns were called alike."""

    what = forms.ChoiceField(label="The rows are", choices=What.choices, widget=UnfoldAdminRadioSelectWidget)
    lines = forms.MultipleChoiceField(
        label="For these lines",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Unless a column names the line of each row. An opt-out is valid wherever the organisation's policy "
        "carries it.",
    )
    source = forms.CharField(
        label="Where this list comes from",
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text="For example “the sign-up forms at our spring fair”. It is kept as evidence with each row; people "
        "who are asked to confirm their sign-up read it after “you signed up for our texts through”.",
        error_messages={"required": "Say where this list comes from. It is kept as evidence with each row."},
    )
    level = forms.ChoiceField(
        label="Level of consent",
        choices=Level.choices,
        widget=UnfoldAdminSelectWidget,
        help_text="Of rows that don't state their own.",
    )
    date = forms.DateField(
        label="When they said it",
        required=False,
        widget=_Day(attrs=_FULL_WIDTH, format="%Y-%m-%d"),
        help_text="Of rows that don't state their own. If in doubt, the earliest day for consents, the latest for "
        "opt-outs.",
    )
    date_order = forms.ChoiceField(label="Dates are written", choices=DateOrder.choices, widget=UnfoldAdminSelectWidget)
    zone = forms.ChoiceField(label="Time zone of the dates", widget=UnfoldAdminSelectWidget)
    region = forms.ChoiceField(
        label="Country of numbers that name none",
        widget=UnfoldAdminSelectWidget,
        help_text="206 555 0123 is a number of this country; +44 7700 900123 is not, whatever you choose.",
    )
    double_opt_in = forms.BooleanField(
        label="Ask each of them to confirm by text",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="They are opted in once they reply YES. Expect silence: most people do not answer. Without it they "
        "are opted in at once, and nobody is texted.",
    )

    def __init__(self, batch: ImportBatch, data: Any = None) -> None:
        self.batch = batch
        lines = list(Line.objects.all())
        columns, last = batches.remembered(batch)
        plan = Plan.from_json(batch.plan) if batch.plan else last
        self.remembered = not batch.plan and last is not None
        if batch.plan:
            columns = Plan.from_json(batch.plan).columns
        super().__init__(data, initial=_initial(plan, columns, lines), label_suffix="")
        choices = {
            "lines": [(line.number, str(line)) for line in lines],
            "zone": [(zone, zone.replace("_", " ")) for zone in sorted(whereabouts.time_zones() | {"UTC"})],
            "region": [(region, f"{region} (+{phones.country_code(region)})") for region in sorted(phones.regions())],
        }
        for name, offered in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = offered
        self.rows = batches.sample(batch, _SAMPLES)
        for place, heading in enumerate(batch.headings):
            self.fields[f"column_{place}"] = forms.ChoiceField(
                label=heading,
                choices=Column.choices,
                required=False,
                initial=str(columns[place]),
                widget=UnfoldAdminSelectWidget,
            )
        self.numbers = _numbers(self.rows, columns, self.initial["region"]) if data is None else []

    @property
    def columns(self) -> list[dict[str, Any]]:
        """Each column of the file with what stands in it."""
        return [
            {
                "field": self[f"column_{place}"],
                "heading": heading,
                "samples": [row.cells[place][:60] for row in self.rows if place < len(row.cells) and row.cells[place]],
            }
            for place, heading in enumerate(self.batch.headings)
        ]

    @property
    def others(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if not name.startswith("column_") and name != "what"]

    def clean_date(self) -> dt.date | None:
        day: dt.date | None = self.cleaned_data["date"]
        if day and day > timezone.localdate():
            raise forms.ValidationError("That day lies in the future.")
        if day and day.year < 1990:
            raise forms.ValidationError("Choose a day from 1990 on.")
        return day

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if self.errors:
            return given
        for name, why in faults(self.plan).items():
            self.add_error(name if name in self.fields else None, why)
        return given

    @property
    def plan(self) -> Plan:
        given = self.cleaned_data
        about_consent = given["what"] in {What.OPT_INS, What.BOTH}
        no_lines = given["what"] == What.DO_NOT_CONTACT
        return Plan(
            what=What(given["what"]),
            columns=tuple(Column(given[f"column_{place}"]) for place in range(len(self.batch.headings))),
            lines=() if no_lines else tuple(given["lines"]),
            source=given["source"],
            level=given["level"],
            date=given["date"].isoformat() if given["date"] else "",
            zone=given["zone"],
            date_order=DateOrder(given["date_order"]),
            region=given["region"],
            double_opt_in=given["double_opt_in"] and about_consent,
        )


def _initial(plan: Plan | None, columns: tuple[Column, ...], lines: list[Line]) -> dict[str, Any]:
    countries = (phones.country(line.number) for line in lines if not phones.is_short_code(line.number))
    if plan is None:
        only = [lines[0].number] if len(lines) == 1 and Column.LINE not in columns else []
        return {
            "what": What.BOTH if Column.STATUS in columns else What.OPT_INS,
            "lines": only,
            "level": Level.EXPRESS,
            "zone": timezone.get_current_timezone_name(),
            "date_order": DateOrder.ISO,
            "region": next((country for country in countries if country), "US"),
        }
    return {**plan.as_json(), "date": dt.date.fromisoformat(plan.date) if plan.date else None}


def _numbers(rows: list[Any], columns: tuple[Column, ...], region: str) -> list[tuple[str, str]]:
    """The first numbers as they are written and as they are read."""
    if Column.NUMBER not in columns:
        return []
    place, found = columns.index(Column.NUMBER), []
    for row in rows:
        written = row.cells[place] if place < len(row.cells) else ""
        try:
            found.append((written[:40], phones.normalise_listed(written, region)))
        except PhoneError:
            found.append((written[:40], "no number"))
    return found
