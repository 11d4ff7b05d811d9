from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString

from consent.admin.consents import ASKED_BY, ON_LINE, Standing
from consent.admin.numbers import ContactScreen, NumberField, hidden_from
from consent.admin.screens import ReadOnlyRows, plain
from consent.admin.unfold import badge
from consent.models import Consent, Contact, DoNotContact, LedgerEntry, OptInRequest
from consent.vocabulary import Status

ACTOR = plain("actor")


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
        "review_since",
        "at_provider",
    ]
    ordering = ["line__name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Consent]:
        return super().get_queryset(request).select_related("line")


class RequestRows(ReadOnlyRows):
    model = OptInRequest
    verbose_name_plural = "opt-in requests"
    fields = ["created", ON_LINE, "kind", ASKED_BY, "shown_outcome", "sent_at", "expires_at"]
    ordering = ["-pk"]
    per_page = 10

    def get_queryset(self, request: HttpRequest) -> QuerySet[OptInRequest]:
        return super().get_queryset(request).select_related("line", "asked_by")

    @admin.display(description="outcome")
    def shown_outcome(self, request: OptInRequest) -> str:
        return request.get_outcome_display()


class EntryRows(ReadOnlyRows):
    model = LedgerEntry
    verbose_name_plural = "history"
    fields = ["seq", "occurred_at", ON_LINE, "kind", "status_from", "status_to", "channel", "rule", ACTOR]
    ordering = ["-seq"]
    per_page = 10

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Supervisors see the history of a contact, but neither the ledger as a whole nor its evidence.
        return super().has_view_permission(request, obj) or request.user.has_perm("consent.use_every_line")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        return super().get_queryset(request).select_related("line", "actor")


class ContactForm(ModelForm):
    number = NumberField(label="Mobile number")


@admin.register(Contact)
class ContactAdmin(ContactScreen):
    """Everyone we know. A number never changes: a person's new number is a new contact, and nobody is deleted."""

    form = ContactForm
    list_display = ["shown_name", "number", "opted_in_on", "opted_out_on", "created"]
    list_filter = ["unreachable", "created"]
    inlines = [ConsentRows, RequestRows, EntryRows]
    fieldsets = [(None, {"fields": ["number", "first_name", "last_name", "unreachable"]})]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        decided = Consent.objects.filter(status__in=[Status.OPTED_IN, Status.OPTED_OUT]).select_related("line")
        return (
            super()
            .get_queryset(request)
            .annotate(listed=Exists(DoNotContact.objects.filter(number=OuterRef("number"))))
            .prefetch_related(Prefetch("consents", decided.order_by("line__name"), to_attr="decided"))
        )

    def get_sortable_by(self, request: HttpRequest) -> list[str]:
        # The order of hidden numbers would tell something about them.
        return ["shown_name", "created"] if hidden_from(request.user) else ["shown_name", "number", "created"]

    def get_readonly_fields(self, request: HttpRequest, obj: Contact | None = None) -> list[str]:
        return ["number", "created"] if obj else []

    def get_fieldsets(self, request: HttpRequest, obj: Contact | None = None) -> list[Any]:
        if obj is None:
            return [(None, {"fields": ["number", "first_name", "last_name"]})]
        return [(None, {"fields": ["number", "first_name", "last_name", "unreachable", "created"]})]

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
    def opted_in_on(self, contact: Contact) -> str:
        return ", ".join(each.line.name for each in contact.decided if each.status == Status.OPTED_IN)  # type: ignore[attr-defined]

    @admin.display(description="may not be texted")
    def opted_out_on(self, contact: Contact) -> SafeString | str:
        if contact.listed:  # type: ignore[attr-defined]
            return badge("✕ Do not contact", "danger")
        out = [each.line.name for each in contact.decided if each.status == Status.OPTED_OUT]  # type: ignore[attr-defined]
        if not out:
            return ""
        return badge(f"✕ Opted out: {out[0]}" if len(out) == 1 else f"✕ Opted out on {len(out)} lines", "danger")
