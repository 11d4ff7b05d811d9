"""The do-not-contact list, with what it does to texts: consent/ does not know them."""

from django.contrib import admin

from consent.admin.do_not_contact import DoNotContactAdmin as ConsentDoNotContactAdmin
from consent.ledger import Proof
from consent.models import Contact, DoNotContact
from messaging import capture

admin.site.unregister(DoNotContact)


@admin.register(DoNotContact)
class DoNotContactAdmin(ConsentDoNotContactAdmin):
    def put_on_list(self, contact: Contact, proof: Proof, reason: str) -> int:
        return capture.put_on_do_not_contact(contact, proof, reason=reason)
