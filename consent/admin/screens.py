"""Manners that all our admin pages share: who may look for what, what is read-only, how a form of our own is shown."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin import ShowFacets, SimpleListFilter, display
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import DataError
from django.db.models import Model
from django.forms import BaseForm, ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from consent.admin.unfold import ChangeList, ModelAdmin, TabularInline

# What a filter beside a list may append to its field, and the index of days above a list to its own.
_LOOKUPS = frozenset({"", "__exact", "__isnull", "__id__exact", "__gte", "__lt", "__lte"})
_DAYS = frozenset({"__year", "__month", "__day"})


def plain(field: str, description: str = "") -> Callable[[Any], Any]:
    """A column that names a related row without linking to it: not everybody may open that row's page."""

    def column(row: Any) -> Any:
        return getattr(row, field)

    column.__name__ = field
    return display(column, description=description or field.replace("_", " "), ordering=field)


class SortedAsOffered(ChangeList):
    """A list that is sorted only by what it offers: Django takes any column from the address, and the order of hidden
    numbers tells something about them."""

    def get_ordering_field(self, field_name: Any) -> Any:
        return super().get_ordering_field(field_name) if field_name in self.sortable_by else None


class Screen(ModelAdmin):
    """An admin page of ours.

    Lists don't count all rows and can be narrowed only by the filters beside them: Django would take any column of the
    model from the address, and so let people sound out words and numbers that they may not see.
    """

    actions = None  # nothing happens to many rows at once unless a page says so
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        fields = set()
        for each in self.get_list_filter(request):
            if isinstance(each, list | tuple):
                fields.add(each[0])
            elif isinstance(each, str):
                fields.add(each)
            elif issubclass(each, SimpleListFilter):
                fields.add(each.parameter_name)
        offered = {field + one for field in fields for one in _LOOKUPS}
        if self.date_hierarchy:
            offered |= {self.date_hierarchy + one for one in _LOOKUPS | _DAYS}
        return lookup in offered

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SortedAsOffered

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        try:
            changelist = super().get_changelist_instance(request)
        except (OverflowError, ValueError, DataError) as error:
            # A number or day beyond all bounds, or NUL for PostgreSQL. Django looks only at what it converts itself,
            # and so not at the year after the last one; told so, it leads to the whole list.
            raise IncorrectLookupParameters from error
        if not changelist.query and not changelist.has_active_filters:
            changelist.full_result_count = changelist.result_count  # or Unfold offers "Show all" where all is shown
        return changelist

    def save_changes(self, obj: Model, form: ModelForm) -> None:
        """Write only the columns that this form changed: what others wrote since it was opened stays."""
        columns = {field.name for field in obj._meta.concrete_fields}
        if changed := [name for name in form.changed_data if name in columns]:
            obj.save(update_fields=changed)

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """The row, for somebody who may see it here. Else 403; 404 where there is none among those they see."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        return row

    def form_page(
        self, request: HttpRequest, form: BaseForm, *, title: str, submit: str, row: Any = None, intro: str = ""
    ) -> HttpResponse:
        """A page with one form that posts to its own address. ``row`` is the one it is about."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "title": title,
            "form": form,
            "submit_label": submit,
            "intro": intro,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/form_page.html", context)


class ReadOnly:
    """Nobody adds, changes or deletes these rows here, superusers included: verbs and workers write them."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyScreen(ReadOnly, Screen):
    """Rows to look at. They have no history of changes, since nothing changes them here."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), "show_history": False})


class ReadOnlyRows(ReadOnly, TabularInline):
    """Rows to look at, on the page of what they belong to."""

    extra = 0
    can_delete = False
    hide_title = True
    per_page = 25

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return list(self.fields)


class SuperusersOnly:
    """Pages that no role opens, whatever permissions its group was given."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser


__all__ = ["ReadOnly", "ReadOnlyRows", "ReadOnlyScreen", "Screen", "SuperusersOnly", "plain"]
