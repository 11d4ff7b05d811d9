"""The page of the double opt-in funnel: what became of the requests, by whatever people want to compare.

What is chosen stands in the address, so that a page can be kept and passed on. Everybody sees only lines they may use.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format

from consent.admin.numbers import signed_in
from consent.admin.unfold import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)
from consent.models import User
from consent.vocabulary import Channel, RequestKind
from reporting import figures, funnel
from reporting.funnel import By, Filters, Row

USUAL_DAYS, QUICK_DAYS = 30, (7, 30, 90)
# Of the groups that could be shown, so many are: more is for a file, or nobody could tell the bars apart.
MOST_ROWS, MOST_BARS, MOST_PERIODS = 400, 20, 120
_OLDEST, _LATEST = dt.date(2000, 1, 1), dt.date(2999, 12, 31)
_FORMATS = [("csv", "CSV"), ("csv-excel", "CSV for Excel"), ("xlsx", "Excel (XLSX)")]


class _DayField(forms.DateField):
    def __init__(self, label: str) -> None:
        super().__init__(label=label, required=False, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))

    def clean(self, value: Any) -> dt.date | None:
        day: dt.date | None = super().clean(value)
        if day and not _OLDEST <= day <= _LATEST:
            raise forms.ValidationError("Choose a day from 2000 on.")
        return day


def _several(label: str, choices: Sequence[tuple[str, Any]] = ()) -> forms.MultipleChoiceField:
    """Any of them; none chosen means all."""
    return forms.MultipleChoiceField(
        label=label, choices=choices, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )


class FunnelForm(forms.Form):
    """What somebody wants to see: read from the address, and the same from the form that asks for an export.

    Once valid, ``filters`` and ``compared_by`` say it in the funnel's terms. Lines are named by their numbers.
    """

    since = _DayField("From")
    until = _DayField("To")
    lines = _several("Lines")
    initiators = _several("Who began", RequestKind.choices)
    channels = _several("Capture channel", Channel.choices)
    batch = forms.CharField(
        label="Import batch",
        max_length=80,
        required=False,
        strip=False,
        widget=UnfoldAdminTextInputWidget({"placeholder": "Any, or none"}),
    )
    by = forms.ChoiceField(label="Compare by", choices=By.choices, required=False, widget=UnfoldAdminSelectWidget)

    def __init__(self, user: User, asked: QueryDict) -> None:
        self.usable = list(user.usable_lines())
        asked = asked.copy()
        if "since" not in asked and "until" not in asked:
            today = timezone.localdate()
            asked["since"], asked["until"] = figures.since(today, USUAL_DAYS).isoformat(), today.isoformat()
        asked.setdefault("by", By.LINE.value)
        self.asked = asked
        super().__init__(asked)
        lines = self.fields["lines"]
        assert isinstance(lines, forms.ChoiceField)
        lines.choices = [(line.number, str(line)) for line in self.usable]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            raise forms.ValidationError("The first day is after the last one. Swap them.")
        return cleaned

    @property
    def filters(self) -> Filters:
        chosen = self.cleaned_data
        return Filters(
            lines=[line for line in self.usable if not chosen["lines"] or line.number in chosen["lines"]],
            since=chosen["since"],
            until=chosen["until"],
            initiators=chosen["initiators"],
            channels=chosen["channels"],
            batches=[chosen["batch"]] if chosen["batch"] else [],
        )

    @property
    def compared_by(self) -> By:
        return By(self.cleaned_data["by"] or By.LINE)

    def address(self, **changes: str | None) -> str:
        """The query that asks the same with ``changes``; None takes something out."""
        query = QueryDict(mutable=True)
        for name, values in self._given():
            query.setlist(name, values)
        for name, value in changes.items():
            query.pop(name, None)
            if value is not None:
                query[name] = value
        return f"?{query.urlencode()}"

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """The same as fields of another form."""
        return [(name, value) for name, values in self._given() for value in values]

    def _given(self) -> list[tuple[str, list[str]]]:
        # The days also where they are empty: without any the usual ones would be meant.
        given = [(name, self.asked.getlist(name)) for name in self.fields]
        return [(name, values) for name, values in given if any(values) or name in {"since", "until"}]


def funnel_view(model_admin: "ModelAdmin[Any]", request: HttpRequest) -> HttpResponse:
    """The funnel for whoever may see reports. It only reads: at most three queries beside those of every page."""
    user = signed_in(request)
    if not user.has_perm("reporting.export_reports"):
        raise PermissionDenied
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    form = FunnelForm(user, request.GET)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": "Double opt-in funnel",
        "form": form,
        "several": [
            _choice(form, "lines", "All lines"),
            _choice(form, "initiators", "Whoever began"),
            _choice(form, "channels", "All channels"),
        ],
        "quick": _quick(form),
        "formats": _FORMATS,
        **(_shown(form) if form.is_valid() else {}),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/reporting/funnel.html", context)


# ---- the filters ----------------------------------------------------------------------------------------------------


def _choice(form: FunnelForm, name: str, everything: str) -> dict[str, Any]:
    """A field of which several can be chosen: its present choice in words, and the way back to all of them."""
    field = form[name]
    asked = form.asked.getlist(name)
    chosen = [option.choice_label for option in field if option.data["value"] in asked]
    return {
        "field": field,
        "now": ", ".join(chosen) or everything,
        "everything": everything,
        "clear": form.address(**{name: None}) if chosen else "",
    }


def _quick(form: FunnelForm) -> list[dict[str, Any]]:
    today = timezone.localdate()
    found = []
    for days in QUICK_DAYS:
        period = {"since": figures.since(today, days).isoformat(), "until": today.isoformat()}
        now = all(form.asked.get(name) == value for name, value in period.items())
        found.append({"words": f"Last {days} days", "url": form.address(**period), "now": now})
    now = not form.asked.get("since") and not form.asked.get("until")
    return [*found, {"words": "All time", "url": form.address(since="", until=""), "now": now}]


# ---- the figures ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """A row as the table shows it."""

    row: Row
    total: Row

    @property
    def percent(self) -> str:
        return "–" if self.row.rate is None else f"{100 * self.row.rate:.1f}%"

    @property
    def numbers(self) -> list[tuple[str, int]]:
        row = self.row
        return [
            ("Sent", row.sent),
            ("Accepted", row.accepted),
            ("Rejected", row.rejected),
            ("Expired", row.expired),
            ("No answer yet", row.silent),
            ("Not delivered", row.undelivered),
            # Rare enough that its column would mostly be noughts.
            *([("Settled otherwise", row.settled_otherwise)] if self.total.settled_otherwise else []),
        ]

    @property
    def times(self) -> list[tuple[str, str]]:
        return [("Half answered within", roughly(self.row.median)), ("Nine in ten within", roughly(self.row.p90))]


def roughly(span: dt.timedelta | None) -> str:
    """A time to answer, as exact as anybody cares: in the two largest units that it has."""
    if span is None:
        return "–"
    seconds = span.total_seconds()
    if seconds < 1:
        return "under 1 s"
    for large, name, small, small_name in _UNITS:
        if seconds >= large:
            whole, rest = divmod(round(seconds / small), large // small)
            return f"{whole} {name} {rest} {small_name}" if rest else f"{whole} {name}"
    return f"{round(seconds)} s"


_UNITS = [(86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")]


def _shown(form: FunnelForm) -> dict[str, Any]:
    by, filters = form.compared_by, form.filters
    total, rows = funnel.total(filters), funnel.table(filters, by)
    latest_first = rows[::-1] if by.is_period else rows
    return {
        "by": by,
        "period": _period(filters),
        "total": Shown(total, total),
        "rows": [Shown(row, total) for row in latest_first[:MOST_ROWS]],
        "left_out": max(len(rows) - MOST_ROWS, 0),
        "chart": _chart(rows, by) if rows else None,
    }


def _period(filters: Filters) -> str:
    since, until = (date_format(day, "j F Y") if day else "" for day in (filters.since, filters.until))
    if since and until:
        return f"on {since}" if since == until else f"from {since} to {until}"
    return f"since {since}" if since else f"until {until}" if until else "at any time"


def _chart(rows: list[Row], by: By) -> dict[str, Any]:
    """Two bars for each group, sent and what became of it, as Chart.js takes them; Unfold puts its colours in."""
    if by.is_period:
        bars, most, which = funnel.unbroken(rows, by), MOST_PERIODS, "last"
        shown = bars[-most:]
    else:
        bars, most, which = sorted(rows, key=lambda row: -row.sent), MOST_BARS, "largest"
        shown = bars[:most]
    series = [
        ("Sent", [row.sent for row in shown], "var(--color-base-400)", "sent"),
        ("Accepted", [row.accepted for row in shown], "var(--color-primary-500)", "became"),
        ("Rejected", [row.rejected for row in shown], "var(--color-red-500)", "became"),
        ("Expired", [row.expired for row in shown], "var(--color-orange-400)", "became"),
    ]
    data = {
        "labels": [_short(row.label) for row in shown],
        "datasets": [
            {"label": label, "data": numbers, "backgroundColor": colour, "stack": stack, "maxBarThickness": 48}
            for label, numbers, colour, stack in series
        ],
    }
    note = f"The {most} {which} are drawn." if len(bars) > most else ""
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


def _short(label: str) -> str:
    return label if len(label) <= 24 else f"{label[:23]}…"
