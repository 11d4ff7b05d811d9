import json

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from consent.admin.numbers import ContactScreen
from consent.admin.screens import ReadOnlyScreen
from consent.admin.unfold import preformatted
from consent.models import Evidence, LedgerEntry


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyScreen, ContactScreen):
    """Every change of consent, as it was written. The database itself refuses to change it."""

    contact = "contact"
    list_display = ["recorded_at", "contact", "seq", "line", "kind", "status_from", "status_to", "channel", "actor"]
    list_filter = ["kind", "line", "channel", "recorded_at"]
    list_select_related = ["line", "actor"]
    fields = [
        "contact",
        "seq",
        "line",
        "kind",
        "status_from",
        "status_to",
        "level",
        "channel",
        "scope",
        "scope_category",
        "rule",
        "wording",
        "actor",
        "occurred_at",
        "recorded_at",
        "evidence",
        "previous_hash",
        "hash",
    ]
    readonly_fields = ["evidence"]

    @admin.display(description="evidence")
    def evidence(self, entry: LedgerEntry) -> SafeString | str:
        if not entry.evidence_digest:
            return "None was needed."
        kept = Evidence.objects.filter(digest=entry.evidence_digest).first()
        if kept is None:
            return "Erased lawfully; an entry says when and by whom."
        return format_html(
            '<a class="text-link" href="{}">{}</a>', reverse("admin:consent_evidence_change", args=[kept.pk]), kept
        )


@admin.register(Evidence)
class EvidenceAdmin(ReadOnlyScreen):
    """What proves an entry. For officers alone: it holds words, numbers and addresses."""

    list_display = ["created", "digest"]
    list_filter = ["created"]
    ordering = ["-pk"]
    search_fields = ["digest__startswith"]
    search_help_text = "The digest, or how it begins."
    fields = ["created", "entries", "shown_data", "digest", "shown_salt"]
    readonly_fields = ["entries", "shown_data", "shown_salt"]

    @admin.display(description="data")
    def shown_data(self, evidence: Evidence) -> SafeString:
        return preformatted(json.dumps(evidence.data, indent=2, ensure_ascii=False))

    @admin.display(description="salt")
    def shown_salt(self, evidence: Evidence) -> str:
        return bytes(evidence.salt).hex()

    @admin.display(description="proves")
    def entries(self, evidence: Evidence) -> SafeString | str:
        found = LedgerEntry.objects.filter(evidence_digest=evidence.digest).select_related("contact").order_by("pk")
        rows = ((reverse("admin:consent_ledgerentry_change", args=[entry.pk]), entry) for entry in found)
        return format_html_join("", '<div><a class="text-link" href="{}">{}</a></div>', rows) or "No entry names it."
