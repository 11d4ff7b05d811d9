"""The contact's page with what messaging knows of them, and the way to the consent modal."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from consent.admin.contact import ContactAdmin as ConsentContactAdmin
from consent.admin.screens import ReadOnlyRows, plain
from consent.models import Contact
from messaging.admin.consent_modal import ConsentModal
from messaging.admin.new_number import NewNumber
from messaging.admin.own_lines import on_own_lines
from messaging.admin.settle_number import SettleNumber
from messaging.admin.timeline import Timeline
from messaging.models import Conversation

ON_LINE = plain("line")


class ConversationRows(ReadOnlyRows):
    model = Conversation
    fields = ["opened", ON_LINE, "state", "last_activity"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return on_own_lines(super().get_queryset(request), request, "line").select_related("line")

    @admin.display(description="conversation")
    def opened(self, conversation: Conversation) -> SafeString:
        address = reverse("admin:messaging_conversation_change", args=[conversation.pk])
        return format_html('<a class="text-link" href="{}">See it</a>', address)

    @admin.display(description="state")
    def state(self, conversation: Conversation) -> str:
        return "Open" if conversation.is_open else "Closed"


admin.site.unregister(Contact)


@admin.register(Contact)
class ContactAdmin(ConsentModal, Timeline, NewNumber, SettleNumber, ConsentContactAdmin):
    list_display = [*ConsentContactAdmin.list_display, "seen"]
    inlines = [*ConsentContactAdmin.inlines, ConversationRows]
    actions_detail = ["consent", "new_number", "settle_number"]

    @admin.display(description="consent")
    def seen(self, contact: Contact) -> SafeString:
        address = reverse("admin:consent_contact_consent", args=[contact.pk])
        return format_html(
            '<a href="{}" class="consent-view" data-consent-modal aria-haspopup="dialog">View'
            '<span class="consent-unseen"> the consent of {}</span></a>',
            address,
            contact,
        )
