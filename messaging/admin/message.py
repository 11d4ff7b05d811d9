from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from consent.admin.numbers import ContactScreen, signed_in
from consent.admin.screens import ReadOnlyScreen, SuperusersOnly, plain
from consent.admin.unfold import UnfoldAdminSelectWidget, action, badge
from consent.gate import Reason
from messaging import outbound
from messaging.admin.own_lines import OwnConversationLineFilter, shown_notices, shown_texts, words
from messaging.models import IdempotencyKey, Message, Notice
from messaging.models.message import MessageStatus as S

TONES = {
    S.QUEUED: "info",
    S.SENDING: "info",
    S.HELD: "warning",
    S.DEFERRED: "warning",
    S.UNKNOWN: "warning",
    S.HELD_BACK: "warning",
    S.SENT: "success",
    S.DELIVERED: "success",
    S.REFUSED: "danger",
    S.FAILED: "danger",
    S.UNDELIVERED: "danger",
}

# Why a text did not leave: the gate's reasons, and what happened to it later.
_LATER = [
    "withdrawn",
    "author_confirms",
    "request_expired",
    "request_failed",
    "disclaimer_failed",
    "opted_in",
    "too_late",
    "provider",
]
REASONS = [reason.value for reason in Reason if reason is not Reason.ALLOWED] + _LATER + ["unknown"]


# The list of refused texts: what somebody tried, and what kept it.
REFUSED = ["created", "shown_contact", "shown_line", "who", "shown_words", "gate_rule", "why"]


def _in_words(reason: str) -> str:
    return reason.replace("_", " ").capitalize()


class ReasonFilter(admin.SimpleListFilter):
    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(reason, _in_words(reason)) for reason in REASONS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        return queryset.filter(reason=self.value()) if self.value() in REASONS else queryset


class InConversation:
    """Columns of rows that belong to a conversation."""

    @admin.display(description="contact")
    def shown_contact(self, row: Any) -> str:
        return str(row.conversation.contact)

    @admin.display(description="line")
    def shown_line(self, row: Any) -> str:
        return row.conversation.line.name

    @admin.display(description="conversation")
    def shown_conversation(self, row: Any) -> SafeString:
        return format_html(
            '<a class="text-link" href="{}">{}</a>',
            reverse("admin:messaging_conversation_change", args=[row.conversation_id]),
            row.conversation,
        )


class FateForm(forms.Form):
    """What a person found out about a text of unknown fate."""

    fate = forms.ChoiceField(
        label="It",
        choices=[("left", "was sent"), ("never_left", "was never sent")],
        widget=UnfoldAdminSelectWidget,
    )


AUTHOR, TO, WORDING, USER = plain("author"), plain("to"), plain("wording"), plain("user")


@admin.register(Message)
class MessageAdmin(InConversation, ReadOnlyScreen, ContactScreen):
    """Every text, either way, as it was written. Words are no search terms: held-back ones would be found by them."""

    contact = "conversation__contact"
    list_display = ["created", "shown_contact", "shown_line", "direction", "shown_status", "shown_words", "why"]
    list_select_related = ["conversation__line", "author", "wording__template"]
    list_filter = ["status", ReasonFilter, "direction", OwnConversationLineFilter, "created"]
    ordering = ["-pk"]
    fields = [
        "shown_conversation",
        "direction",
        "shown_purpose",
        "shown_status",
        "why",
        "all_words",
        "sent_body",
        AUTHOR,
        WORDING,
        "shown_marks",
        "rule",
        "media_count",
        "created",
        "not_before",
        "send_before",
        "claimed_at",
        "sent_at",
        "tries",
        "look_ups",
        "provider_id",
        "error_code",
    ]
    readonly_fields = [
        "shown_conversation",
        "shown_purpose",
        "shown_status",
        "why",
        "all_words",
        AUTHOR,
        WORDING,
        "shown_marks",
    ]

    actions_detail = ["settle_unknown"]

    def has_settle_unknown_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return signed_in(request).has_perm("messaging.settle_text")

    @action(description="Say what became of it", url_path="settle", icon="help", permissions=["settle_unknown"])
    def settle_unknown(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A question on GET; on POST the text of unknown fate counts as sent, or as never sent."""
        text: Message = self.found(request, object_id)
        form = FateForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                outbound.settle_unknown(text, left=form.cleaned_data["fate"] == "left")
            except outbound.TextError as error:
                messages.error(request, str(error))
            else:
                self.log_change(request, text, f"Said to have {form.cleaned_data['fate'].replace('_', ' ')}.")
                messages.success(request, "Noted. What waited for it goes on.")
            return HttpResponseRedirect(reverse("admin:messaging_message_change", args=[text.pk]))
        return self.form_page(
            request,
            form,
            row=text,
            title="What became of this text?",
            submit="Save",
            intro="The provider did not say whether it took this text, so it is never sent again. "
            "Look it up in the provider's log, then say here what you found.",
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return shown_texts(super().get_queryset(request), request)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return REFUSED if request.GET.get("status__exact") == S.REFUSED else self.list_display

    @admin.display(description="who tried", ordering="author")
    def who(self, text: Message) -> str:
        by = (text.author.get_full_name() or text.author.get_username()) if text.author else ""
        if not text.is_automatic:
            return by or "Somebody"
        return f"Optline: {text.get_purpose_display()}{f', for {by}' if by else ''}"

    @admin.display(description="rule", ordering="reason")
    def gate_rule(self, text: Message) -> str:
        return _in_words(text.reason)

    @admin.display(description="status", ordering="status")
    def shown_status(self, text: Message) -> SafeString:
        return badge(text.get_status_display(), TONES.get(S(text.status), ""))

    @admin.display(description="text")
    def shown_words(self, text: Message) -> str:
        return Truncator(words(text)).chars(60)

    @admin.display(description="text")
    def all_words(self, text: Message) -> str:
        return words(text)

    @admin.display(description="reason", ordering="reason")
    def why(self, text: Message) -> str:
        return text.reason_text or _in_words(text.reason)

    @admin.display(description="purpose")
    def shown_purpose(self, text: Message) -> str:
        return text.get_purpose_display() or "From the contact"

    @admin.display(description="marks")
    def shown_marks(self, text: Message) -> str:
        return ", ".join(map(str, text.marks)) or "-"


@admin.register(Notice)
class NoticeAdmin(InConversation, ReadOnlyScreen, ContactScreen):
    contact = "conversation__contact"
    list_display = ["created", "shown_contact", "shown_line", "kind", "text", "to"]
    list_select_related = ["conversation__line", "to", "wording__template"]
    list_filter = ["kind", OwnConversationLineFilter, "created"]
    ordering = ["-pk"]
    fields = ["shown_conversation", "kind", "text", TO, WORDING, "created"]
    readonly_fields = ["shown_conversation", TO, WORDING]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        return shown_notices(super().get_queryset(request), request)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(SuperusersOnly, ReadOnlyScreen):
    list_display = ["created", "user", "key"]
    list_filter = ["created"]
    list_select_related = ["user"]
    ordering = ["-pk"]
    fields = [USER, "key", "body_hash", "answer", "created"]
    readonly_fields = [USER]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
