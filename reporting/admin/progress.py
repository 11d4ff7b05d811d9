"""Following an export that is made in the background, stopping it, and fetching its file.

Its owner may, and officers may for everybody; to others it is not there. What may be fetched decides exports.may_take.
"""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from consent.admin.numbers import signed_in
from consent.models import User
from reporting import exports
from reporting.exports import ExportError
from reporting.models import ReportRun

State = ReportRun.State
# A download starts by itself only for those who waited for it.
_JUST_NOW = dt.timedelta(minutes=1)


def may_follow(run: ReportRun, user: User) -> bool:
    return run.user_id == user.pk or user.has_perm("reporting.download_any_export")


def _run(request: HttpRequest, uuid: str) -> ReportRun:
    """The export, for somebody who may follow it; else 404."""
    run = get_object_or_404(ReportRun.objects.select_related("user"), uuid=uuid)
    if not may_follow(run, signed_in(request)):
        raise Http404
    return run


def progress_view(model_admin: "ModelAdmin[Any]", request: HttpRequest, uuid: str) -> HttpResponse:
    run = _run(request, uuid)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"Export: {run.get_report_display()}",
        **_shown(run, signed_in(request)),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/reporting/progress.html", context)


def state_view(request: HttpRequest, uuid: str) -> HttpResponse:
    """How far it is, each second; once it has ended, what became of it in place of everything."""
    run = _run(request, uuid)
    context = _shown(run, signed_in(request))
    if not run.ended:
        return TemplateResponse(request, "admin/reporting/progress_bar.html", context)
    headers = {"HX-Retarget": "#report-run", "HX-Reswap": "outerHTML"}
    return TemplateResponse(request, "admin/reporting/progress_run.html", context, headers=headers)


def cancel_view(request: HttpRequest, uuid: str) -> HttpResponse:
    run = _run(request, uuid)
    if not exports.cancel(run):
        messages.info(request, "It had ended already.")
    return redirect("admin:reporting_run_progress", run.uuid)


def download_view(request: HttpRequest, uuid: str) -> Any:
    """The file, as attachment. Where it is no longer kept, the way back to the page that says so."""
    run, user = _run(request, uuid), signed_in(request)
    if not exports.may_take(run, user):
        raise PermissionDenied
    try:
        return exports.download(run, user)
    except ExportError as error:
        messages.error(request, str(error))
        return redirect("admin:reporting_run_progress", run.uuid)


def handed_over(request: HttpRequest, run: ReportRun, back: str) -> HttpResponseBase:
    """A small file at once. Where that fails, the page it was asked for from, which says so."""
    try:
        return exports.whole(run)
    except ExportError as error:
        messages.error(request, str(error))
        return redirect(back)


def _shown(run: ReportRun, user: User) -> dict[str, Any]:
    expected = run.expected_rows or 0
    own = run.user_id == user.pk
    return {
        "run": run,
        "own": own,
        # It may have become more since it was asked for.
        "percent": min(99, 100 * run.rows // expected) if expected else 0,
        "may_take": exports.may_take(run, user),
        "may_see_runs": user.has_perm("reporting.view_reportrun"),
        "starts": own and run.ended_at is not None and timezone.now() - run.ended_at < _JUST_NOW,
    }
