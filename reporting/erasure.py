"""Erasing a contact, with the traces that reports leave: what somebody looked for may be a name or a number."""

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
        names = {name.casefold() for name in (known.first_name, known.last_name, known.name) if name}
        for run in ReportRun.objects.filter(filters__has_key="search"):
            searched = str(run.filters["search"])
            digits = "".join(char for char in searched if char.isdecimal())
            if searched.casefold().strip() in names or (len(digits) >= 4 and digits in known.number):
                ReportRun.objects.filter(pk=run.pk).update(filters={**run.filters, "search": ERASED})
