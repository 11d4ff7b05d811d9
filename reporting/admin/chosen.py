"""What somebody chose for an export, as sentences that an auditor reads."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from consent.admin.numbers import hidden_from
from consent.models import Contact, Line, User
from consent.vocabulary import Channel, RequestKind, Status
from reporting.funnel import By
from reporting.models import ReportRun

_SINCE = {"since_from": "from {} on", "since_until": "before {}"}


def may_see_search(run: ReportRun, user: User) -> bool:
    """What somebody looked for may be a number: who sees no numbers doesn't see it."""
    return not hidden_from(user) or run.user_id == user.pk


def as_seen_by(run: ReportRun, user: User) -> dict[str, Any]:
    """The filters in the words of the API."""
    return {name: value for name, value in run.filters.items() if name != "search" or may_see_search(run, user)}


def in_words(run: ReportRun, user: User) -> SafeString:
    """One line for each filter."""
    said: Iterator[tuple[str, str]]
    match ReportRun.Report(run.report):
        case ReportRun.Report.SNAPSHOT:
            said = _snapshot(run.filters, may_see_search(run, user))
        case ReportRun.Report.FUNNEL:
            said = _funnel(run.filters)
        case ReportRun.Report.EVIDENCE:
            said = _evidence(run.filters)
    rows = format_html_join("", "<li><strong>{}:</strong> {}</li>", said)
    return format_html("<ul>{}</ul>", rows)


def _snapshot(chosen: Mapping[str, Any], search_shown: bool) -> Iterator[tuple[str, str]]:
    yield "Lines", _lines(chosen)
    yield "Status", _labels(Status, chosen.get("status"))
    yield "Source", _labels(Channel, chosen.get("source"))
    if bounds := [words.format(_moment(chosen[name])) for name, words in _SINCE.items() if name in chosen]:
        yield "Since", " and ".join(bounds)
    if "search" in chosen:
        yield "Contact", f"“{chosen['search']}”" if search_shown else "part of a name or number"
    yield "As of", _moment(chosen["as_of"]) if "as_of" in chosen else "the moment it was exported"


def _funnel(chosen: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Lines", _lines(chosen)
    days = [f"{word} {_day(chosen[name])}" for word, name in (("from", "since"), ("to", "until")) if name in chosen]
    yield "Requests sent", " ".join(days) or "at any time"
    yield "Who began", _labels(RequestKind, chosen.get("initiator"))
    yield "Capture channel", _labels(Channel, chosen.get("channel"))
    if "batch" in chosen:
        yield "Import batch", ", ".join(each or "none" for each in chosen["batch"])
    yield "Compared by", _labels(By, [chosen.get("by", By.LINE)])


def _evidence(chosen: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    contact = Contact.objects.filter(uuid=chosen["contact"]).first()
    yield "Contact", str(contact or chosen["contact"])
    yield "Lines", _lines(chosen) if "line" in chosen else "every line"
    yield "What it was for", chosen.get("reason") or "not said"


def _lines(chosen: Mapping[str, Any]) -> str:
    numbers = chosen.get("line", [])
    names = dict(Line.objects.filter(number__in=numbers).values_list("number", "name"))
    return ", ".join(f"{names[number]} ({number})" if number in names else number for number in numbers) or "none"


def _labels(choices: Any, values: Any) -> str:
    known = dict(choices.choices)
    return ", ".join(str(known.get(value, value)) for value in values or ()) or "any"


def _moment(iso: str) -> str:
    return date_format(localtime(dt.datetime.fromisoformat(iso)), "j F Y, H:i:s T")


def _day(iso: str) -> str:
    return date_format(dt.date.fromisoformat(iso), "j F Y")
