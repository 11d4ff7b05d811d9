"""The admin's first page: what needs somebody, where consent stands, and what became of what was asked and written.

``show`` adds to the context of the index page; templates/admin/index.html draws it. The page costs the same few queries
at any size (reporting.figures) and changes nothing. Each number links to the list that shows as many rows, for those
who may open that list; agents get the figures of their own lines.
"""

import datetime as dt
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Exists, F, Func, IntegerField, Min, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from consent.admin.numbers import signed_in
from consent.models import Line, Organisation, User
from consent.vocabulary import Category, EntryKind, LineKind, Registration, RequestOutcome, Status
from messaging.models import Conversation, Receipt, Review
from messaging.models.message import MessageStatus
from reporting import figures, phrases
from reporting.figures import CHART_DAYS, REFUSED_DAYS, Figures, What
from reporting.models import Mark

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
# A webhook is settled within seconds; one that waited for this long has no worker.
UNSETTLED = dt.timedelta(minutes=1)
# Of the lines and rules that could be shown, so many are.
MOST_LINES, MOST_RULES = 10, 6


@dataclass(frozen=True)
class Number:
    """A number in words, and the list behind it: empty for those who may not open it."""

    value: int
    words: str
    url: str = ""


@dataclass(frozen=True)
class Concern:
    """Something that needs somebody. Tones: danger, warning, info."""

    words: str
    url: str = ""
    detail: str = ""
    tone: str = "warning"


@dataclass(frozen=True)
class Step:
    """What a new install needs."""

    words: str
    why: str
    done: bool
    url: str = ""


@dataclass
class Page:
    """What one person may see of the dashboard now."""

    request: HttpRequest
    now: dt.datetime = field(default_factory=timezone.now)

    def __post_init__(self) -> None:
        self.user = signed_in(self.request)
        self.today = timezone.localdate(self.now)

    def may(self, permission: str) -> bool:
        return self.user.has_perm(permission)

    def list_of(self, model: str, **filters: Any) -> str:
        """The address of a model's list ("app.model"), narrowed; empty for those who may not open it."""
        app, name = model.split(".")
        # A proxy is opened by whoever may see what it stands for.
        if not self.may(f"{app}.view_{'review' if name == 'possibleacceptance' else name}"):
            return ""
        query = urlencode(
            {key: value.isoformat() if isinstance(value, dt.datetime) else value for key, value in filters.items()}
        )
        return reverse(f"admin:{app}_{name}_changelist") + (f"?{query}" if query else "")


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the index page shows to this person (Unfold's DASHBOARD_CALLBACK)."""
    page = Page(request)
    everything = page.may("consent.use_every_line")
    return {**context, **(_of_the_company(page) if everything else _of_own_lines(page))}


# ---- for officers and supervisors -----------------------------------------------------------------------------------


def _of_the_company(page: Page) -> dict[str, Any]:
    state = _state(page)
    found = figures.read(page.today)
    if not state.has_lines:
        return {"steps": _steps(page, state), "new_install": True}
    steps = _steps(page, state)
    return {
        "steps": [] if all(step.done for step in steps) else steps,
        "concerns": [*_reviews(page, state), *_health(page, state, found), *_lines(page, state)],
        "statuses": _statuses(page, found) if page.may("consent.view_consent") else [],
        "chart": _chart(page, found) if page.may("consent.view_consent") else None,
        "refused": _refused(page, found) if page.may("messaging.view_message") else None,
        "requests": _requests(page, found) if page.may("consent.view_optinrequest") else None,
        "opt_outs": _opt_outs(page, found) if page.may("consent.view_consent") else None,
        "counted_at": found.counted_at,
        "refused_days": REFUSED_DAYS,
        "chart_days": CHART_DAYS,
    }


def _state(page: Page) -> Any:
    """The organisation, and beside it what is counted live because an index holds just that. One query."""
    unsettled = Receipt.objects.unsettled()
    reviews = Review.objects.open()
    first = reviews.revocations().order_by().values("outcome").annotate(first=Min("last_day")).values("first")
    return Organisation.objects.annotate(
        has_lines=Exists(Line.objects.all()),
        has_people=Exists(User.objects.exclude(pk=page.user.pk)),
        overdue=_number_of(unsettled.filter(received_at__lt=page.now - UNSETTLED)),
        needs_person=_number_of(unsettled.filter(needs_person=True)),
        revocations=_number_of(reviews.revocations()),
        acceptances=_number_of(reviews.acceptances()),
        first_last_day=Subquery(first),
        problem=Subquery(Mark.objects.values("problem")[:1]),
    ).get(pk=1)


def _number_of(rows: QuerySet[Any]) -> Subquery:
    counted = rows.order_by().annotate(how_many=Func(F("pk"), function="COUNT", output_field=IntegerField()))
    return Subquery(counted.values("how_many"))


def _steps(page: Page, state: Any) -> list[Step]:
    may_set, may_add = page.may("consent.change_organisation"), page.may("consent.add_line")
    ask = "" if page.user.is_superuser else " Ask whoever set up this install: only superusers invite people."
    return [
        Step(
            "Set your organisation",
            "Contacts read its name in automatic texts, and its support contact in the help reply.",
            done=state.name != Organisation._meta.get_field("name").default,
            url=reverse("admin:consent_organisation_change", args=[1]) if may_set else "",
        ),
        Step(
            "Add a line",
            "A business number that texts. It says whether contacts have to agree first.",
            done=state.has_lines,
            url=reverse("admin:consent_line_add") if may_add else "",
        ),
        Step(
            "Invite the people who work with it",
            f"Officers, supervisors and agents, each in their group, agents with their lines.{ask}",
            done=state.has_people,
            url=reverse("admin:consent_user_add") if page.user.is_superuser else "",
        ),
    ]


def _reviews(page: Page, state: Any) -> list[Concern]:
    found = []
    if state.revocations and page.may("messaging.view_review"):
        last = state.first_last_day
        detail = "Sending to these contacts is suspended."
        if last:
            day = "today" if last <= page.today else f"before {date_format(last, 'l, j F')}"
            detail += f" The first has to be decided {day}; undecided, it counts as an opt-out."
        soon = last is not None and last <= page.today + dt.timedelta(days=2)
        words = phrases.counted(state.revocations, "text may ask us to stop", "texts may ask us to stop")
        found.append(Concern(words, page.list_of("messaging.review"), detail, "danger" if soon else "warning"))
    if state.acceptances and page.may("messaging.view_review"):
        words = phrases.counted(state.acceptances, "text may be a yes", "texts may be a yes")
        detail = "Read it and say whether the contact agreed. Their own YES settles it too."
        found.append(Concern(words, page.list_of("messaging.possibleacceptance"), detail, "info"))
    return found


def _health(page: Page, state: Any, found: Figures) -> list[Concern]:
    concerns = []
    if state.problem:
        concerns.append(Concern("This install is not sound", "", f"{state.problem} Tell whoever runs it.", "danger"))
    if state.needs_person:
        words = phrases.counted(state.needs_person, "webhook needs a person", "webhooks need a person")
        url = page.list_of("messaging.receipt", state="needs_person")
        concerns.append(
            Concern(words, url, "They could not be read. No text goes to their numbers until then.", "danger")
        )
    if state.overdue > state.needs_person:
        words = phrases.counted(state.overdue, "webhook is not settled yet", "webhooks are not settled yet")
        url = page.list_of("messaging.receipt", state="unsettled", received_at__lt=page.now - UNSETTLED)
        concerns.append(Concern(words, url, "They came more than a minute ago. A worker may be down.", "danger"))
    if counting := _counting(page, found):
        concerns.append(counting)
    waiting = found.by_key(What.TEXTS, None)
    if unknown := waiting[MessageStatus.UNKNOWN]:
        words = phrases.counted(unknown, "text of unknown fate", "texts of unknown fate")
        url = page.list_of("messaging.message", status__exact="unknown")
        concerns.append(Concern(words, url, "Nobody knows whether they left. They are never sent again."))
    for status in (MessageStatus.QUEUED, MessageStatus.SENDING):
        if late := waiting[status]:
            assert found.counted_at is not None  # or there would be no such figure
            state_of_it = "stuck in the queue" if status == MessageStatus.QUEUED else "stuck while being sent"
            words = phrases.counted(late, f"text is {state_of_it}", f"texts are {state_of_it}")
            before = found.counted_at - figures.LATE
            url = page.list_of("messaging.message", status__exact=status.value, created__lt=before)
            concerns.append(Concern(words, url, "They were written more than ten minutes before they were counted."))
    return concerns


def _counting(page: Page, found: Figures) -> Concern | None:
    """The worker that counts doesn't, or can't keep up."""
    if found.counted_at is None:
        detail = "Refused texts and requests follow within a minute. If they don't, a worker or the clock is down."
        return Concern("The figures are being counted for the first time", "", detail, "info")
    patience = dt.timedelta(seconds=max(5 * settings.COUNT_SECONDS, 60))
    if page.now - found.counted_at > patience:
        last = date_format(timezone.localtime(found.counted_at), "j F, H:i")
        detail = "Refused texts, requests and stuck texts below are as old as that. A worker or the clock may be down."
        return Concern(f"The figures were not counted since {last}", "", detail)
    if found.behind:
        return Concern(
            "Consents are still being counted", "", "A lot came in at once. The figures follow soon.", "info"
        )
    return None


def _lines(page: Page, state: Any) -> list[Concern]:
    """Lines that can't text, or not as the law wants."""
    if not page.may("consent.view_line"):
        return []
    doubtful = (
        Q(active=False)
        | Q(opened_at=None)
        | Q(registration__in=[Registration.PENDING, Registration.REJECTED])
        | Q(kind=LineKind.TOLL_FREE, opt_outs_answered_by_provider=False)
        | Q(category=Category.MARKETING)
    )
    found = []
    for line in Line.objects.filter(doubtful):
        line.mode = line.mode or state.mode  # or each would ask for the organisation
        url = reverse("admin:consent_line_change", args=[line.pk])
        found += [Concern(f"{line.name}: {words}", url, detail, tone) for words, detail, tone in phrases.line(line)]
    left_out = len(found) - MOST_LINES
    if left_out > 0:
        more = Concern(f"{left_out} more about lines", page.list_of("consent.line"))
        found = [*found[:MOST_LINES], more]
    return found


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
