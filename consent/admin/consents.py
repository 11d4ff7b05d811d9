from django.contrib import admin
from django.utils.safestring import SafeString

from consent.admin.numbers import ContactScreen
from consent.admin.screens import ReadOnlyScreen, plain
from consent.admin.standing import status_badge
from consent.models import Consent, OptInRequest

ON_LINE, ASKED_BY = plain("line"), plain("asked_by")


class Standing:
    """Columns that show a consent."""

    @admin.display(description="status", ordering="status")
    def shown_status(self, consent: Consent) -> SafeString:
        return status_badge(consent.status, told=consent.told_at is not None)

    @admin.display(description="at the provider")
    def at_provider(self, consent: Consent) -> str:
        return "Blocked until they text START" if consent.blocked_at_provider else ""


@admin.register(Consent)
class ConsentAdmin(Standing, ReadOnlyScreen, ContactScreen):
    """The state of every pair, on all lines. It changes only through the ledger's verbs."""

    contact = "contact"
    list_display = ["contact", "line", "shown_status", "request_state", "since", "source", "level"]
    list_filter = ["status", "request_state", "line", "source"]
    list_select_related = ["line"]
    ordering = ["-pk"]
    fields = [
        "contact",
        ON_LINE,
        "shown_status",
        "request_state",
        "since",
        "source",
        "level",
        "until",
        "suspended_at",
        "told_at",
        "review_since",
        "at_provider",
    ]
    readonly_fields = [ON_LINE, "shown_status", "at_provider"]


@admin.register(OptInRequest)
class OptInRequestAdmin(ReadOnlyScreen, ContactScreen):
    contact = "contact"
    list_display = ["created", "contact", "line", "kind", "shown_outcome", "asked_by", "sent_at", "expires_at"]
    list_filter = ["outcome", "kind", "line", "channel", "sent_at"]
    list_select_related = ["line", "asked_by"]
    ordering = ["-pk"]
    fields = [
        "contact",
        ON_LINE,
        "kind",
        "channel",
        ASKED_BY,
        "basis",
        "level",
        "shown_outcome",
        "created",
        "sent_at",
        "expires_at",
        "ended_at",
        "wording",
    ]
    readonly_fields = [ON_LINE, ASKED_BY, "shown_outcome"]

    @admin.display(description="outcome", ordering="outcome")
    def shown_outcome(self, request: OptInRequest) -> str:
        return request.get_outcome_display()
