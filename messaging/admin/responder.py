from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from consent.admin.screens import Screen
from consent.admin.unfold import UnfoldAdminTextareaWidget
from messaging.models import KeywordResponder


class ResponderForm(forms.ModelForm):
    def clean_reply(self) -> str:
        return self.cleaned_data["reply"].replace("\r\n", "\n")


@admin.register(KeywordResponder)
class KeywordResponderAdmin(Screen):
    """Words that contacts may text. Of the built-in ones, which law and carriers fix, only the reply can be edited."""

    form = ResponderForm
    list_display = ["keyword", "action", "shown_lines", "active", "built_in", "reply"]
    list_filter = ["action", "active", "built_in"]
    search_fields = ["keyword"]
    search_help_text = "The word, or part of it."
    autocomplete_fields = ["lines"]
    fields = ["keyword", "action", "lines", "reply", "active", "built_in"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[KeywordResponder]:
        return super().get_queryset(request).prefetch_related("lines")

    def get_readonly_fields(self, request: HttpRequest, obj: KeywordResponder | None = None) -> list[str]:
        return ["built_in", *(["keyword", "action", "shown_lines", "active"] if obj and obj.built_in else [])]

    def get_fields(self, request: HttpRequest, obj: KeywordResponder | None = None) -> list[str]:
        if obj is None:
            return ["keyword", "action", "lines", "reply", "active"]
        if obj.built_in:
            return ["keyword", "action", "shown_lines", "reply", "active", "built_in"]
        return ["keyword", "action", "lines", "reply", "active", "built_in"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "reply":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 4})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: KeywordResponder | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.built_in)

    @admin.display(description="lines")
    def shown_lines(self, responder: KeywordResponder) -> str:
        return ", ".join(line.name for line in responder.lines.all()) or "Every line"
