"""What needs somebody: on the dashboard, and on a page of its own together with what is wrong with this install.

``concerns`` costs two queries beside those of the figures. The page asks the doctor too, as far as that takes no other
host's time but the broker's.
"""

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.http import require_safe

from consent.models import Line
from consent.vocabulary import Category, LineKind, Registration
from messaging import doctor
from messaging.doctor import Finding, Level
from messaging.models.message import MessageStatus
from reporting import figures, phrases
from reporting.figures import Figures, What
from reporting.models import Mark
from reporting.page import UNSETTLED, Page

# Of the lines that could be shown, so many are.
MOST_LINES = 10
# How long the broker may take before the page says that it does not answer.
PATIENCE = 0.5
_CHECKS: list[doctor.Check] = [
    doctor.settings_fit,
    doctor.clocks,
    doctor.disk,
    doctor.requests_give_enough,
    doctor.deactivated_numbers,
    lambda: doctor.broker(PATIENCE),
]
_TONES = {Level.PROBLEM: "danger", Level.WARNING: "warning", Level.NOTE: "info"}


@dataclass(frozen=True)
class Concern:
    """Something that needs somebody. Tones: danger, warning, info."""

    words: str
    url: str = ""
    detail: str = ""
    tone: str = "warning"


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The page Alerts, for officers."""
    page = Page(request)
    if not page.may("consent.change_organisation"):
        raise PermissionDenied
    found = figures.read(page.today)
    context = {
        **admin.site.each_context(request),
        "title": "Alerts",
        "concerns": sorted([*_of_the_install(), *concerns(page, found)], key=_gravity),
        "counted_at": found.counted_at,
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/alerts.html", context)


def concerns(page: Page, found: Figures) -> list[Concern]:
    """What one person should act on or know of, as far as they may see it."""
    return [*_reviews(page), *_health(page, found), *_lines(page)]


def heartbeat() -> list[Finding]:
    """Whether worker and clock (beat) run: the clock asks for a count, a worker makes it and notes the time."""
    counted = Mark.objects.values_list("counted_at", flat=True).first()
    if counted and timezone.now() - counted <= _patience():
        return []
    since = f"since {date_format(timezone.localtime(counted), 'j F, H:i')}" if counted else "yet"
    return [
        Finding(
            Level.PROBLEM,
            f"Nothing was counted {since}, though the clock asks for it every {settings.COUNT_SECONDS:.0f} seconds.",
            "Start the web process: worker and clock live in it."
            if settings.EMBEDDED
            else "If every queue has a worker and some minutes have passed, the clock is down: celery -A config beat",
        )
    ]


def _of_the_install() -> list[Concern]:
    found = [finding for check in _CHECKS for finding in check()]
    return [Concern(each.words, "", each.remedy, _TONES[each.level]) for each in found]


def _gravity(concern: Concern) -> int:
    return ["danger", "warning", "info"].index(concern.tone)


def _patience() -> dt.timedelta:
    return dt.timedelta(seconds=max(5 * settings.COUNT_SECONDS, 60))


def _reviews(page: Page) -> list[Concern]:
    found = []
    if page.install.revocations and page.may("messaging.view_review"):
        last = page.install.first_last_day
        detail = "Sending to these contacts is suspended."
        if last:
            day = "today" if last <= page.today else f"before {date_format(last, 'l, j F')}"
            detail += f" The first has to be decided {day}; undecided, it counts as an opt-out."
        soon = last is not None and last <= page.today + dt.timedelta(days=2)
        words = phrases.counted(page.install.revocations, "text may ask us to stop", "texts may ask us to stop")
        found.append(Concern(words, page.list_of("messaging.review"), detail, "danger" if soon else "warning"))
    if page.install.acceptances and page.may("messaging.view_review"):
        words = phrases.counted(page.install.acceptances, "text may be a yes", "texts may be a yes")
        detail = "Read it and say whether the contact agreed. Their own YES settles it too."
        found.append(Concern(words, page.list_of("messaging.possibleacceptance"), detail, "info"))
    return found


def _health(page: Page, found: Figures) -> list[Concern]:
    concerns = []
    if page.install.problem:
        concerns.append(
            Concern("This install is not sound", "", f"{page.install.problem} Tell whoever runs it.", "danger")
        )
    if page.install.needs_person:
        words = phrases.counted(page.install.needs_person, "webhook needs a person", "webhooks need a person")
        url = page.list_of("messaging.receipt", state="needs_person")
        concerns.append(
            Concern(words, url, "They could not be read. No text goes to their numbers until then.", "danger")
        )
    if page.install.overdue > page.install.needs_person:
        words = phrases.counted(page.install.overdue, "webhook is not settled yet", "webhooks are not settled yet")
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
            how = "stuck in the queue" if status == MessageStatus.QUEUED else "stuck while being sent"
            words = phrases.counted(late, f"text is {how}", f"texts are {how}")
            before = found.counted_at - figures.LATE
            url = page.list_of("messaging.message", status__exact=status.value, created__lt=before)
            concerns.append(Concern(words, url, "They were written more than ten minutes before they were counted."))
    return concerns


def _counting(page: Page, found: Figures) -> Concern | None:
    """The worker that counts doesn't, or can't keep up."""
    if found.counted_at is None:
        detail = "Refused texts and requests follow within a minute. If they don't, a worker or the clock is down."
        return Concern("The figures are being counted for the first time", "", detail, "info")
    if page.now - found.counted_at > _patience():
        last = date_format(timezone.localtime(found.counted_at), "j F, H:i")
        detail = (
            "All about refused and stuck texts and about requests is as old as that. A worker or the clock may be down."
        )
        return Concern(f"The figures were not counted since {last}", "", detail)
    if found.behind:
        return Concern(
            "Consents are still being counted", "", "A lot came in at once. The figures follow soon.", "info"
        )
    return None


def _lines(page: Page) -> list[Concern]:
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
        line.mode = line.mode or page.install.mode  # or each would ask for the organisation
        url = reverse("admin:consent_line_change", args=[line.pk])
        found += [Concern(f"{line.name}: {words}", url, detail, tone) for words, detail, tone in phrases.line(line)]
    left_out = len(found) - MOST_LINES
    if left_out > 0:
        more = Concern(f"{left_out} more about lines", page.list_of("consent.line"))
        found = [*found[:MOST_LINES], more]
    return found
