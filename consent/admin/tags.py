from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from consent.admin.screens import Screen
from consent.models import Contact, Tag


@admin.register(Tag)
class TagAdmin(Screen):
    """Words that sort contacts. They say nothing about consent."""

    list_display = ["name", "contact_count"]
    search_fields = ["name"]
    search_help_text = "The word, or part of it."
    fields = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        return super().get_queryset(request).annotate(contact_count=Count("contacts"))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A tag that something else than contacts goes by stays: without it that would hold for everybody."""
        deleted, counts, needed, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, needed, [*protected, *(use for tag in objs for use in _uses(tag))]

    @admin.display(description="contacts", ordering="contact_count")
    def contact_count(self, tag: Tag) -> int:
        return tag.contact_count  # type: ignore[attr-defined]


def _uses(tag: Tag) -> list[str]:
    """What goes by this tag, in words: "saved text: Directions"."""
    return [
        f"{relation.related_model._meta.verbose_name}: {row}"
        for relation in Tag._meta.related_objects
        if relation.many_to_many and relation.related_model is not Contact
        for row in relation.related_model._default_manager.filter(**{relation.field.name: tag})
    ]
