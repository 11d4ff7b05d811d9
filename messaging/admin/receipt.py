from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from consent.admin.numbers import signed_in
from consent.admin.screens import ReadOnlyScreen
from consent.admin.unfold import action, badge, preformatted
from messaging import bell, provider
from messaging.admin.own_lines import HELD_BACK_WORDS
from messaging.models import Receipt
from messaging.models.message import MessageStatus

# What is shown of a webhook whose text is held back. Anything else might carry its words.
_HARMLESS = ("MessageSid", "SmsSid", "AccountSid", "MessagingServiceSid", "From", "To", "NumMedia", "OptOutType")


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("unsettled", "Unsettled"),
            ("needs_person", "Needs a person"),
            ("unroutable", "Unroutable"),
            ("settled", "Settled"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Receipt]) -> QuerySet[Receipt]:
        match self.value():
            case "unsettled":
                return queryset.filter(settled_at=None)
            case "needs_person":
                return queryset.filter(settled_at=None, needs_person=True)
            case "unroutable" | "settled" as outcome:
                return queryset.filter(outcome=outcome)
        return queryset


@admin.register(Receipt)
class ReceiptAdmin(ReadOnlyScreen):
    """Webhooks as they came in. What could not be settled keeps its number fenced until somebody acts."""

    list_display = ["received_at", "kind", "number", "state", "tries", "shown_error"]
    list_filter = [StateFilter, "kind", "received_at"]
    search_fields = ["number", "provider_id__startswith"]
    search_help_text = "Number, or how the provider's id begins"
    fields = [
        "kind",
        "number",
        "provider_id",
        "discriminator",
        "state",
        "received_at",
        "occurred_at",
        "settled_at",
        "tries",
        "try_after",
        "error",
        "as_it_came",
    ]
    readonly_fields = ["state", "as_it_came"]
    actions_detail = ["try_again"]

    def has_try_again_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return signed_in(request).has_perm("messaging.change_receipt")

    @admin.display(description="state")
    def state(self, receipt: Receipt) -> SafeString:
        if receipt.outcome == Receipt.Outcome.UNROUTABLE:
            return badge("Unroutable", "warning")
        if receipt.settled_at:
            return badge("Settled", "success")
        return badge("Needs a person", "danger") if receipt.needs_person else badge("Unsettled", "warning")

    @admin.display(description="error")
    def shown_error(self, receipt: Receipt) -> str:
        return Truncator(receipt.error).chars(80)

    @admin.display(description="as it came")
    def as_it_came(self, receipt: Receipt) -> SafeString:
        if receipt.kind == Receipt.Kind.WEB_FORM:
            return preformatted(bytes(receipt.raw).decode())
        fields = provider.form(bytes(receipt.raw))
        shown = [f"{name}: {value}" for name, values in fields.lists() for value in values]
        if receipt.messages.filter(status=MessageStatus.HELD_BACK).exists():
            shown = [f"{name}: {value}" for name in _HARMLESS for value in fields.getlist(name)]
            shown.append(f"Body: {HELD_BACK_WORDS}")
        return preformatted("\n".join(shown))

    @action(description="Try again", url_path="try-again", icon="refresh", permissions=["try_again"])
    def try_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A question on GET; on POST the receipt is due at once, as if it had never been tried."""
        receipt: Receipt = self.found(request, object_id)
        if request.method == "POST":
            with transaction.atomic():
                waiting = Receipt.objects.unsettled().filter(pk=receipt.pk)
                due = waiting.update(tries=0, needs_person=False, try_after=None)
                bell.ring_settle()
            if due:
                self.log_change(request, receipt, "Tried again.")
                messages.success(request, "It is being tried again. Reload this page in a moment.")
            else:
                messages.info(request, "It is settled already. There is nothing to try again.")
            return HttpResponseRedirect(reverse("admin:messaging_receipt_change", args=[receipt.pk]))
        return self.form_page(
            request,
            forms.Form(),
            row=receipt,
            title=f"Try again to settle {receipt}",
            submit="Try again",
            intro="Do this once the cause of its error is gone. Until it is settled, no text goes to this number.",
        )
