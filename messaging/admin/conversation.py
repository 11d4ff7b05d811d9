"""Conversations: the thread as this user may see it, where the contact stands, and a box to write in."""

import datetime as dt
import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from consent.admin.numbers import ContactScreen, NumberField, full_number, signed_in
from consent.admin.standing import status_badge
from consent.admin.unfold import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget
from consent.gate import Purpose
from consent.models import Consent, Line, User
from messaging import api, outbound
from messaging.admin.message import TONES
from messaging.admin.own_lines import HELD_BACK_WORDS, OwnLineFilter, on_own_lines
from messaging.models import Conversation, IdempotencyKey, Message
from messaging.models.message import WAITING, MessageStatus

# More than this nobody reads on one page; the rest is in the list of texts.
LONGEST_THREAD = 200


class ComposeForm(forms.Form):
    """One text. The key makes a form that is sent twice, by a second click or a reload, one text all the same."""

    body = forms.CharField(
        label="Your text",
        max_length=outbound.LONGEST_TEXT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        error_messages={"required": "Write what is to be sent."},
    )
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4, required=False)

    def clean_key(self) -> uuid.UUID:
        return self.cleaned_data["key"] or uuid.uuid4()

    def clean_body(self) -> str:
        # Browsers send line breaks as two characters, which the contact would pay for.
        return self.cleaned_data["body"].replace("\r\n", "\n")


class StartForm(ComposeForm):
    """The first text to a number."""

    line = forms.ModelChoiceField(Line.objects.none(), widget=UnfoldAdminSelectWidget, label="From which line")
    to = NumberField(label="To which number")
    field_order = ["line", "to", "body", "key"]

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["line"].queryset = by.usable_lines()

    def clean_to(self) -> str:
        number: str = self.cleaned_data["to"]
        if Line.objects.filter(number=number).exists():
            raise forms.ValidationError("This is one of your own lines. Texts go to contacts.")
        return number


@admin.register(Conversation)
class ConversationAdmin(ContactScreen):
    contact = "contact"
    list_display = ["shown_contact", "shown_status", "line", "state", "last_activity"]
    list_filter = ["is_open", OwnLineFilter]
    list_select_related = ["line"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        consent = Consent.objects.filter(contact=OuterRef("contact"), line=OuterRef("line"))
        rows = on_own_lines(super().get_queryset(request), request, "line")
        return rows.annotate(consent_status=Subquery(consent.values("status")[:1]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return signed_in(request).has_perm("messaging.send_text") and self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the verbs below ask for what they need

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return signed_in(request).has_perm("messaging.view_conversation")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="contact", ordering="contact__first_name")
    def shown_contact(self, conversation: Conversation) -> str:
        return str(conversation.contact)

    @admin.display(description="status")
    def shown_status(self, conversation: Conversation) -> SafeString:
        return status_badge(conversation.consent_status)  # type: ignore[attr-defined]

    @admin.display(description="state", ordering="is_open")
    def state(self, conversation: Conversation) -> str:
        return "Open" if conversation.is_open else "Closed"

    # ---- pages ------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        verbs = [("send", self.send), ("withdraw", self.withdraw), ("close", self.close), ("reopen", self.reopen)]
        own = [
            path(
                f"<int:object_id>/{name}/",
                self.admin_site.admin_view(_post_only(view)),
                name=f"messaging_conversation_{name}",
            )
            for name, view in verbs
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return self._page(request, self.found(request, object_id), ComposeForm())

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Start a conversation by number."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        user = signed_in(request)
        form = StartForm(request.POST or None, by=user)
        if request.method == "POST" and form.is_valid():
            message = self._submit(request, form, form.cleaned_data["line"], form.cleaned_data["to"])
            if form.is_valid():
                return self._back_to(message.conversation_id) if message else _overview()
        return self.form_page(
            request,
            form,
            title="Text a number",
            submit="Send",
            intro="Who has not agreed yet is asked first, where the line works with consent: your text is then held "
            "until they say yes.",
        )

    def _page(self, request: HttpRequest, conversation: Conversation, form: ComposeForm) -> HttpResponse:
        user, line, contact = signed_in(request), conversation.line, conversation.contact
        items = api.thread(conversation, user)
        consent = Consent.objects.filter(contact=contact.pk, line=line).first() or Consent()
        may_send = user.has_perm("messaging.send_text") and user.may_use(line)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": conversation,
            "title": str(conversation),
            "conversation": conversation,
            "consent": consent,
            "status": status_badge(consent.status, told=consent.told_at is not None),
            "decision": api.check(line, full_number(contact)) if user.has_perm("messaging.check_consent") else None,
            "items": [_shown(item, user) for item in items[-LONGEST_THREAD:]],
            "left_out": max(len(items) - LONGEST_THREAD, 0),
            "form": form,
            "may_send": may_send,
            "may_close": user.has_perm("messaging.change_conversation"),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/messaging/conversation/thread.html", context)

    # ---- verbs ------------------------------------------------------------------------------------------------------

    def send(self, request: HttpRequest, object_id: int) -> HttpResponse:
        conversation = self._theirs(request, object_id, "messaging.send_text")
        form = ComposeForm(request.POST)
        if not form.is_valid():
            return self._page(request, conversation, form)
        self._submit(request, form, conversation.line, full_number(conversation.contact))
        return self._back_to(conversation.pk) if form.is_valid() else self._page(request, conversation, form)

    def withdraw(self, request: HttpRequest, object_id: int) -> HttpResponse:
        conversation = self._theirs(request, object_id, "messaging.send_text")
        sought = request.POST.get("text", "")
        text = conversation.messages.filter(uuid=sought).first() if outbound.is_uuid(sought) else None
        if text is None:
            raise Http404
        try:
            outbound.withdraw(text, signed_in(request))
        except outbound.TextError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "Your text is withdrawn. It will not be sent.")
        return self._back_to(conversation.pk)

    def close(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._set_open(request, object_id, is_open=False)

    def reopen(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._set_open(request, object_id, is_open=True)

    def _set_open(self, request: HttpRequest, object_id: int, *, is_open: bool) -> HttpResponse:
        conversation = self._theirs(request, object_id, "messaging.change_conversation")
        Conversation.objects.filter(pk=conversation.pk).update(is_open=is_open)
        messages.success(request, "The conversation is open again." if is_open else "The conversation is closed.")
        return self._back_to(conversation.pk)

    def _theirs(self, request: HttpRequest, object_id: int, permission: str) -> Conversation:
        """The conversation, for somebody with this permission who works on its line. Else 403 or 404."""
        user = signed_in(request)
        if not user.has_perm(permission):
            raise PermissionDenied
        conversation: Conversation = self.found(request, str(object_id))
        if not user.may_use(conversation.line):
            raise PermissionDenied
        return conversation

    def _submit(self, request: HttpRequest, form: ComposeForm, line: Line, to: str) -> Message | None:
        """Give a text to the gate, once per form; the user is told what became of it.

        None for a repeated form, and for a text that can't be taken: the form then says why and keeps the words.
        """
        user = signed_in(request)
        key = f"form:{form.cleaned_data['key']}"
        with transaction.atomic():
            # First of all, so that the same form a second time waits here for the first one.
            _, is_new = IdempotencyKey.objects.get_or_create(user=user, key=key, defaults={"body_hash": ""})
            if not is_new:
                messages.info(request, "This text was taken already. It is not sent twice.")
                return None
            try:
                message = outbound.submit(line=line, to=to, body=form.cleaned_data["body"], author=user)
            except outbound.TextError as error:
                transaction.set_rollback(True)
                form.add_error("body", str(error))
                return None
        _say_what_became_of(request, message)
        return message

    def _back_to(self, conversation_pk: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:messaging_conversation_change", args=[conversation_pk]))


def _overview() -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:messaging_conversation_changelist"))


def _post_only(view: Any) -> Any:
    def guarded(request: HttpRequest, object_id: int) -> HttpResponse:
        return view(request, object_id) if request.method == "POST" else HttpResponseNotAllowed(["POST"])

    return guarded


def _say_what_became_of(request: HttpRequest, message: Message) -> None:
    """The gate's own sentence."""
    if message.status == MessageStatus.REFUSED:
        messages.error(request, f"Not sent. {message.reason_text}")
    elif message.status == MessageStatus.QUEUED:
        messages.success(request, "Your text is on its way.")
    else:
        messages.warning(request, f"{message.get_status_display()}. {message.reason_text}")


def _shown(item: dict[str, Any], user: User) -> dict[str, Any]:
    """An item of the thread, with what the page needs to draw it."""
    created = dt.datetime.fromisoformat(item["created"])
    if item["type"] == "notice":
        return {**item, "created": created}
    status = MessageStatus(item["status"])
    purpose = Purpose(item["purpose"] or Purpose.ORDINARY)
    automatic = purpose is not Purpose.ORDINARY
    return {
        **item,
        "created": created,
        "words": HELD_BACK_WORDS if item["body"] is None else item["body"],
        "marks": [mark for mark in item["marks"] if mark != "held back"],  # its status says so already
        "automatic": automatic,
        "by": f"{purpose.label}, automatic" if automatic else item["author"] or "API",
        "label": status.label,
        "tone": TONES.get(status, ""),
        "withdrawable": status in WAITING and not automatic and item["author"] == user.get_username(),
    }
