from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from consent import search, whereabouts
from consent.admin.consents import ON_LINE, Standing
from consent.admin.numbers import ContactScreen, NumberField, hidden_from
from consent.admin.paging import COUNTED
from consent.admin.screens import ReadOnlyRows
from consent.admin.standing_filter import StandingFilter
from consent.admin.unfold import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget, badge
from consent.models import Consent, Contact, DoNotContact
from consent.vocabulary import Status


class ConsentRows(Standing, ReadOnlyRows):
    model = Consent
    verbose_name_plural = "consent on our lines (no row: Not Defined)"
    fields = [
        ON_LINE,
        "shown_status",
        "request_state",
        "since",
        "source",
        "level",
        "until",
        "review_since",
        "at_provider",
    ]
    ordering = ["line__name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Consent]:
        return super().get_queryset(request).select_related("line")


class ContactForm(ModelForm):
    number = NumberField(label="Mobile number")
    time_zone = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Where they live, if you know it. It decides at which hours they may be texted.",
    )

    class Meta:
        widgets = {"tags": UnfoldAdminCheckboxSelectMultipleWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "time_zone" in self.fields:  # it is not, for those who only look
            self.fields["time_zone"].choices = _time_zones(self.instance.time_zone)  # type: ignore[attr-defined]


def _time_zones(stored: str) -> list[tuple[str, str]]:
    """Those named after places, and the one that is stored."""
    named = {zone for zone in whereabouts.time_zones() if zone.partition("/")[0] in _CONTINENTS}
    known = sorted({*named, stored} - {""})
    return [("", "As the postal code or the number says"), *((zone, zone.replace("_", " ")) for zone in known)]


_CONTINENTS = {"Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}
# Noted by those who know; an officer corrects it with a reason (messaging.admin.settle_number).
_REACH = ["unreachable", "unreachable_since", "unreachable_source"]
_FIELDS = ["number", "first_name", "last_name", "language", "postal_code", "time_zone", "tags"]


@admin.register(Contact)
class ContactAdmin(ContactScreen):
    """Everyone we know. A number never changes: a person's new number is a new contact, and nobody is deleted."""

    form = ContactForm
    list_display = ["shown_name", "number", "opted_in_on", "opted_out_on", "shown_tags"]
    list_filter = [StandingFilter]
    list_filter_submit = True
    inlines = [ConsentRows]
    fieldsets = [(None, {"fields": [*_FIELDS, *_REACH]})]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        decided = (
            Consent.objects.filter(status__in=[Status.OPTED_IN, Status.OPTED_OUT])
            .select_related("line")
            .only("contact", "status", "line__name")
        )
        return (
            super()
            .get_queryset(request)
            .annotate(listed=Exists(DoNotContact.objects.filter(number=OuterRef("number"))))
            .prefetch_related(Prefetch("consents", decided.order_by("line__name"), to_attr="decided"), "tags")
        )

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in StandingFilter.parameters or super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Contact], search_term: str
    ) -> tuple[QuerySet[Contact], bool]:
        """A thousand at most, since nobody reads further to find somebody; the pages say so."""
        rows, _ = super().get_search_results(request, queryset, search_term)
        if not search_term.strip():
            return rows, False
        alone = not any(request.GET.get(name) for name in StandingFilter.parameters)
        return queryset.filter(pk__in=search.some(rows, search_term, COUNTED, alone=alone)), False

    def get_sortable_by(self, request: HttpRequest) -> list[str]:
        # The order of hidden numbers would tell something about them.
        return ["shown_name"] if hidden_from(request.user) else ["shown_name", "number"]

    def get_readonly_fields(self, request: HttpRequest, obj: Contact | None = None) -> list[str]:
        return ["number", "created", *_REACH] if obj else []

    def get_fieldsets(self, request: HttpRequest, obj: Contact | None = None) -> list[Any]:
        if obj is None:
            return [(None, {"fields": _FIELDS})]
        return [(None, {"fields": [*_FIELDS, *_REACH, "created"]})]

    def get_inlines(self, request: HttpRequest, obj: Contact | None) -> list[Any]:
        return list(super().get_inlines(request, obj)) if obj else []

    def save_model(self, request: HttpRequest, obj: Contact, form: ModelForm, change: bool) -> None:
        if change:
            # Never the whole row: its end of the ledger chain may have moved on since the page was opened.
            self.save_changes(obj, form)
        else:
            obj.save()

    @admin.display(description="name", ordering="first_name", empty_value="")
    def shown_name(self, contact: Contact) -> str:
        return contact.name or "No name"

    @admin.display(description="opted in on")
    def opted_in_on(self, contact: Contact) -> SafeString | str:
        lines = [each.line.name for each in contact.decided if each.status == Status.OPTED_IN]  # type: ignore[attr-defined]
        return _in_full(", ".join(lines)) if lines else ""

    @admin.display(description="may not be texted")
    def opted_out_on(self, contact: Contact) -> SafeString | str:
        if contact.listed:  # type: ignore[attr-defined]
            return badge("✕ Do not contact", "danger")
        out = [each.line.name for each in contact.decided if each.status == Status.OPTED_OUT]  # type: ignore[attr-defined]
        if not out:
            return ""
        count = "" if len(out) == 1 else f" on {len(out)} lines"
        return _in_full(format_html("{} {}", badge(f"✕ Opted out{count}", "danger"), ", ".join(out)))

    @admin.display(description="tags")
    def shown_tags(self, contact: Contact) -> SafeString | str:
        tags = format_html_join(" ", "{}", ((badge(tag.name),) for tag in contact.tags.all()))
        return _in_full(tags) if tags else ""


def _in_full(words: str | SafeString) -> SafeString:
    """Words of any length, which a cell of the list may break but not cut."""
    return format_html('<span class="wrapped">{}</span>', words)
