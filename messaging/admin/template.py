from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from consent.admin.numbers import signed_in
from consent.admin.screens import ReadOnlyRows, ReadOnlyScreen, Screen, plain
from consent.admin.unfold import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget
from consent.vocabulary import Level
from messaging import rendering
from messaging.models import Template, TemplateVersion
from messaging.wordings import Kind

AUTHOR, TEMPLATE, LINE = plain("author"), plain("template"), plain("line")
# A YES answers these; on every other text a level would say nothing.
_REQUESTS = [Kind.REQUEST_OURS, Kind.REQUEST_THEIRS, Kind.CONFIRM_SIGN_UP]


class TemplateForm(forms.ModelForm):
    """Kind and line of a template, and the words that hold from now on."""

    body = forms.CharField(
        label="Wording",
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text="Saving adds a version. Texts that were sent keep theirs.",
    )
    level = forms.ChoiceField(
        label="A YES to it gives",
        choices=[(level.value, f"{level.label} consent") for level in (Level.EXPRESS, Level.WRITTEN)],
        initial=Level.EXPRESS,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="For opt-in requests. Written only if the wording holds what the law wants of written consent.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current = self.instance.current
        if current:
            self.initial.update(body=current.body, level=current.level)
        if "line" in self.fields:
            self.fields["line"].required = True
            self.fields["line"].help_text = "This line's own wording. Every other line keeps the general one."

    def clean_body(self) -> str:
        return self.cleaned_data["body"].replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("kind") or self.instance.kind
        if kind and "body" in cleaned:
            try:
                rendering.check(cleaned["body"], Kind(kind))
            except rendering.WordingError as error:
                self.add_error("body", str(error))
        line = cleaned.get("line")
        if kind and line and Template.objects.filter(kind=kind, line=line, language=self.instance.language).exists():
            self.add_error("line", "This line has its own wording of this text already. Open it and edit it there.")
        return cleaned


class VersionRows(ReadOnlyRows):
    model = TemplateVersion
    verbose_name_plural = "versions, the newest first"
    fields = ["number", "created", AUTHOR, "shown_level", "body"]
    ordering = ["-number"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TemplateVersion]:
        return super().get_queryset(request).select_related("author", "template")

    @admin.display(description="a YES gives")
    def shown_level(self, version: TemplateVersion) -> str:
        return version.get_level_display() if version.template.kind in _REQUESTS else "-"


@admin.register(Template)
class TemplateAdmin(Screen):
    """The wording of each automatic text. There is a general one of every kind; a line may have its own.

    None is deleted: texts that were sent point to their versions.
    """

    form = TemplateForm
    list_display = ["kind", "shown_line", "shown_words", "number", "saved"]
    list_filter = ["kind", "line"]
    list_select_related = ["line", "current"]
    inlines = [VersionRows]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Template | None = None) -> list[Any]:
        if obj is None:
            return [(None, {"fields": ["kind", "line", "body", "level"], "description": _variables(None)})]
        words = ["body", *(["level"] if obj.kind in _REQUESTS else [])]
        if not self.has_change_permission(request, obj):
            words = ["current_words"]
        return [(None, {"fields": ["shown_kind", "shown_line", *words], "description": _variables(Kind(obj.kind))})]

    def get_readonly_fields(self, request: HttpRequest, obj: Template | None = None) -> list[Any]:
        return ["shown_kind", "shown_line", "current_words"] if obj else []

    def get_inlines(self, request: HttpRequest, obj: Template | None) -> list[Any]:
        return [VersionRows] if obj else []

    def save_model(self, request: HttpRequest, obj: Template, form: forms.ModelForm, change: bool) -> None:
        if not change:
            obj.save()
        # Locked, so that two people who save at once make two versions and not one number twice.
        template = Template.objects.select_for_update().get(pk=obj.pk)
        level = form.cleaned_data.get("level") or Level.EXPRESS
        obj.current = template.say(form.cleaned_data["body"], author=signed_in(request), level=level)

    @admin.display(description="text", ordering="kind")
    def shown_kind(self, template: Template) -> str:
        return template.get_kind_display()

    @admin.display(description="line", ordering="line")
    def shown_line(self, template: Template) -> str:
        return str(template.line) if template.line else "Every line without its own"

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


def _variables(kind: Kind | None) -> str:
    names = rendering.allowed(kind) if kind else rendering.VARIABLES
    sentence = f"Variables you can use: {_listed(names)}."
    return sentence if kind else f"{sentence} Notices also know {_listed(rendering.NOTICE_VARIABLES)}."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))


@admin.register(TemplateVersion)
class TemplateVersionAdmin(ReadOnlyScreen):
    list_display = ["template", "shown_line", "number", "shown_words", "author", "created"]
    list_filter = ["template__kind", "created"]
    list_select_related = ["template__line", "author"]
    ordering = ["-pk"]
    fields = [TEMPLATE, "shown_line", "number", "body", "level", AUTHOR, "created", "uuid"]
    readonly_fields = [TEMPLATE, "shown_line", AUTHOR, "uuid"]

    @admin.display(description="line")
    def shown_line(self, version: TemplateVersion) -> str:
        return str(version.template.line) if version.template.line else "Every line without its own"

    @admin.display(description="wording")
    def shown_words(self, version: TemplateVersion) -> str:
        return Truncator(version.body).chars(80)
