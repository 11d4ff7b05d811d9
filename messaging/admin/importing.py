"""Importing: the file, its columns, the dry run, the import itself, and the record that stays of it."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import RelatedOnlyFieldListFilter
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from consent.admin.numbers import signed_in
from consent.admin.screens import ReadOnlyScreen
from consent.admin.unfold import action, badge, preformatted
from messaging.admin.import_forms import FileForm, PlanForm
from messaging.importing import batches, chunks, refused
from messaging.importing.batches import NotNow
from messaging.importing.plan import Column, DateOrder, Plan, What
from messaging.importing.sheets import SheetError
from messaging.models import ImportBatch

State = ImportBatch.State
_TONES = {State.DONE: "success", State.FAILED: "danger", State.RUNNING: "info", State.CHECKING: "info"}
_NOUNS = {What.OPT_INS: "consents", What.OPT_OUTS: "opt-outs", What.DO_NOT_CONTACT: "numbers"}
_COUNTED = {
    "new": "New",
    "changed": "Changed",
    "unchanged": "Unchanged",
    "refused": "Refused",
}


@admin.register(ImportBatch)
class ImportBatchAdmin(ReadOnlyScreen):
    """The imports there were, and below their address the pages that make one."""

    list_display = ["name", "created", "user", "shown_what", "shown_rows", "shown_counts", "shown_state"]
    list_filter = ["state", ("user", RelatedOnlyFieldListFilter), "created"]
    list_select_related = ["user"]
    search_fields = ["name", "file_name", "sha256"]
    search_help_text = "What it is called, or how the file's SHA-256 begins."
    actions_list = ["new_import"]
    fieldsets = [
        ("The file", {"fields": ["name", "file_name", "shown_size", "shown_sha256", "shown_file"]}),
        ("What was chosen", {"fields": ["shown_what", "shown_columns", "shown_choices"]}),
        ("By whom and when", {"fields": ["user", "origin", "created", "checked_at", "started_at", "ended_at"]}),
        ("What became of it", {"fields": ["shown_state", "shown_rows", "shown_counts", "shown_refusals", "way_on"]}),
    ]
    readonly_fields = [
        "shown_size",
        "shown_sha256",
        "shown_file",
        "shown_what",
        "shown_columns",
        "shown_choices",
        "shown_state",
        "shown_rows",
        "shown_counts",
        "shown_refusals",
        "way_on",
    ]

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, name: str, view: Callable[..., Any]) -> URLPattern:
            return path(f"<uuid:uuid>/{route}", self.admin_site.admin_view(_for_importers(view)), name=name)

        return [
            page("", "messaging_import", require_safe(self._batch_view)),
            page("state/", "messaging_import_state", require_safe(_state_view)),
            page("columns/", "messaging_import_columns", require_http_methods(["GET", "POST"])(self._columns_view)),
            page("start/", "messaging_import_start", require_POST(_start_view)),
            page("cancel/", "messaging_import_cancel", require_POST(_cancel_view)),
            page("go-on/", "messaging_import_go_on", require_POST(_go_on_view)),
            page("refused/", "messaging_import_refused", require_safe(_refused_view)),
            *super().get_urls(),
        ]

    # ---- the pages

    # By method, not by name: Unfold's system check would look a dotted name up in a database that may not be there yet.
    def has_new_import_permission(self, request: HttpRequest) -> bool:
        return batches.may_import(request.user)

    @action(description="New import", url_path="new/", icon="upload_file", permissions=["new_import"])
    def new_import(self, request: HttpRequest) -> HttpResponse:
        """The form on GET, the upload on POST."""
        form = FileForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            uploaded: UploadedFile = form.cleaned_data["file"]
            try:
                batch = batches.begin(
                    form.cleaned_data["name"],
                    uploaded.name or "file",
                    uploaded.chunks(),
                    user=signed_in(request),
                    origin=ImportBatch.Origin.ADMIN,
                )
            except SheetError as error:
                form.add_error("file", str(error))
            else:
                return redirect("admin:messaging_import_columns", batch.uuid)
        return self._page(request, "new", {"title": "New import", "form": form})

    def _columns_view(self, request: HttpRequest, uuid: str) -> HttpResponse:
        batch = _batch(uuid)
        if batch.busy or batch.importing or batch.file_removed_at:
            messages.info(request, "Its columns can't be chosen any more. Upload the file again for another import.")
            return redirect("admin:messaging_import", batch.uuid)
        try:
            form = PlanForm(batch, request.POST if request.method == "POST" else None)
            if form.is_bound and form.is_valid():
                batches.choose(batch, form.plan)
                return redirect("admin:messaging_import", batch.uuid)
        except (SheetError, NotNow) as error:
            messages.error(request, str(error))
            return redirect("admin:messaging_import", batch.uuid)
        context = {"title": f"What is in {batch.file_name}?", "form": form, "batch": batch}
        return self._page(request, "columns", {**context, "earlier": batches.same_file(batch)})

    def _batch_view(self, request: HttpRequest, uuid: str) -> HttpResponse:
        batch = _batch(uuid)
        return self._page(request, "progress", {"title": f"Import: {batch.name}", **_shown(batch)})

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.admin_site.name
        whole = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, f"admin/messaging/importing/{name}.html", whole)

    # ---- the record

    @admin.display(description="rows are")
    def shown_what(self, batch: ImportBatch) -> str:
        return str(What(batch.plan["what"]).label).split(":")[0] if batch.plan else "Not chosen yet"

    @admin.display(description="rows", ordering="rows", empty_value="–")
    def shown_rows(self, batch: ImportBatch) -> str | None:
        return None if batch.rows is None else number_format(batch.rows, force_grouping=True)

    @admin.display(description="what became of them", empty_value="Nothing yet")
    def shown_counts(self, batch: ImportBatch) -> str | None:
        return _in_words(batch.counts) if batch.importing else None

    @admin.display(description="state", ordering="state")
    def shown_state(self, batch: ImportBatch) -> SafeString:
        label = badge(batch.get_state_display(), _TONES.get(State(batch.state), ""))
        return format_html("{} {}", label, batch.problem) if batch.problem else label

    @admin.display(description="size")
    def shown_size(self, batch: ImportBatch) -> str:
        return filesizeformat(batch.size)

    @admin.display(description="SHA-256")
    def shown_sha256(self, batch: ImportBatch) -> SafeString:
        return preformatted(batch.sha256)

    @admin.display(description="kept")
    def shown_file(self, batch: ImportBatch) -> str:
        if batch.file_kept_until is None:
            return "It was removed. Each row that was imported is kept as evidence of its own contact."
        return "For a week after its end, then each row remains as evidence of its own contact."

    @admin.display(description="columns", empty_value="–")
    def shown_columns(self, batch: ImportBatch) -> SafeString | None:
        if not batch.plan:
            return None
        pairs = zip(batch.headings, batch.plan["columns"], strict=False)
        rows = [(heading, Column(column).label) for heading, column in pairs]
        return format_html_join(mark_safe("<br>"), "<bdi>{}</bdi>: {}", rows)

    @admin.display(description="for all rows", empty_value="–")
    def shown_choices(self, batch: ImportBatch) -> SafeString | None:
        if not batch.plan:
            return None
        plan = Plan.from_json(batch.plan)
        rows = [
            ("Lines", ", ".join(plan.lines) or "as the rows say"),
            ("Source", plan.source),
            ("Level", plan.level),
            ("Date", plan.date or "as the rows say"),
            ("Time zone", plan.zone),
            ("Dates are written", DateOrder(plan.date_order).label),
            ("Country of numbers that name none", plan.region),
            ("Asked to confirm by text", "yes" if plan.double_opt_in else "no"),
        ]
        return format_html_join(mark_safe("<br>"), "{}: <bdi>{}</bdi>", rows)

    @admin.display(description="refused", empty_value="None")
    def shown_refusals(self, batch: ImportBatch) -> SafeString | None:
        rows = _reasons(batch.refusals if batch.importing else batch.check_refusals)
        return format_html_join(mark_safe("<br>"), "{}: {}", rows) or None

    @admin.display(description="its page")
    def way_on(self, batch: ImportBatch) -> SafeString:
        address = reverse("admin:messaging_import", args=[batch.uuid])
        return format_html('<a class="text-link" href="{}">Follow it, or fetch the refused rows</a>', address)


# ---- one import -----------------------------------------------------------------------------------------------------


def _for_importers(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def shown(request: HttpRequest, **arguments: Any) -> Any:
        if not batches.may_import(signed_in(request)):
            raise PermissionDenied
        return view(request, **arguments)

    return shown


def _batch(uuid: str) -> ImportBatch:
    return get_object_or_404(ImportBatch.objects.select_related("user"), uuid=uuid)


def _state_view(request: HttpRequest, uuid: str) -> HttpResponse:
    """How far it is, each second; once nobody works on it, all there is to say in place of everything."""
    batch = _batch(uuid)
    if batch.busy:
        return TemplateResponse(request, "admin/messaging/importing/bar.html", _shown(batch))
    headers = {"HX-Retarget": "#report-run", "HX-Reswap": "outerHTML"}
    return TemplateResponse(request, "admin/messaging/importing/run.html", _shown(batch), headers=headers)


def _start_view(request: HttpRequest, uuid: str) -> HttpResponse:
    return _done(request, uuid, batches.start)


def _go_on_view(request: HttpRequest, uuid: str) -> HttpResponse:
    return _done(request, uuid, batches.go_on)


def _done(request: HttpRequest, uuid: str, verb: Callable[[ImportBatch], None]) -> HttpResponse:
    batch = _batch(uuid)
    try:
        verb(batch)
    except NotNow as error:
        messages.error(request, str(error))
    return redirect("admin:messaging_import", batch.uuid)


def _cancel_view(request: HttpRequest, uuid: str) -> HttpResponse:
    batch = _batch(uuid)
    if not batches.cancel(batch):
        messages.info(request, "It had ended already.")
    return redirect("admin:messaging_import", batch.uuid)


def _refused_view(request: HttpRequest, uuid: str) -> HttpResponseBase:
    """The refused rows, as attachment. Where they can't be had any more, the page that says so."""
    batch = _batch(uuid)
    try:
        if batch.busy or not refused.there_are(batch):
            raise SheetError("There are no refused rows to fetch, or the file is no longer kept.")
        blocks = refused.blocks(batch)
    except SheetError as error:
        messages.error(request, str(error))
        return redirect("admin:messaging_import", batch.uuid)
    answer = StreamingHttpResponse(blocks, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="refused-rows-{str(batch.uuid)[:8]}.csv"'
    answer["Cache-Control"] = "private, no-store"
    return answer


def _reasons(refusals: Mapping[str, int]) -> list[tuple[str, int]]:
    found = [(chunks.LABELS.get(code, code), count) for code, count in refusals.items()]
    return sorted(found, key=lambda each: -each[1])


def _in_words(counts: Mapping[str, int]) -> str:
    found = [f"{number_format(counts[key], force_grouping=True)} {key}" for key in _COUNTED if counts.get(key)]
    return ", ".join(found) or "no rows"


def _shown(batch: ImportBatch) -> dict[str, Any]:
    plan = Plan.from_json(batch.plan) if batch.plan else None
    passes = plan.passes if plan else 1
    counts = batch.counts if batch.importing else batch.check_counts
    total = (batch.rows or 0) * passes
    lines = len(plan.lines) if plan else 0
    return {
        "batch": batch,
        "plan": plan,
        "noun": _NOUNS.get(plan.what, "rows") if plan else "rows",
        "several_lines": lines if lines > 1 and plan and plan.what != What.DO_NOT_CONTACT else 0,
        "percent": min(99, 100 * batch.done // total) if total else 0,
        "rows_done": min(batch.done, batch.rows) if batch.rows and passes == 1 else batch.done,
        "total": total,
        "counts": [(key, label, counts.get(key, 0)) for key, label in _COUNTED.items()],
        "anything": counts.get("new", 0) + counts.get("changed", 0),
        "reasons": _reasons(batch.refusals if batch.importing else batch.check_refusals),
        "fetchable": not batch.busy and refused.there_are(batch),
        "earlier": batches.same_file(batch) if batch.state == State.CHECKED else None,
        "may_choose": not (batch.busy or batch.importing or batch.file_removed_at),
        "may_go_on": batch.importing and batch.state in {State.FAILED, State.CANCELLED} and not batch.file_removed_at,
    }
