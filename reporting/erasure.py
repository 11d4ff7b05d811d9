"""Erasing a contact, with the traces that reports leave: what somebody looked for, or why they made an evidence pack,
may hold a name or a number."""

from django.db import transaction

from consent.erasure import ERASED
from consent.models import Contact, User
from messaging import erasure
from messaging.erasure import ErasureError
from reporting.models import ReportRun

__all__ = ["ErasureError", "erase"]


def erase(contact: Contact, *, by: User, reason: str) -> None:
    """As messaging.erasure. Files of exports that hold the contact go by themselves, after seven days."""
    with transaction.atomic():
        known = Contact.objects.get(pk=contact.pk)  # what was shown may be masked
        erasure.erase(known.pk, by=by, reason=reason)
        for run in ReportRun.objects.filter(filters__has_key="search"):
            if _is_about(known, str(run.filters["search"])):
                ReportRun.objects.filter(pk=run.pk).update(filters={**run.filters, "search": ERASED})
        for run in ReportRun.objects.evidence_of(known):
            if run.filters.get("reason"):
                ReportRun.objects.filter(pk=run.pk).update(filters={**run.filters, "reason": ERASED})


def _is_about(contact: Contact, searched: str) -> bool:
    """Whether a part of their name or number stands in it. In doubt it does: nobody needs an old search."""
    words = searched.casefold().strip()
    names = [name.casefold() for name in (contact.first_name, contact.last_name) if name]
    if any(name in words for name in names) or (len(words) >= 3 and words in contact.name.casefold()):
        return True
    digits = "".join(char for char in searched if char.isdecimal())
    return len(digits) >= 4 and (digits in contact.number or contact.number[2:] in digits)
