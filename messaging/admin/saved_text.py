from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from consent.admin.numbers import signed_in
from messaging.admin.wording import Subject, WordedScreen, WordingForm
from messaging.models import SavedText

_SUBJECT = Subject(None)


class SavedTextForm(WordingForm):
    preview_page = "messaging_savedtext"

    def subject(self) -> Subject:
        return _SUBJECT


@admin.register(SavedText)
class SavedTextAdmin(WordedScreen):
    """Approved ordinary texts that agents insert. None is deleted: texts that were made from them point to them."""

    form = SavedTextForm
    list_display = ["name", "shown_lines", "shown_tags", "shown_words", "active", "number", "saved"]
    list_filter = ["active", "lines", "tags"]
    search_fields = ["name", "current__body"]
    search_help_text = "Name, or any part of the words."
    list_select_related = ["current"]
    autocomplete_fields = ["lines", "tags"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SavedText]:
        return super().get_queryset(request).prefetch_related("lines", "tags")

    def get_fieldsets(self, request: HttpRequest, obj: SavedText | None = None) -> list[Any]:
        may_write = self.has_change_permission(request, obj) if obj else True
        words = ["body", "seen"] if may_write else ["current_words"]
        return [
            (None, {"fields": ["name", *words]}),
            ("Where agents are offered it", {"fields": ["lines", "tags", "active"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: SavedText | None = None) -> list[Any]:
        return ["current_words"] if obj else []

    def save_model(self, request: HttpRequest, obj: SavedText, form: forms.ModelForm, change: bool) -> None:
        if change:
            self.save_changes(obj, form)
        else:
            obj.save()
        obj.say(form.cleaned_data["body"], author=signed_in(request))

    def subject_of(self, request: HttpRequest, row: SavedText | None) -> Subject:
        return _SUBJECT

    def where(self, row: SavedText) -> str:
        lines = ", ".join(line.name for line in row.lines.all())
        return f"Offered on {lines or 'every line'}"

    @admin.display(description="lines")
    def shown_lines(self, saved: SavedText) -> str:
        return ", ".join(line.name for line in saved.lines.all()) or "Every line"

    @admin.display(description="tags")
    def shown_tags(self, saved: SavedText) -> str:
        return ", ".join(tag.name for tag in saved.tags.all()) or "All contacts"

    @admin.display(description="words")
    def shown_words(self, saved: SavedText) -> str:
        return Truncator(saved.current.body).chars(80) if saved.current else ""

    @admin.display(description="words")
    def current_words(self, saved: SavedText) -> str:
        return saved.current.body if saved.current else ""

    @admin.display(description="version")
    def number(self, saved: SavedText) -> int | None:
        return saved.current.number if saved.current else None

    @admin.display(description="saved")
    def saved(self, saved: SavedText) -> Any:
        return saved.current.created if saved.current else None
