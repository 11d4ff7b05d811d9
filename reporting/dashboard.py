"""The admin's first page: what needs somebody, where consent stands, and what became of what was asked and written.

``show`` adds to the context of the index page; templates/admin/index.html draws it. The page costs the same few queries
at any size (reporting.figures) and changes nothing. Each number links to the list that shows as many rows, for those
who may open that list; agents get the figures of their own lines.
"""

import datetime as dt
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format

from consent.models import Line, Organisation
from consent.vocabulary import EntryKind, RequestOutcome, Status
from messaging.models import Conversation
from messaging.models.message import MessageStatus
from reporting import alerts, figures, phrases
from reporting.figures import CHART_DAYS, REFUSED_DAYS, Figures, What
from reporting.page import Page

TREND_DAYS = 7
_TICKS = {"color": "#808794", "maxRotation": 0, "autoSkipPadding": 12}
_CHART_OPTIONS = {
    "animation": False,
    "maintainAspectRatio": False,
    "interaction": {"mode": "index", "intersect": False},
    "plugins": {"legend": {"display": False}},  # the words above it are the legend
    "scales": {
        "x": {"ticks": _TICKS, "grid": {"display": False}, "border": {"display": False}},
        "y": {"ticks": {**_TICKS, "precision": 0}, "grid": {}, "border": {"display": False}, "beginAtZero": True},
    },
}
# Of the rules and texts that could be shown, so many are.
MOST_RULES, MOST_TEXTS = 6, 5


@dataclass(frozen=True)
class Number:
    """A number in words, and the list behind it: empty for those who may not open it."""

    value: int
    words: str
    url: str = ""


@dataclass(frozen=True)
class Step:
    """What a new install needs."""

    words: str
    why: str
    done: bool
    url: str = ""


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the index page shows to this person (Unfold's DASHBOARD_CALLBACK)."""
    page = Page(request)
    everything = page.may("consent.use_every_line")
    return {**context, **(_of_the_company(page) if everything else _of_own_lines(page))}


# ---- for officers and supervisors -----------------------------------------------------------------------------------


def _of_the_company(page: Page) -> dict[str, Any]:
    install = page.install
    found = figures.read(page.today)
    if not install.has_lines:
        return {"steps": _steps(page), "new_install": True}
    steps = _steps(page)
    return {
        "steps": [] if all(step.done for step in steps) else steps,
        "concerns": alerts.concerns(page, found),
        "statuses": _statuses(page, found) if page.may("consent.view_consent") else [],
        "chart": _chart(page, found) if page.may("consent.view_consent") else None,
        "refused": _refused(page, found) if page.may("messaging.view_message") else None,
        "requests": _requests(page, found) if page.may("consent.view_optinrequest") else None,
        "opt_outs": _opt_outs(page, found) if page.may("consent.view_consent") else None,
        "left_after": _left_after(page, found) if page.may("consent.view_consent") else None,
        "counted_at": found.counted_at,
        "refused_days": REFUSED_DAYS,
        "chart_days": CHART_DAYS,
    }


def _steps(page: Page) -> list[Step]:
    install = page.install
    may_set, may_add = page.may("consent.change_organisation"), page.may("consent.add_line")
    ask = "" if page.user.is_superuser else " Ask whoever set up this install: only superusers invite people."
    return [
        Step(
            "Set your organisation",
            "Contacts read its name in automatic texts, and its support contact in the help reply.",
            done=install.name != Organisation._meta.get_field("name").default,
            url=reverse("admin:consent_organisation_change", args=[1]) if may_set else "",
        ),
        Step(
            "Add a line",
            "A business number that texts. It says whether contacts have to agree first.",
            done=install.has_lines,
            url=reverse("admin:consent_line_add") if may_add else "",
        ),
        Step(
            "Invite the people who work with it",
            f"Officers, supervisors and agents, each in their group, agents with their lines.{ask}",
            done=install.has_people,
            url=reverse("admin:consent_user_add") if page.user.is_superuser else "",
        ),
    ]


def _statuses(page: Page, found: Figures) -> list[dict[str, Any]]:
    shown = []
    week = figures.since(page.today, TREND_DAYS)
    for status, meaning in phrases.STATUSES.items():
        number = found.status(status)
        net = found.net(status, week) if status != Status.NOT_DEFINED else None
        shown.append(
            {
                "status": status.value,
                "label": status.label,
                "number": number,
                "url": page.list_of("consent.consent", status__exact=status.value),
                "meaning": meaning,
                "net": net,
                "fewer": -(net or 0),
            }
        )
    return shown if any(each["number"] for each in shown) else []


def _chart(page: Page, found: Figures) -> dict[str, Any] | None:
    first = figures.since(page.today, CHART_DAYS)
    days = [first + dt.timedelta(days=step) for step in range(CHART_DAYS)]
    rows: list[dict[str, Any]] = [
        {
            "day": day,
            "opt_ins": _entries(page, found.on(day, Status.OPTED_IN), "opt_in", day, day),
            "opt_outs": _entries(page, found.on(day, Status.OPTED_OUT), "opt_out", day, day),
        }
        for day in days
    ]
    opt_ins, opt_outs = ([row[name].value for row in rows] for name in ("opt_ins", "opt_outs"))
    if not any(opt_ins) and not any(opt_outs):
        return None
    return {
        "rows": rows[::-1],
        "opt_ins": _entries(page, sum(opt_ins), "opt_in", first, page.today),
        "opt_outs": _entries(page, sum(opt_outs), "opt_out", first, page.today),
        "drawing": _drawing(days, opt_ins, opt_outs),
        "options": json.dumps(_CHART_OPTIONS),
    }


def _drawing(days: list[dt.date], opt_ins: list[int], opt_outs: list[int]) -> str:
    """The data as Chart.js takes them; Unfold puts its colours in."""
    series = [("Opt-ins", opt_ins, "var(--color-primary-500)"), ("Opt-outs", opt_outs, "var(--color-red-500)")]
    return json.dumps(
        {
            "labels": [date_format(day, "j M") for day in days],
            "datasets": [{"label": label, "data": data, "backgroundColor": colour} for label, data, colour in series],
        }
    )


def _entries(page: Page, number: int, what: str, first: dt.date, last: dt.date, **more: str) -> Number:
    """Changes of consent from one day to another, with the ledger's entries behind them."""
    kind = {"opt_in": EntryKind.OPTED_IN, "opt_out": EntryKind.OPTED_OUT}[what]
    url = page.list_of(
        "consent.ledgerentry",
        kind__exact=kind.value,
        effect="changed",
        recorded_at__gte=figures.begin(first),
        recorded_at__lt=figures.begin(last + dt.timedelta(days=1)),
        **more,
    )
    return Number(number, "", url if number else "")


def _refused(page: Page, found: Figures, lines: list[Line] | None = None) -> dict[str, Any]:
    first = figures.since(page.today, REFUSED_DAYS)
    reasons: Counter[str] = Counter()
    for of in [None] if lines is None else lines:
        reasons += found.by_key(What.REFUSED, first, of.pk if of else None)
    begin = figures.begin(first)
    rows = [
        Number(
            number,
            phrases.refusal(reason),
            page.list_of("messaging.message", status__exact="refused", reason=reason, created__gte=begin),
        )
        for reason, number in reasons.most_common()
    ]
    url = page.list_of("messaging.message", status__exact="refused", created__gte=begin)
    return {"rows": rows, "total": Number(reasons.total(), "", url)}


def _requests(page: Page, found: Figures) -> dict[str, Any]:
    first = figures.since(page.today, CHART_DAYS)
    outcomes = found.by_key(What.REQUESTS, first)
    begin = figures.begin(first)

    def number(outcome: RequestOutcome) -> Number:
        url = page.list_of("consent.optinrequest", outcome__exact=outcome.value, sent_at__gte=begin)
        return Number(outcomes[outcome], phrases.OUTCOMES[outcome], url)

    sent = outcomes.total()
    return {
        "sent": Number(sent, "", page.list_of("consent.optinrequest", sent_at__gte=begin)),
        "accepted": number(RequestOutcome.ACCEPTED),
        "rate": round(100 * outcomes[RequestOutcome.ACCEPTED] / sent) if sent else None,
        "rows": [number(outcome) for outcome in phrases.OUTCOMES if outcomes[outcome]],
    }


def _opt_outs(page: Page, found: Figures) -> dict[str, Any]:
    first = figures.since(page.today, CHART_DAYS)
    rules = found.by_key(What.OPT_OUTS, first)
    rows = []
    for rule, number in rules.most_common(MOST_RULES):
        entries = _entries(page, number, "opt_out", first, page.today, rule=rule)
        rows.append(Number(number, phrases.opt_out(rule), entries.url if rule else ""))
    shown = sum(row.value for row in rows)
    return {"rows": rows, "others": rules.total() - shown}


def _left_after(page: Page, found: Figures) -> dict[str, Any]:
    """The last text before each opt-out. No list holds just those opt-outs, so the words lead to the text instead."""
    texts = found.by_key(What.LEFT_AFTER, figures.since(page.today, CHART_DAYS))
    most = texts.most_common(MOST_TEXTS)
    shown = {key: (words, "") for key, words in phrases.LEFT_AFTER.items()}
    for key, (number, worded, *what) in page.install.versions.items():
        model, _, _ = key.partition(":")
        shown[key] = phrases.version(model, number, *what), page.versions_of(model, worded)
    rows = [{"number": number, "words": shown[key][0], "text": shown[key][1]} for key, number in most]
    return {"rows": rows, "others": texts.total() - sum(number for _, number in most)}


# ---- for agents -----------------------------------------------------------------------------------------------------


def _of_own_lines(page: Page) -> dict[str, Any]:
    lines = list(page.user.usable_lines())
    if not lines:
        return {"no_lines": True}
    found = figures.read(page.today, [line.pk for line in lines])
    context: dict[str, Any] = {
        "counted_at": found.counted_at,
        "own": True,
        "refused_days": REFUSED_DAYS,
        "may_text": page.may("messaging.send_text") and page.may("messaging.view_conversation"),
        "conversations": page.list_of("messaging.conversation"),
    }
    if page.may("messaging.view_conversation"):
        # The inbox shows them first, but not alone: the number is no link.
        unread = Conversation.objects.filter(line__in=lines, unread_since__isnull=False).count()
        context["unread"] = Number(unread, "")
    if page.may("messaging.view_message"):
        held = sum(found.by_key(What.TEXTS, None, line.pk)[MessageStatus.HELD] for line in lines)
        context["held"] = Number(held, "", page.list_of("messaging.message", status__exact="held"))
        context["refused"] = _refused(page, found, lines)
    if page.may("consent.view_consent"):
        context["line_rows"] = [
            {
                "line": line,
                "numbers": [
                    Number(
                        found.status(status, line.pk),
                        status.label,
                        page.list_of("consent.consent", status__exact=status.value, line__id__exact=line.pk),
                    )
                    for status in phrases.STATUSES
                ],
            }
            for line in lines
        ]
        context["status_labels"] = [status.label for status in phrases.STATUSES]
    return context
