from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from consent.admin.numbers import signed_in
from consent.admin.screens import ReadOnlyScreen, plain
from consent.admin.unfold import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget, badge
from consent.models import Line, Organisation
from consent.vocabulary import Language, Level
from messaging import levels, lint, samples
from messaging.admin.wording import Subject, WordedScreen, WordingForm
from messaging.models import SavedText, Template, TemplateVersion
from messaging.wordings import AGREED_TO, SIGN_UPS, Kind

AUTHOR, TEMPLATE = plain("author"), plain("template")
EVERY_LINE = "Every line without its own"


class TemplateForm(WordingForm):
    """Which text, for which line and language, and the words that hold from now on."""

    level = forms.ChoiceField(
        label="A YES to it gives",
        choices=[(level.value, f"{level.label} consent") for level in (Level.EXPRESS, Level.WRITTEN)],
        initial=Level.EXPRESS,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="For opt-in requests, the web form and the phone menu: what the contact gives who agrees to these "
        "words. Written only if the wording holds what the law wants of written consent.",
    )
    declared = forms.BooleanField(
        label="It says all that in other words: I declare it written consent",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="For the web form and the phone menu, and only where Optline does not find in the wording what "
        "written consent needs. The version keeps who saved it.",
    )
    preview_page = "messaging_template"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.current:
            self.initial["level"] = self.instance.current.level
        if "line" in self.fields:
            self.fields["line"].empty_label = EVERY_LINE
            self.fields["line"].help_text = "With a line: its own wording. Every other line keeps the general one."
        if "language" in self.fields:
            self.fields["language"].help_text = (
                "Spoken to contacts of this language, to those who text a keyword in it, and on lines that speak it. "
                "Where a language has no wording, the next one of these speaks: the line's, then English."
            )

    def subject(self) -> Subject:
        if self.instance.pk:
            return Subject(self.instance.kind, self.instance.line, self.instance.language)
        return _subject(self.data) if self.is_bound else Subject("")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        kind = self.kind()
        if kind in SIGN_UPS and cleaned.get("level") == Level.WRITTEN and not cleaned.get("declared"):
            self._refuse_what_is_not_written(cleaned.get("body", ""))
        if self.instance.pk is None and kind:
            same = Template.objects.filter(kind=kind, line=cleaned.get("line"), language=cleaned.get("language"))
            if found := same.first():
                self.add_error(None, _exists_already(found))
        return cleaned

    def _refuse_what_is_not_written(self, body: str) -> None:
        subject = self.subject()
        values = samples.likely(Kind(str(subject.kind)), subject.line, Organisation.objects.current())
        if body and (lacking := lint.lacks_for_written(body, values)):
            found = " ".join(each.message for each in lacking)
            self.add_error("level", f"For written consent something is missing ({lint.WRITTEN}). {found}")

    def level_given(self) -> str:
        return self.cleaned_data.get("level") or Level.EXPRESS

    def is_the_same(self, current: Any) -> bool:
        return super().is_the_same(current) and current.level == self.level_given()

    def validate_constraints(self) -> None:
        """Two templates for the same are refused above, in words that lead to the one there is."""


def _exists_already(found: Template) -> SafeString:
    return format_html(
        'There is a wording of “{}” for {}, in {}, already. <a class="font-semibold underline" href="{}">Open it</a> '
        "and edit it there.",
        found.get_kind_display(),
        found.line or "every line",
        found.get_language_display(),
        reverse("admin:messaging_template_change", args=[found.pk]),
    )


def _subject(posted: Any) -> Subject:
    """What a form that adds a template says so far, which may be anything."""
    kind, line, language = (posted.get(name, "") for name in ("kind", "line", "language"))
    return Subject(
        kind if kind in Kind.values else "",
        Line.objects.filter(pk=line).first() if line.isascii() and line.isdigit() and len(line) < 10 else None,
        language if language in Language.values else Language.ENGLISH,
    )


@admin.register(Template)
class TemplateAdmin(WordedScreen):
    """The wording of each automatic text. There is a general English one of every kind; lines and languages may have
    their own.

    None is deleted: texts that were sent point to their versions.
    """

    form = TemplateForm
    list_display = ["kind", "line_name", "language", "shown_words", "state", "warnings", "number", "saved"]
    list_filter = ["kind", "line", "language", "in_use"]
    list_select_related = ["line", "current"]

    def get_urls(self) -> list[URLPattern]:
        check = path("check/", self.admin_site.admin_view(self.check_all), name="messaging_template_check")
        return [check, *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Template | None = None) -> list[Any]:
        if obj is None:
            return [(None, {"fields": ["kind", "line", "language", "body", "level", "declared", "seen"]})]
        where = ["shown_kind", "shown_line", "shown_language"]
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": [*where, "state", "current_words"]})]
        level = ["level"] if obj.kind in AGREED_TO else []
        level += ["declared"] if obj.kind in SIGN_UPS else []
        return [(None, {"fields": [*where, "body", *level, "in_use", "seen"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Template | None = None) -> list[Any]:
        return ["shown_kind", "shown_line", "shown_language", "current_words", "state"] if obj else []

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        company = Organisation.objects.current()
        for template in changelist.result_list:
            template.faults = _faults(template, company)
        return changelist

    def save_model(self, request: HttpRequest, obj: Template, form: Any, change: bool) -> None:
        if change:
            self.save_changes(obj, form)
        else:
            obj.save()
        obj.say(form.cleaned_data["body"], author=signed_in(request), level=form.level_given())
        if obj.kind == Kind.REQUEST_OURS and (short := [line.name for line, _ in levels.asking_for_too_little()]):
            messages.warning(
                request,
                f"A YES to the opt-in request does not give the consent that {', '.join(short)} needs. Contacts who "
                "said YES can't be texted there.",
            )

    def subject_of(self, request: HttpRequest, row: Template | None) -> Subject:
        return Subject(row.kind, row.line, row.language) if row else _subject(request.POST)

    def where(self, row: Template) -> str:
        return f"{row.line or EVERY_LINE}, in {row.get_language_display()}"

    def shows_level(self, row: Template) -> bool:
        return row.kind in AGREED_TO

    def check_all(self, request: HttpRequest) -> HttpResponse:
        """Every wording with what is wrong with it, those with warnings first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        company = Organisation.objects.current()
        checked = [
            {
                "name": str(template),
                "where": f"{self.line_name(template)}, in {template.get_language_display()}",
                "address": reverse("admin:messaging_template_change", args=[template.pk]),
                "words": template.current.body,
                "switched_off": not template.in_use,
                "faults": _faults(template, company),
            }
            for template in Template.objects.select_related("line", "current").exclude(current=None)
            if template.current
        ]
        if request.user.has_perm("messaging.view_savedtext"):
            footer = samples.footer_after("", None, samples.likely(Kind.FOOTER, None, company))
            checked += [
                {
                    "name": saved.name,
                    "where": "Saved text",
                    "address": reverse("admin:messaging_savedtext_change", args=[saved.pk]),
                    "words": saved.current.body,
                    "switched_off": not saved.active,
                    "faults": samples.faults(saved.current.body, None, None, company, footer),
                }
                for saved in SavedText.objects.select_related("current").exclude(current=None)
                if saved.current
            ]
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Check all wordings",
            "total": len(checked),
            "with_faults": [each for each in checked if each["faults"]],
            "in_order": [each for each in checked if not each["faults"]],
        }
        return TemplateResponse(request, "admin/messaging/template/check.html", context)

    @admin.display(description="text", ordering="kind")
    def shown_kind(self, template: Template) -> str:
        return template.get_kind_display()

    @admin.display(description="line", ordering="line")
    def shown_line(self, template: Template) -> str:
        return str(template.line or EVERY_LINE)

    @admin.display(description="line", ordering="line")
    def line_name(self, template: Template) -> str:
        return template.line.name if template.line else "Every line"

    @admin.display(description="language", ordering="language")
    def shown_language(self, template: Template) -> str:
        return template.get_language_display()

    @admin.display(description="state", ordering="in_use")
    def state(self, template: Template) -> SafeString:
        return badge("In use", "success") if template.in_use else badge("Switched off")

    @admin.display(description="warnings")
    def warnings(self, template: Template) -> SafeString | str:
        count = len(template.faults)  # type: ignore[attr-defined]
        return badge(f"{count} warning{'' if count == 1 else 's'}", "warning") if count else "None"

    @admin.display(description="wording")
    def shown_words(self, template: Template) -> str:
        return Truncator(template.current.body).chars(80) if template.current else ""

    @admin.display(description="wording")
    def current_words(self, template: Template) -> str:
        return template.current.body if template.current else ""

    @admin.display(description="version")
    def number(self, template: Template) -> int | None:
        return template.current.number if template.current else None

    @admin.display(description="saved")
    def saved(self, template: Template) -> Any:
        return template.current.created if template.current else None


def _faults(template: Template, company: Organisation) -> list[Any]:
    if template.current is None:
        return []
    return samples.faults(template.current.body, Kind(template.kind), template.line, company)


@admin.register(TemplateVersion)
class TemplateVersionAdmin(ReadOnlyScreen):
    list_display = ["template", "shown_line", "shown_language", "number", "shown_words", "author", "created"]
    list_filter = ["template__kind", "created"]
    list_select_related = ["template__line", "author"]
    ordering = ["-pk"]
    fields = [TEMPLATE, "shown_line", "shown_language", "number", "body", "level", AUTHOR, "created", "uuid"]
    readonly_fields = [TEMPLATE, "shown_line", "shown_language", AUTHOR, "uuid"]

    @admin.display(description="line")
    def shown_line(self, version: TemplateVersion) -> str:
        return str(version.template.line) if version.template.line else EVERY_LINE

    @admin.display(description="language")
    def shown_language(self, version: TemplateVersion) -> str:
        return version.template.get_language_display()

    @admin.display(description="wording")
    def shown_words(self, version: TemplateVersion) -> str:
        return Truncator(version.body).chars(80)
