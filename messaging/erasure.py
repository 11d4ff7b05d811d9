"""Erasing a contact whole, and what becomes of texts from a number that was erased.

A text from such a number is forgotten when it is settled: neither its words nor its number stay, nobody is shown it,
and nothing is answered, whatever it says. A STOP has nothing left to stop. A START brings nobody back either, since the
do-not-contact list is above every keyword, for everybody on it; who wants to be texted again tells the company, and an
officer takes the number off the list, from where it begins anew as a contact of whom nothing is known but what they
opted out of.
"""

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from consent import erasure, ledger
from consent.erasure import ERASED, ErasureError, is_erased
from consent.models import Contact, DoNotContact, OptInRequest, User
from messaging.models import Conversation, IdempotencyKey, Message, Notice, Receipt, Review
from messaging.models.message import MessageStatus

S = MessageStatus

__all__ = ["ErasureError", "erase", "forget", "is_erased"]


def erase(contact_pk: int, *, by: User, reason: str) -> None:
    """Erase a contact on lawful request. All or nothing. Raises ErasureError where that can't be done yet.

    Words, names and numbers go; that there was a text, when and what became of it stays, and so do the provider's ids:
    by them it is known that a text has come in already, and the provider keeps what they name.
    """
    with transaction.atomic():
        contact = Contact.objects.lock_pk(contact_pk)
        if contact.erased_at:
            raise ErasureError("This contact was erased already.")
        if Receipt.objects.unsettled().filter(number=contact.number).exists():
            raise ErasureError("A webhook of this number is not settled yet. See Receipts, then erase the contact.")
        texts = Message.objects.filter(conversation__contact=contact)
        if texts.filter(status__in=[S.SENDING, S.UNKNOWN]).exists():
            raise ErasureError("A text to this contact is just leaving, or its fate is unknown. Settle that first.")
        _end_what_waits(contact)
        _forget_words(contact)
        _forget_in_the_log(contact)
        erasure.erase(contact, by=by, reason=reason)


def forget(receipt: Receipt, contact: Contact) -> None:
    """A webhook of a number that was erased: settled, with nothing in it that tells whose it was.

    ``contact`` is the row that was locked for it; one that was made for that alone goes again.
    """
    Receipt.objects.filter(pk=receipt.pk).update(raw=b"", number="", error="")
    rows = (contact.conversations, contact.consents, contact.sign_ups)
    if not contact.ledger_seq and not any(each.exists() for each in rows):
        Contact.objects.filter(pk=contact.pk).delete()


def _end_what_waits(contact: Contact) -> None:
    now = timezone.now()
    for request in OptInRequest.objects.open().filter(contact=contact):
        ledger.withdraw_request(request, at=now)
    Message.objects.waiting().filter(conversation__contact=contact).update(
        status=S.CANCELLED, reason="do_not_contact", reason_text="The contact was erased before this left."
    )


def _forget_words(contact: Contact) -> None:
    texts = Message.objects.filter(conversation__contact=contact)
    uuids = [str(uuid) for uuid in texts.values_list("uuid", flat=True)]
    for key in IdempotencyKey.objects.filter(Q(answer__id__in=uuids) | Q(answer__to=contact.number)):
        key.answer = {**key.answer, "to": ERASED, "body": ERASED} if key.answer else key.answer
        key.body_hash = ""
        key.save(update_fields=["answer", "body_hash"])
    texts.exclude(sent_body="").update(sent_body=ERASED)
    texts.update(body=ERASED, reason_text="")
    # Delivery results name our text's id, not the number, where they came in by webhook.
    Receipt.objects.filter(Q(number=contact.number) | Q(messages__in=texts) | Q(provider_id__in=uuids)).update(
        raw=b"", number="", error=""
    )
    Notice.objects.filter(conversation__contact=contact).update(text=ERASED)
    contact.sign_ups.exclude(reason="").update(reason=ERASED)
    Review.objects.filter(conversation__contact=contact).exclude(reason="").update(reason=ERASED)


def _forget_in_the_log(contact: Contact) -> None:
    """Django's own log of what people did in the admin names rows by how they were shown."""
    listed = DoNotContact.objects.matching(contact.number).values_list("pk", flat=True)
    conversations = Conversation.objects.filter(contact=contact).values_list("pk", flat=True)
    for model, pks in ((Contact, [contact.pk]), (DoNotContact, listed), (Conversation, conversations)):
        kind = ContentType.objects.get_for_model(model)
        LogEntry.objects.filter(content_type=kind, object_id__in=[str(pk) for pk in pks]).update(object_repr=ERASED)
    LogEntry.objects.filter(object_repr__contains=contact.number).update(object_repr=ERASED)
