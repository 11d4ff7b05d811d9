"""The ledger and its evidence, with what messaging knows of them: rules, wordings, kept files, held-back words."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from consent.admin.ledger import EvidenceAdmin as ConsentEvidenceAdmin
from consent.admin.ledger import LedgerEntryAdmin as ConsentLedgerEntryAdmin
from consent.models import Evidence, KeptFile, LedgerEntry
from messaging import explanations
from messaging.admin.own_lines import HELD_BACK_WORDS
from messaging.models import Message, TemplateVersion
from messaging.models.message import MessageStatus
from messaging.outbound import is_uuid

admin.site.unregister([LedgerEntry, Evidence])


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ConsentLedgerEntryAdmin):
    def explained(self, rule: str) -> str:
        return explanations.why(rule)

    def wording_shown(self, entry: LedgerEntry) -> SafeString | str:
        version = TemplateVersion.objects.filter(uuid=entry.wording).select_related("template").first()
        if version is None:
            return super().wording_shown(entry)
        return format_html(
            '<a class="text-link" href="{}">{}</a><blockquote dir="auto" class="border-l-2 border-base-300 mt-1 pl-3 '
            'text-important whitespace-pre-wrap break-words dark:border-base-700">{}</blockquote>',
            reverse("admin:messaging_templateversion_change", args=[version.pk]),
            version,
            version.body,
        )


@admin.register(Evidence)
class EvidenceAdmin(ConsentEvidenceAdmin):
    """Words that are held back from agents are not shown here either: reading them is logged elsewhere."""

    readonly_fields = [*ConsentEvidenceAdmin.readonly_fields, "read"]

    def get_fieldsets(self, request: HttpRequest, obj: Evidence | None = None) -> list[Any]:
        (title, options), *more = super().get_fieldsets(request, obj)
        if obj and _held_back(obj.data):
            options = {**options, "fields": [*options["fields"], "read"]}
        return [(title, options), *more]

    def seen(self, evidence: Evidence) -> Mapping[str, Any]:
        data = super().seen(evidence)
        return {**data, "text": HELD_BACK_WORDS} if _held_back(data) else data

    def file_address(self, file: Mapping[str, Any]) -> str:
        kept = KeptFile.objects.filter(uuid=file["uuid"]).first() if is_uuid(str(file.get("uuid"))) else None
        return reverse("admin:consent_contact_consent_file", args=[kept.contact_id, kept.uuid]) if kept else ""

    @admin.display(description="held back")
    def read(self, evidence: Evidence) -> SafeString | str:
        text = _held_back(evidence.data)
        if text is None:
            return "No longer: its words are shown above."
        address = reverse("admin:messaging_heldbackread_read", args=[text.pk])
        return format_html('<a class="text-link" href="{}">Read the words, with a reason that is kept</a>', address)


def _held_back(data: Mapping[str, Any]) -> Message | None:
    """The text whose words this evidence holds, where they are held back from agents."""
    if not data.get("text") or not data.get("provider_id"):
        return None
    return Message.objects.filter(status=MessageStatus.HELD_BACK, provider_id=data["provider_id"]).first()
