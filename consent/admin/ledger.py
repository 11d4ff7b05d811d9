"""The ledger and its evidence, in words. Read-only for everybody: the database itself refuses changes."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from consent.admin.numbers import ContactScreen
from consent.admin.screens import ReadOnlyScreen
from consent.admin.standing import status_badge
from consent.admin.unfold import UnfoldAdminTextInputWidget, preformatted
from consent.models import Evidence, LedgerEntry
from consent.vocabulary import EntryKind, Scope

HAPPENED = {
    EntryKind.ASKED: "The contact was asked for consent.",
    EntryKind.CAPTURED: "Consent given elsewhere was recorded. It counts once the contact answers YES.",
    EntryKind.REQUEST_EXPIRED: "The contact did not answer the opt-in request in time.",
    EntryKind.REQUEST_FAILED: "The opt-in request could not be delivered.",
    EntryKind.TOLD: "The contact was told who writes and how to stop.",
    EntryKind.NOT_TOLD: "The disclaimer was not delivered after all, so the contact was not told how to stop.",
    EntryKind.OPTED_IN: "The contact opted in.",
    EntryKind.OPT_IN_TOO_LATE: "The contact opted in, but not after their last opt-out. The opt-out counts.",
    EntryKind.OPTED_OUT: "The contact opted out.",
    EntryKind.OPT_OUT_REPEATED: "The contact opted out again. They were out already.",
    EntryKind.OPT_OUT_OUTDATED: "The contact opted out, but before their own later opt-in. They stay in.",
    EntryKind.REVIEW_OPENED: "The contact may have asked us to stop. Nothing is sent until a person has decided.",
    EntryKind.REVIEW_CLOSED: "A person decided that the contact had not asked us to stop.",
    EntryKind.CONSENT_ENDED: "The consent was given for a time that is over. The contact is asked again before a text.",
    EntryKind.SUSPENDED: "The number may be somebody else's by now, so this consent holds no more.",
    EntryKind.RESUMED: "An officer knows that the number is still theirs, so the consent holds again.",
    EntryKind.UNREACHABLE: "The number can't be reached any more, or is somebody else's. Nothing is sent to it.",
    EntryKind.REACHABLE: "The number can be reached after all.",
    EntryKind.DO_NOT_CONTACT: "The number was put on the do-not-contact list. Nothing at all goes to it.",
    EntryKind.DO_NOT_CONTACT_LIFTED: "The number was taken off the do-not-contact list. Its opt-outs stay.",
    EntryKind.EVIDENCE_ERASED: "Evidence was erased lawfully. This entry is what remains of it.",
    EntryKind.ERASED: "The contact was erased on lawful request. The number is known by a keyed hash alone.",
}
_REACH = {
    Scope.LINE: "This line only.",
    Scope.ALL: "Every line, also those that are added later.",
}
# Shown as somebody's words; everything else in evidence are facts about them.
_QUOTED = {
    "text": "The text",
    "words": "What they said",
    "proof": "What proves it",
    "prompt": "What they heard",
    "page": "What they saw",
}
_FACTS = {
    "number": "Number of the contact",
    "old_number": "Their old number",
    "line": "Number of the line",
    "provider_id": "Id at the provider",
    "message": "Id of the text",
    "decided_because": "Decided because",
    "route": "How they told us",
    "typed": "The number as they typed it",
    "address": "IP address",
    "user_agent": "Browser",
    "url": "Page",
    "framed_in": "Came from",
    "call": "Id of the call",
    "called": "Number that was called",
    "digits": "Key that they pressed",
}


class EffectFilter(admin.SimpleListFilter):
    """Whether an entry changed the status: a START of somebody who is in already does not."""

    title = "effect"
    parameter_name = "effect"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("changed", "Changed the status"), ("unchanged", "Left it as it was")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LedgerEntry]) -> QuerySet[LedgerEntry]:
        match self.value():
            case "changed":
                return queryset.exclude(status_from=F("status_to"))
            case "unchanged":
                return queryset.filter(status_from=F("status_to"))
        return queryset


class RuleFilter(admin.SimpleListFilter):
    """The rule that other pages link to; it offers no choice, since there are as many rules as words."""

    title = "rule"
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rule = request.GET.get(self.parameter_name)
        return [(rule, rule)] if rule else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[LedgerEntry]) -> QuerySet[LedgerEntry]:
        return queryset.filter(rule=self.value()) if self.value() else queryset


class DayFilter(admin.SimpleListFilter):
    """One day, in the organisation's time zone, on which entries were recorded."""

    title = "day"
    parameter_name = "day"
    template = "admin/consent/ledgerentry/day.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("any", "Any day")]  # or Django leaves a filter without choices out

    def choices(self, changelist: Any) -> Any:
        kept = {name: value for name, value in changelist.get_filters_params().items() if name != self.parameter_name}
        yield {
            "day": self.value() if self._day() else "",
            "kept": [
                (name, each) for name, given in kept.items() for each in (given if isinstance(given, list) else [given])
            ],
            "classes": " ".join(UnfoldAdminTextInputWidget().attrs["class"].split()),
            "clear": changelist.get_query_string(remove=[self.parameter_name]),
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[LedgerEntry]) -> QuerySet[LedgerEntry]:
        day = self._day()
        if day is None:
            return queryset
        begin = timezone.make_aware(dt.datetime.combine(day, dt.time()))
        end = timezone.make_aware(dt.datetime.combine(day + dt.timedelta(days=1), dt.time()))
        return queryset.filter(recorded_at__gte=begin, recorded_at__lt=end)

    def _day(self) -> dt.date | None:
        try:
            day = dt.date.fromisoformat(self.value() or "")
        except ValueError:
            return None
        return day if 1970 <= day.year < 9999 else None


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyScreen, ContactScreen):
    """Every change of consent, as it was written."""

    contact = "contact"
    list_display = ["recorded_at", "contact", "shown_line", "kind", "change", "channel", "by"]
    list_filter = [DayFilter, "line", "channel", "kind", EffectFilter, RuleFilter, "recorded_at"]
    list_select_related = ["line", "actor"]
    fieldsets = [
        (
            "What happened",
            {"fields": ["happened", "contact", "line", "change", "level", "reach", "occurred_at", "recorded_at"]},
        ),
        ("How we know", {"fields": ["channel", "why", "words", "by", "evidence"]}),
        (
            "For checking the chain",
            {
                "fields": ["seq", "rule", "wording", "evidence_digest", "previous_hash", "hash"],
                "classes": ["collapse"],
                "description": "Each entry's hash covers the entry and the hash before it, so a change would show. "
                "“manage.py verify_ledger” recomputes every chain.",
            },
        ),
    ]
    readonly_fields = ["happened", "change", "reach", "why", "words", "by", "evidence"]

    def get_fieldsets(self, request: HttpRequest, obj: LedgerEntry | None = None) -> list[Any]:
        unsaid = {name for name, said in (("level", obj and obj.level), ("reach", obj and obj.scope)) if not said}
        return _without(super().get_fieldsets(request, obj), unsaid)

    def explained(self, rule: str) -> str:
        """What a rule's id means, as a sentence."""
        return f"The rule “{rule}”."

    def wording_shown(self, entry: LedgerEntry) -> SafeString | str:
        """The words that the contact had been told or asked with."""
        return f"Version {entry.wording}"

    @admin.display(description="in short")
    def happened(self, entry: LedgerEntry) -> str:
        return HAPPENED[EntryKind(entry.kind)]

    @admin.display(description="line", ordering="line", empty_value="None: it concerns the number")
    def shown_line(self, entry: LedgerEntry) -> str | None:
        return entry.line.name if entry.line else None

    @admin.display(description="status")
    def change(self, entry: LedgerEntry) -> SafeString | str:
        if not entry.status_to:
            return "Not about one line's status"
        if entry.status_from == entry.status_to:
            return format_html("stays {}", status_badge(entry.status_to))
        return format_html("{} → {}", status_badge(entry.status_from), status_badge(entry.status_to))

    @admin.display(description="reaches")
    def reach(self, entry: LedgerEntry) -> str | None:
        if entry.scope == Scope.CATEGORY:
            category = entry.get_scope_category_display().lower()
            return f"Every line of the category {category}, also those that are added later."
        return _REACH[Scope(entry.scope)] if entry.scope else None

    @admin.display(description="why it counts as that")
    def why(self, entry: LedgerEntry) -> str:
        return self.explained(entry.rule) if entry.rule else "No words had to be read."

    @admin.display(description="wording")
    def words(self, entry: LedgerEntry) -> SafeString | str:
        return self.wording_shown(entry) if entry.wording else "None was involved."

    @admin.display(description="recorded by", ordering="actor")
    def by(self, entry: LedgerEntry) -> str:
        return (entry.actor.get_full_name() or entry.actor.get_username()) if entry.actor else "Optline, by itself"

    @admin.display(description="evidence")
    def evidence(self, entry: LedgerEntry) -> SafeString | str:
        if not entry.evidence_digest:
            return "None was needed."
        kept = Evidence.objects.filter(digest=entry.evidence_digest).first()
        if kept is None:
            return "Erased lawfully; an entry says when and by whom."
        address = reverse("admin:consent_evidence_change", args=[kept.pk])
        return format_html('<a class="text-link" href="{}">See what proves it</a>', address)


@admin.register(Evidence)
class EvidenceAdmin(ReadOnlyScreen):
    """What proves an entry. For officers alone: it holds words, numbers and addresses."""

    list_display = ["created", "digest"]
    list_filter = ["created"]
    ordering = ["-pk"]
    search_fields = ["digest__startswith"]
    search_help_text = "The digest, or how it begins."
    fieldsets = [
        (None, {"fields": ["entries", "quotes", "file", "facts", "created"]}),
        (
            "For checking the digest",
            {
                "fields": ["digest", "shown_salt", "shown_data"],
                "classes": ["collapse"],
                "description": "The digest is SHA-256 over the salt and this data; ledger entries name it.",
            },
        ),
    ]
    readonly_fields = ["entries", "quotes", "file", "facts", "shown_salt", "shown_data"]

    def get_fieldsets(self, request: HttpRequest, obj: Evidence | None = None) -> list[Any]:
        data = obj.data if obj else {}
        unsaid = {"quotes"} if not any(data.get(key) for key in _QUOTED) else set()
        return _without(super().get_fieldsets(request, obj), unsaid | ({"file"} - data.keys()))

    def seen(self, evidence: Evidence) -> Mapping[str, Any]:
        """The data as everybody who opens this page may read it."""
        data: Mapping[str, Any] = evidence.data
        return data

    def file_address(self, file: Mapping[str, Any]) -> str:
        """Where a kept file can be fetched; '' where nowhere."""
        return ""

    @admin.display(description="words")
    def quotes(self, evidence: Evidence) -> SafeString | str:
        data = self.seen(evidence)
        said = [(label, data[key]) for key, label in _QUOTED.items() if data.get(key)]
        quote = (
            '<p>{}:</p><blockquote dir="auto" class="border-l-2 border-base-300 mb-2 mt-1 pl-3 text-important '
            'whitespace-pre-wrap break-words dark:border-base-700">{}</blockquote>'
        )
        return format_html_join("", quote, said) or "No words."

    @admin.display(description="file")
    def file(self, evidence: Evidence) -> SafeString | str:
        file = evidence.data.get("file")
        if not isinstance(file, dict):
            return "What is named here is no file of ours."
        name = file.get("name", "A file")
        if address := self.file_address(file):
            name = format_html('<a class="text-link" href="{}">{}</a>', address, name)
        return format_html("{}, SHA-256 {}", name, file.get("sha256", "not kept"))

    @admin.display(description="facts")
    def facts(self, evidence: Evidence) -> SafeString | str:
        told = {key: value for key, value in evidence.data.items() if key not in _QUOTED and key != "file" and value}
        rows = ((_FACTS.get(key, key.replace("_", " ").capitalize()), _flat(value)) for key, value in told.items())
        return (
            format_html_join("", '<p class="break-words">{}: <span class="text-important">{}</span></p>', rows)
            or "None."
        )

    @admin.display(description="data")
    def shown_data(self, evidence: Evidence) -> SafeString:
        return preformatted(json.dumps(self.seen(evidence), indent=2, ensure_ascii=False))

    @admin.display(description="salt")
    def shown_salt(self, evidence: Evidence) -> str:
        return bytes(evidence.salt).hex()

    @admin.display(description="proves")
    def entries(self, evidence: Evidence) -> SafeString | str:
        found = LedgerEntry.objects.filter(evidence_digest=evidence.digest).select_related("contact", "line")
        rows = (
            (
                reverse("admin:consent_ledgerentry_change", args=[entry.pk]),
                entry,
                f", on {entry.line.name}" if entry.line else "",
            )
            for entry in found.order_by("pk")
        )
        return format_html_join("", '<p><a class="text-link" href="{}">{}{}</a></p>', rows) or "No entry names it."


def _without(fieldsets: Any, names: set[str]) -> list[Any]:
    """``fieldsets`` without rows that would say nothing."""
    return [
        (title, {**options, "fields": [name for name in options["fields"] if name not in names]})
        for title, options in fieldsets
    ]


def _flat(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
