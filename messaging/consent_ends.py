"""The sweep that records consent which ended by itself, so that people see it.

Nothing depends on it: from the very moment on the gate asks again. The status stays what it is, and nothing is sent.
"""

import datetime as dt
import logging

from django.db import transaction

from consent import clock, ledger
from consent.ledger import Proof
from consent.models import Consent, Contact
from messaging import automatic
from messaging.models import Conversation, Receipt
from messaging.wordings import Kind

log = logging.getLogger(__name__)

# Recorded in one sweep. An import may bring a million that end on one day.
A_RUN = 500


def record_ends() -> None:
    """One entry for each consent that ended, and a notice where there is a conversation. One that fails keeps no other.

    Numbers with unsettled receipts are skipped until they are settled: an opt-in may be among them.
    """
    ended = Consent.objects.that_ended(clock.database_now()).order_by("until").select_related("contact")
    unsettled = Receipt.objects.unsettled().exclude(number="").values("number")
    for consent in list(ended.exclude(contact__number__in=unsettled)[:A_RUN]):
        try:
            with transaction.atomic(durable=True):
                _record(consent)
        except Exception:  # the next sweep tries it again; until then the log says which one it is
            log.exception("the end of consent %s can't be recorded", consent.pk)


def _record(consent: Consent) -> None:
    contact = Contact.objects.lock_pk(consent.contact_id)
    if Receipt.objects.unsettled().filter(number=contact.number).exists():
        return
    line = consent.line
    if not ledger.consent_ended(contact, line, Proof("", {})):
        return
    until = consent.until.astimezone(dt.UTC) if consent.until else None
    conversation = Conversation.objects.filter(contact=contact, line=line).first()
    if conversation and until:
        automatic.notify(conversation, Kind.NOTICE_CONSENT_ENDED, detail=f"It was valid until {until:%d %B %Y}.")
