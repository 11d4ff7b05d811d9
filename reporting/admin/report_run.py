"""What was exported, by whom and when: a record that an auditor finds by the file itself (its SHA-256)."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin import RelatedOnlyFieldListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format, number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime
from django.views.decorators.http import require_POST, require_safe

from consent.admin.numbers import signed_in
from consent.admin.screens import ReadOnlyScreen
from consent.admin.unfold import badge, preformatted
from consent.models import User
from reporting import exports
from reporting.admin import progress, snapshot
from reporting.admin.chosen import in_words
from reporting.admin.funnel import FunnelForm, funnel_view
from reporting.models import ReportRun

State = ReportRun.State
_TONES = {State.DONE: "success", State.FAILED: "danger", State.RUNNING: "info", State.WAITING: "info"}
# So much of a SHA-256 is enough to tell files apart at a glance.
_SHORT = 12


@admin.register(ReportRun)
class ReportRunAdmin(ReadOnlyScreen):
    """The exports, and below their address the pages that make them."""

    list_display = ["created", "report", "who", "shown_format", "shown_rows", "shown_size", "shown_state", "short"]
    list_filter = ["report", "state", ("user", RelatedOnlyFieldListFilter), "created"]
    list_select_related = ["user"]
    search_fields = ["sha256"]
    search_help_text = "The SHA-256 of a file, or how it begins."
    readonly_fields = [
        "chosen",
        "shown_as_of",
        "shown_numbers",
        "who",
        "took",
        "shown_state",
        "shown_rows",
        "shown_size",
        "whole",
        "how_to_check",
        "file",
        "fetched",
    ]
    fieldsets = [
        ("What was exported", {"fields": ["report", "chosen", "shown_as_of", "shown_numbers"]}),
        ("By whom and when", {"fields": ["who", "origin", "created", "took"]}),
        (
            "The file",
            {
                "fields": [
                    "shown_state",
                    "format",
                    "shown_rows",
                    "shown_size",
                    "whole",
                    "how_to_check",
                    "file",
                    "fetched",
                ]
            },
        ),
    ]

    # ---- its pages

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, name: str, view: Callable[..., Any]) -> URLPattern:
            return path(route, self.admin_site.admin_view(_for_exporters(view)), name=name)

        return [
            page("snapshot/", "reporting_snapshot", require_safe(self._with(snapshot.snapshot_view))),
            page("snapshot/totals/", "reporting_snapshot_totals", require_safe(snapshot.totals_view)),
            page("snapshot/export/", "reporting_export_snapshot", require_POST(snapshot.export_view)),
            page("funnel/", "reporting_funnel", require_safe(self._with(funnel_view))),
            page("funnel/export/", "reporting_export_funnel", require_POST(export_funnel)),
            page("<uuid:uuid>/progress/", "reporting_run_progress", require_safe(self._with(progress.progress_view))),
            page("<uuid:uuid>/progress/state/", "reporting_run_state", require_safe(progress.state_view)),
            page("<uuid:uuid>/cancel/", "reporting_run_cancel", require_POST(progress.cancel_view)),
            page("<uuid:uuid>/download/", "reporting_run_download", require_safe(progress.download_view)),
            *super().get_urls(),
        ]

    def _with(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """``view`` for a page with the admin's frame around it."""

        def shown(request: HttpRequest, **arguments: Any) -> HttpResponse:
            return view(self, request, **arguments)

        return shown

    # ---- the list

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ReportRun], search_term: str
    ) -> tuple[QuerySet[ReportRun], bool]:
        """By how the hash begins; a whole line of sha256sum, with the file's name behind it, will do."""
        words = search_term.lower().split()
        return (queryset.filter(sha256__startswith=words[0]) if words else queryset), False

    @admin.display(description="who", ordering="user")
    def who(self, run: ReportRun) -> str:
        return str(run.user) if run.user else "Somebody at the command line"

    @admin.display(description="format", ordering="format")
    def shown_format(self, run: ReportRun) -> str:
        return run.get_format_display()

    @admin.display(description="rows", ordering="rows")
    def shown_rows(self, run: ReportRun) -> str:
        return number_format(run.rows, force_grouping=True)

    @admin.display(description="size", ordering="size", empty_value="–")
    def shown_size(self, run: ReportRun) -> str | None:
        return None if run.size is None else filesizeformat(run.size)

    @admin.display(description="state", ordering="state")
    def shown_state(self, run: ReportRun) -> SafeString:
        label = badge(run.get_state_display(), _TONES.get(State(run.state), ""))
        return format_html("{} {}", label, run.problem) if run.problem else label

    @admin.display(description="SHA-256", ordering="sha256", empty_value="–")
    def short(self, run: ReportRun) -> SafeString | None:
        return format_html("<code>{}…</code>", run.sha256[:_SHORT]) if run.sha256 else None

    # ---- one of them

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> ReportRun | None:
        run = super().get_object(request, object_id, from_field)
        if run:
            run.seen_by = signed_in(request)  # what is said of the file depends on who asks
        return run

    @admin.display(description="filters")
    def chosen(self, run: Any) -> SafeString:
        return in_words(run, run.seen_by)

    @admin.display(description="fetch it")
    def file(self, run: Any) -> SafeString | str:
        return _way_to_the_file(run, run.seen_by)

    @admin.display(description="shows the state of", empty_value="It never came to that.")
    def shown_as_of(self, run: ReportRun) -> str | None:
        return date_format(localtime(run.as_of), "j F Y, H:i:s T") if run.as_of else None

    @admin.display(description="numbers")
    def shown_numbers(self, run: ReportRun) -> str:
        if run.report == ReportRun.Report.FUNNEL:
            return "There are none in it."
        return "Only their last digits" if run.numbers_masked else "In full"

    @admin.display(description="took", empty_value="–")
    def took(self, run: ReportRun) -> str | None:
        return None if run.seconds is None else f"{run.seconds:.1f} seconds"

    @admin.display(description="SHA-256", empty_value="–")
    def whole(self, run: ReportRun) -> SafeString | None:
        return preformatted(run.sha256) if run.sha256 else None

    @admin.display(description="how to check a file", empty_value="–")
    def how_to_check(self, run: ReportRun) -> SafeString | None:
        if not run.sha256:
            return None
        return format_html(
            "<code>sha256sum {}</code> (on Windows: <code>certutil -hashfile {} SHA256</code>) has to give the SHA-256 "
            "above. If it gives another one, the file is not what was exported.",
            exports.file_name(run),
            exports.file_name(run),
        )

    @admin.display(description="fetched by", empty_value="Nobody yet")
    def fetched(self, run: ReportRun) -> SafeString | str | None:
        if not run.in_background:
            return "Whoever asked for it, at once"
        lines = [
            (str(each.user), date_format(localtime(each.at), "j F Y, H:i:s T"))
            for each in run.downloads.select_related("user")
        ]
        return format_html_join(mark_safe("<br>"), "{}, {}", lines) or None


def export_funnel(request: HttpRequest) -> Any:
    """The funnel as a file. It has as many rows as there are groups, so it is always handed over at once."""
    user = signed_in(request)
    form, wanted = FunnelForm(user, request.POST), request.POST.get("format")
    if wanted not in snapshot.FORMATS:
        return HttpResponseBadRequest("There is no such format.")
    valid = form.is_valid()
    back = reverse("admin:reporting_funnel") + form.address()
    if not valid:
        return HttpResponseRedirect(back)  # which says what is wrong
    origin = ReportRun.Origin.ADMIN
    run = exports.begin(form.filters, format=wanted, origin=origin, user=user, by=form.compared_by)
    return progress.handed_over(request, run, back)


def _for_exporters(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def shown(request: HttpRequest, **arguments: Any) -> Any:
        if not exports.may_export(signed_in(request)):
            raise PermissionDenied
        return view(request, **arguments)

    return shown


def _way_to_the_file(run: ReportRun, user: User) -> SafeString | str:
    if not run.in_background:
        return "It was handed over at once, and no copy was kept."
    if not run.ended:
        if not (exports.may_export(user) and progress.may_follow(run, user)):
            return "It is not there yet."
        address = reverse("admin:reporting_run_progress", args=[run.uuid])
        return format_html('<a class="text-link" href="{}">See how far it is</a>', address)
    if run.kept_until is None:
        return "It is no longer kept." if run.state == State.DONE else "There is none."
    until = date_format(localtime(run.kept_until), "j F Y, H:i")
    if not exports.may_take(run, user):
        return f"Kept until {until} for whoever exported it, and for officers."
    address = reverse("admin:reporting_run_download", args=[run.uuid])
    return format_html('<a class="text-link" href="{}" download>Download</a>, until {}', address, until)
