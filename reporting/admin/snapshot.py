"""The page of the Opt In & Out Snapshot (PRODUCT "Screens" 5): who is in and who is out, and the way to a file of it.

What is chosen stands in the address, so that a page can be kept and passed on. Everybody sees only lines they may use,
and numbers as the organisation shows them to them.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.safestring import SafeString

from consent.admin.numbers import hidden_from, signed_in
from consent.admin.standing import status_badge
from consent.admin.unfold import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextInputWidget,
)
from consent.models import Line, User
from consent.vocabulary import Channel, RequestState, Status
from reporting import exports, snapshot
from reporting.admin.progress import handed_over
from reporting.figures import begin
from reporting.models import ReportRun
from reporting.snapshot import IN_AND_OUT, Filters, Place, Row

Format = ReportRun.Format
FORMATS = [Format.CSV, Format.CSV_FOR_EXCEL, Format.XLSX]
PAGE = "admin:reporting_snapshot"
# Of the lines that could be drawn, so many are: with more nobody could tell the bars apart.
MOST_BARS = 20
_EVERY_LINE = "all"
_OLDEST, _LATEST = 2000, 2999
_LARGEST_ID = 2**63 - 1


# ---- what is asked --------------------------------------------------------------------------------------------------


class _DayField(forms.DateField):
    def __init__(self, label: str) -> None:
        super().__init__(label=label, required=False, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))

    def clean(self, value: Any) -> dt.date | None:
        day: dt.date | None = super().clean(value)
        if day and not _OLDEST <= day.year <= _LATEST:
            raise forms.ValidationError("Choose a day from 2000 on.")
        return day


class _PastField(forms.DateTimeField):
    """A moment in the install's time zone that is over. Empty means now."""

    def __init__(self, label: str) -> None:
        widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"})
        super().__init__(label=label, required=False, widget=widget)

    def clean(self, value: Any) -> dt.datetime | None:
        moment: dt.datetime | None = super().clean(value)
        if moment and moment.year < _OLDEST:
            raise forms.ValidationError("Choose a moment from 2000 on.")
        if moment and moment > timezone.now():
            raise forms.ValidationError("That lies in the future. Leave it empty for now.")
        return moment


def _several(label: str, *, choices: Any = (), required: str = "", unknown: str = "") -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        choices=choices,
        required=bool(required),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        error_messages={"required": required, **({"invalid_choice": unknown} if unknown else {})},
    )


class SnapshotForm(forms.Form):
    """What somebody wants to see: read from the address, and the same from the form that asks for an export.

    Once valid, ``filters`` says it in the snapshot's terms. Lines are named by their numbers, "all" names all of them.
    Where neither lines nor statuses are named, and nobody sent the form without them, all lines and those who are in
    or out are meant.
    """

    lines = _several(
        "Lines", required="Choose at least one line.", unknown="There is no line %(value)s that you may see."
    )
    statuses = _several("Status", choices=Status.choices, required="Choose at least one status.")
    sources = _several("Source", choices=Channel.choices)
    since_from = _DayField("Since, from")
    since_until = _DayField("Since, to")
    search = forms.CharField(label="Contact", max_length=100, required=False, widget=UnfoldAdminTextInputWidget)
    as_of = _PastField("As of")
    sent = forms.BooleanField(required=False, widget=forms.HiddenInput, initial=True)

    def __init__(self, user: User, asked: QueryDict) -> None:
        self.user = user
        self.usable = list(user.usable_lines())
        self.asked = asked = asked.copy()
        if not asked.get("sent"):
            if "lines" not in asked:
                asked["lines"] = _EVERY_LINE
            if "statuses" not in asked:
                asked.setlist("statuses", [str(status) for status in IN_AND_OUT])
        asked["sent"] = "1"
        self.every_line = _EVERY_LINE in asked.getlist("lines")
        if self.every_line:
            asked.setlist("lines", [line.number for line in self.usable])
        super().__init__(asked)
        lines = self.fields["lines"]
        assert isinstance(lines, forms.ChoiceField)
        lines.choices = [(line.number, str(line)) for line in self.usable]
        hidden = hidden_from(user)
        self.fields["search"].help_text = (
            "A name, or the last four digits." if hidden else "A name, or any part of the number."
        )
        self.fields["as_of"].help_text = f"Empty: now. Time zone: {timezone.get_current_timezone_name()}."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("since_from"), cleaned.get("since_until")
        if since and until and since > until:
            self.add_error("since_until", "This day is before the first one. Swap them.")
        return cleaned

    @cached_property
    def filters(self) -> Filters:
        chosen = self.cleaned_data
        since, until = chosen["since_from"], chosen["since_until"]
        return Filters(
            lines=tuple(line for line in self.usable if line.number in chosen["lines"]),
            statuses=tuple(chosen["statuses"]),
            sources=tuple(chosen["sources"]),
            since_from=begin(since) if since else None,
            since_until=begin(until + dt.timedelta(days=1)) if until else None,
            search=chosen["search"],
            as_of=chosen["as_of"],
            hidden=hidden_from(self.user),
        )

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """The same as fields of another form, and in an address."""
        given = {name: self.asked.getlist(name) for name in self.fields}
        if self.every_line:
            given["lines"] = [_EVERY_LINE]
        return [(name, value) for name, values in given.items() for value in values if value]

    def address(self, **more: str) -> str:
        return f"?{urlencode([*self.hidden, *more.items()])}"


# ---- the page -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """A row as the table shows it. The addresses are empty for those who may not go there."""

    row: Row
    contact: str
    entry: str

    @property
    def status(self) -> SafeString:
        return status_badge(self.row.status)

    @property
    def since(self) -> dt.datetime | None:
        return dt.datetime.fromisoformat(self.row.since) if self.row.since else None

    @property
    def source(self) -> str:
        return str(Channel(self.row.source).label) if self.row.source else "–"

    @property
    def request(self) -> str:
        return str(RequestState(self.row.request_state).label)


def snapshot_view(model_admin: "ModelAdmin[Any]", request: HttpRequest) -> HttpResponse:
    """The filters, and fifty rows of what they find. It only reads."""
    user = signed_in(request)
    form = SnapshotForm(user, request.GET)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Opt In & Out Snapshot",
        "form": form,
        "start_over": reverse(PAGE),
        "may_see_runs": user.has_perm("reporting.view_reportrun"),
        "sources_now": _sources_now(form),
        **(_shown(form, request) if form.usable and form.is_valid() else {}),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/reporting/snapshot.html", context)


def totals_view(request: HttpRequest) -> HttpResponse:
    """The totals alone, for a page that was shown without waiting for them."""
    form = SnapshotForm(signed_in(request), request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest()
    context = {**_totals(form.filters), "later": True}
    return TemplateResponse(request, "admin/reporting/totals.html", context)


def export_view(request: HttpRequest) -> Any:
    """A file of everything that the filters find: handed over at once, or made in the background where it is large."""
    user = signed_in(request)
    form, wanted = SnapshotForm(user, request.POST), request.POST.get("format")
    if wanted not in FORMATS:
        return HttpResponseBadRequest("There is no such format.")
    if not form.is_valid():
        return HttpResponseRedirect(reverse(PAGE) + form.address())  # which says what is wrong
    rows = _number_of(snapshot.totals(form.filters))
    in_background = rows > settings.EXPORT_BACKGROUND_ROWS
    run = exports.begin(
        form.filters,
        format=wanted,
        origin=ReportRun.Origin.ADMIN,
        user=user,
        expected_rows=rows,
        in_background=in_background,
    )
    if in_background:
        return redirect("admin:reporting_run_progress", run.uuid)
    return handed_over(request, run, reverse(PAGE) + form.address())


def _shown(form: SnapshotForm, request: HttpRequest) -> dict[str, Any]:
    filters = form.filters
    after, before = _place(request.GET.get("after")), _place(request.GET.get("before"))
    page = snapshot.page(filters, after=after, before=before)
    if not page.rows and (after or before):
        page = snapshot.page(filters)  # what stood there is gone
    context = {
        "rows": [_linked(place, row, form.user) for place, row in page.rows],
        "first": form.address() if page.has_previous else "",
        "previous": form.address(before=_named(page.rows[0][0])) if page.has_previous else "",
        "next": form.address(after=_named(page.rows[-1][0])) if page.has_next else "",
        "as_of": filters.as_of,
        "formats": FORMATS,
        "at_once": settings.EXPORT_BACKGROUND_ROWS,
    }
    if not page.rows:
        return {**context, "advice": _advice(filters, form)}
    if filters.narrowed or filters.without_record:  # which have to be counted, and that may take a second
        return {**context, "totals_from": reverse("admin:reporting_snapshot_totals") + form.address()}
    return {**context, **_totals(filters)}


def _linked(place: Place, row: Row, user: User) -> Shown:
    contact = reverse("admin:consent_contact_change", args=[place.contact])
    entry = reverse("admin:consent_ledgerentry_change", args=[row.ledger_entry]) if row.ledger_entry else ""
    return Shown(
        row,
        contact if user.has_perm("consent.view_contact") else "",
        entry if user.has_perm("consent.view_ledgerentry") else "",
    )


def _place(name: str | None) -> Place | None:
    """The place that an address names; None for what is no place."""
    line, _, contact = (name or "").partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in (line, contact)):
        return None
    place = Place(int(line), int(contact))
    return place if place.contact <= _LARGEST_ID and place.line < 2**31 else None


def _named(place: Place) -> str:
    return f"{place.line}.{place.contact}"


def _sources_now(form: SnapshotForm) -> str:
    asked = form.asked.getlist("sources")
    return ", ".join(str(label) for value, label in Channel.choices if value in asked) or "Any"


def _advice(filters: Filters, form: SnapshotForm) -> list[str]:
    """What could be changed where nothing was found, the likeliest first."""
    advice = []
    if filters.search:
        advice.append("Look for less of the name or number, or leave it empty.")
    if filters.since_from or filters.since_until:
        advice.append("Choose a longer time, or leave its days empty.")
    if filters.sources:
        advice.append("Choose more sources, or none for all of them.")
    if filters.as_of:
        advice.append("Choose a later moment, or leave it empty to see how it is now.")
    if len(filters.lines) < len(form.usable):
        advice.append("Choose more lines.")
    if Status.NOT_DEFINED not in filters.statuses:
        advice.append("Tick Not Defined, too: it finds contacts of whom nothing is on record.")
    return advice or ["Nobody is on record yet. Contacts appear here once they text a line or are texted."]


# ---- the totals -----------------------------------------------------------------------------------------------------

_COLOURS = {
    Status.OPTED_IN: "var(--color-primary-500)",
    Status.OPTED_OUT: "var(--color-red-500)",
    Status.PENDING: "var(--color-orange-400)",
    Status.NOT_DEFINED: "var(--color-base-400)",
}


def _totals(filters: Filters) -> dict[str, Any]:
    found = snapshot.totals(filters)
    rows = _number_of(found)
    statuses = [status for status in _COLOURS if status in filters.statuses]
    return {
        "total": rows,
        "lines_chosen": len(filters.lines),
        "statuses": statuses,
        "by_line": [(line, _cells(statuses, numbers)) for line, numbers in found.items()],
        "altogether": _cells(statuses, sum(found.values(), Counter())),
        "chart": _chart(found, statuses),
        "how": how_it_is_handed_over(rows),
    }


def _cells(statuses: Iterable[Status], numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    cells = [(str(status.label), numbers.get(status, 0)) for status in statuses]
    return [*cells, ("Together", sum(number for _, number in cells))]


def _number_of(found: Mapping[Line, Counter[str]]) -> int:
    return sum(numbers.total() for numbers in found.values())


def how_it_is_handed_over(rows: int) -> str:
    words = f"{number_format(rows, use_l10n=True, force_grouping=True)} row{'' if rows == 1 else 's'}"
    if rows > settings.EXPORT_BACKGROUND_ROWS:
        return f"{words}: the file is made in the background, you can go on working."
    return f"{words}: the file is handed over at once."


def _chart(found: Mapping[Line, Counter[str]], statuses: list[Status]) -> dict[str, Any]:
    """A bar for each line, divided by status, as Chart.js takes them; Unfold puts its colours in."""
    largest = sorted(found.items(), key=lambda each: -each[1].total())[:MOST_BARS]
    shown = [line for line in found if line in dict(largest)]
    data = {
        "labels": [line.name if len(line.name) <= 24 else f"{line.name[:23]}…" for line in shown],
        "datasets": [
            {
                "label": str(status.label),
                "data": [found[line].get(status, 0) for line in shown],
                "backgroundColor": _COLOURS[status],
                "maxBarThickness": 48,
            }
            for status in statuses
        ],
    }
    note = f"The {MOST_BARS} largest lines are drawn. The table has all." if len(found) > MOST_BARS else ""
    return {"data": json.dumps(data), "options": json.dumps(_OPTIONS), "note": note}


_TICKS: Mapping[str, Any] = {"color": "#808794", "maxRotation": 40, "autoSkipPadding": 12}
_OPTIONS = {
    "animation": False,
    "maintainAspectRatio": False,
    "interaction": {"mode": "index", "intersect": False},
    "plugins": {"legend": {"display": False}},  # the words above it are the legend
    "scales": {
        "x": {"stacked": True, "ticks": _TICKS, "grid": {"display": False}, "border": {"display": False}},
        "y": {
            "stacked": True,
            "ticks": {**_TICKS, "precision": 0},
            "grid": {},
            "border": {"display": False},
            "beginAtZero": True,
        },
    },
}
