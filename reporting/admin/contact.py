"""The contact's page with the evidence pack and the erasure, which take from all three apps."""

from django.contrib import admin

from consent.models import Contact
from messaging.admin.contact import ContactAdmin as MessagingContactAdmin
from reporting.admin.erasure import Erasure
from reporting.admin.evidence import EvidencePack

admin.site.unregister(Contact)


@admin.register(Contact)
class ContactAdmin(EvidencePack, Erasure, MessagingContactAdmin):
    actions_detail = [*MessagingContactAdmin.actions_detail, "evidence", "erase"]
