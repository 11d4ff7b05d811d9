"""Reading what was held back from agents (flow 8): for officers, with a reason, and every reading is kept."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.cache import add_never_cache_headers

from consent.admin.numbers import signed_in
from consent.admin.screens import ReadOnlyScreen, plain
from consent.admin.unfold import UnfoldAdminTextInputWidget
from messaging.models import HeldBackRead, Message
from messaging.models.message import MessageStatus

READER = plain("reader")


class ReadForm(forms.Form):
    reason = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        max_length=200,
        label="Why you read it",
        help_text="Agents never see these words. That you read them is kept, with your reason.",
    )


@admin.register(HeldBackRead)
class HeldBackReadAdmin(ReadOnlyScreen):
    """Who read which held-back text, when and why."""

    list_display = ["at", READER, "reason", "conversation"]
    list_select_related = ["reader", "message__conversation__contact", "message__conversation__line"]
    list_filter = ["at"]
    fields = ["at", READER, "reason", "conversation"]

    @admin.display(description="conversation")
    def conversation(self, row: HeldBackRead) -> str:
        return str(row.message.conversation)

    def get_urls(self) -> list[URLPattern]:
        read = path("text/<int:message_id>/", self.admin_site.admin_view(self.read), name="messaging_heldbackread_read")
        return [read, *super().get_urls()]

    def read(self, request: HttpRequest, message_id: int) -> HttpResponse:
        """Asks for a reason; the answer to it is the words, shown once and kept by no browser."""
        user = signed_in(request)
        if not user.has_perm("messaging.read_held_back"):
            raise PermissionDenied
        text = get_object_or_404(
            Message.objects.select_related("conversation__contact", "conversation__line"),
            pk=message_id,
            status=MessageStatus.HELD_BACK,
        )
        form = ReadForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            HeldBackRead.objects.create(message=text, reader=user, reason=form.cleaned_data["reason"])
            response: Any = TemplateResponse(
                request, "admin/messaging/heldbackread/words.html", self._context(request, text)
            )
        else:
            response = self.form_page(
                request,
                form,
                title=f"Read a held-back text: {text.conversation}",
                submit="Read it",
                intro="The contact wrote this before they agreed, so it was not delivered.",
            )
        add_never_cache_headers(response)
        return response

    def _context(self, request: HttpRequest, text: Message) -> dict[str, Any]:
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Held-back text: {text.conversation}",
            "text": text,
        }
