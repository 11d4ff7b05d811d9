"""The provider's daily lists of numbers that carriers deactivated, each day once, days that were missed included."""

import datetime as dt
import logging
from collections.abc import Iterator

from django.db import transaction
from django.utils import timezone

from consent.ledger import Proof
from consent.models import Contact, ListImport
from consent.vocabulary import Channel, NumberList
from messaging import changed_hands, provider
from messaging.number_files import in_pages
from messaging.provider import ProviderError

log = logging.getLogger(__name__)

# A list older than this is not asked for any more: who knows how long the provider keeps them.
LONGEST_GAP = dt.timedelta(days=30)
# The list of a day is complete when that day is over everywhere in the United States.
LATEST_MIDNIGHT = dt.timedelta(hours=12)
PAGE = 1000


def import_new() -> None:
    """Import the list of each day that is missing, the oldest first. A day that fails keeps no other, and is tried
    again the next time."""
    for day in missing():
        try:
            import_day(day)
        except ProviderError as error:
            log.warning("%s", error)


def missing() -> list[dt.date]:
    """The days since the first imported one whose list is not here yet. Without a first one: yesterday."""
    yesterday = (timezone.now() - LATEST_MIDNIGHT).astimezone(dt.UTC).date() - dt.timedelta(days=1)
    known = set(ListImport.objects.filter(kind=NumberList.DEACTIVATED).values_list("as_of", flat=True))
    first = max(min(known, default=yesterday), yesterday - LONGEST_GAP)
    days = (first + dt.timedelta(days=each) for each in range((yesterday - first).days + 1))
    return [day for day in days if day not in known]


def import_day(day: dt.date) -> ListImport:
    """Suspend every contact on that day's list. May be repeated: a contact is suspended once. Raises ProviderError.

    The list counts as imported when all of it was gone through; each contact in a transaction of its own.
    """
    numbers = provider.deactivated_on(day)
    # What was agreed to on that very day may be either owner's.
    given_before = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
    suspended = sum(_suspend(pk, day, given_before) for pk in _contacts(numbers))
    done, _ = ListImport.objects.get_or_create(
        kind=NumberList.DEACTIVATED,
        as_of=day,
        defaults={"rows": len(numbers), "listed": len(numbers), "suspended": suspended},
    )
    return done


def _contacts(numbers: list[str]) -> Iterator[int]:
    for some in in_pages(sorted(set(numbers)), PAGE):
        yield from Contact.objects.filter(number__in=some).order_by("pk").values_list("pk", flat=True)


def _suspend(pk: int, day: dt.date, given_before: dt.datetime) -> bool:
    with transaction.atomic(durable=True):
        contact = Contact.objects.lock_pk(pk)
        if contact.changed_hands_at and contact.changed_hands_at >= given_before:
            return False  # a list that was gone through in part
        proof = Proof(Channel.PROVIDER, {"list": "deactivated numbers", "day": f"{day}", "number": contact.number})
        return changed_hands.suspend(
            contact,
            Contact.Unreachable.DEACTIVATED,
            proof,
            by=Contact.FoundBy.PROVIDER,
            given_before=min(given_before, timezone.now()),
        )
