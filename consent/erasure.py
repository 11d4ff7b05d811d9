"""Erasing a contact on lawful request: evidence and personal data go, entries stay and verify, the number stays out.

What remains of the number is its keyed hash (SUPPRESSION_KEY) on the do-not-contact list, by which imports, the API,
web forms and texts that come in recognise it, and nobody can read it (ICO: keep a suppression entry instead of
deleting). The contact's row stays as the end of its chain, under a name that is no number.

This is consent's part, which messaging.erasure calls; only that one erases a contact whole.
"""

import secrets

from django.db.models import Exists, OuterRef
from django.utils import timezone

from consent import kept_files, ledger
from consent.ledger import Proof
from consent.models import Contact, DoNotContact, Evidence, KeptFile, LedgerEntry, OptInRequest, ScrubResult, User
from consent.models.contact import suppression_digest
from consent.vocabulary import Channel, EntryKind

ERASED = "(erased)"
# Begins what stands in a number's place. No number in E.164 does.
NO_NUMBER = "x"


class ErasureError(Exception):
    """The contact can't be erased now. The message says why and what to do first."""


def is_erased(number: str) -> bool:
    """Whether this number belonged to somebody who was erased, and is still kept out for that."""
    return DoNotContact.objects.filter(digest=suppression_digest(number), number=None).exists()


def erase(contact: Contact, *, by: User, reason: str) -> None:
    """Under the contact's lock, in one transaction. ``reason`` is kept for good, so no personal data belongs in it.

    In this order: the evidence, each piece with the entry that says so; the number, onto the list as its hash alone; an
    entry that the contact was erased; the contact's own row.
    """
    proof = Proof(Channel.AGENT, {}, actor=by)
    digest = suppression_digest(contact.number)
    for each in _evidence_of(contact):
        ledger.erase_evidence(contact, each, proof)
    ledger.add_do_not_contact(contact, proof, reason=ERASED)
    no_number = NO_NUMBER + secrets.token_hex(7)
    ledger.record_erasure(contact, Proof(Channel.AGENT, {"reason": reason, "suppressed_as": digest}, actor=by))
    DoNotContact.objects.filter(digest=digest).update(number=None, reason=ERASED)
    # So that whatever asks for the contact by what stands in the number's place gets the same answer.
    DoNotContact.objects.create(number=None, digest=suppression_digest(no_number), reason=ERASED, added_by=by)
    OptInRequest.objects.filter(contact=contact).exclude(basis="").update(basis=ERASED)
    kept_files.erase(KeptFile.objects.filter(contact=contact))
    # Whoever asks finds the number on the do-not-contact list; no scrub result is needed beside it.
    ScrubResult.objects.filter(number=contact.number).delete()
    contact.tags.clear()
    Contact.objects.filter(pk=contact.pk).update(
        number=no_number,
        first_name="",
        last_name="",
        language="",
        postal_code="",
        time_zone="",
        erased_at=timezone.now(),
    )


def _evidence_of(contact: Contact) -> list[str]:
    """What their entries alone name: evidence that others share, such as an import's, is about those others too."""
    named = LedgerEntry.objects.filter(evidence_digest=OuterRef("digest"))
    own = Evidence.objects.filter(Exists(named.filter(contact=contact)), ~Exists(named.exclude(contact=contact)))
    kinds = LedgerEntry.objects.filter(contact=contact, kind=EntryKind.ERASED).values("evidence_digest")
    return list(own.exclude(digest__in=kinds).order_by("pk").values_list("digest", flat=True))
