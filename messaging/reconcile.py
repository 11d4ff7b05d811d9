"""Comparing the texts that came in with the provider's list (ARCHITECTURE "The way in" 7; FACTS "Delivery").

A webhook can be lost: nobody answered it, or a proxy did. So the provider is asked, line by line, for the texts that
came in since the last time. What never reached us becomes a receipt and is settled like any other; a webhook that comes
after all changes nothing. What did reach us gets the provider's time, and where that turns the order of a START and an
opt-out around, the time rule of PRODUCT.md is applied again (``time_rule``).
"""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator

from django.db import transaction

from consent import clock, phones
from consent.models import Contact, Line
from messaging import bell, provider, time_rule
from messaging.models import Receipt, Reconciled
from messaging.provider import ListedReceived, ProviderError
from messaging.text import printable

log = logging.getLogger(__name__)

# A text this young is left to its webhook, which knows more than the list: whether the provider answered it itself.
# Twilio waits 15 seconds for us and tries once more.
PATIENCE = dt.timedelta(seconds=30)
# Looked at again each time, because the list lags behind and clocks differ.
OVERLAP = dt.timedelta(minutes=10)
# After a gap longer than this only so much of it is made up for. Ten business days, in which an opt-out has to be
# honoured (47 CFR 64.1200(a)(10)), are within it.
LONGEST_GAP = dt.timedelta(days=15)
# Asked for at once, and less of it where that is more than fits into the pages of one question.
STEP, SHORTEST_STEP = dt.timedelta(hours=6), dt.timedelta(minutes=1)


def reconcile() -> None:
    """Compare every line, those that are switched off too: contacts may text STOP there all the same.

    A line that can't be asked about does not keep the others; it is made up for the next time.
    """
    for line in Line.objects.order_by("pk"):
        try:
            reconcile_line(line)
        except ProviderError as error:
            log.warning("what came in on line %s can't be compared with the provider's list: %s", line.name, error)


def reconcile_line(line: Line) -> None:
    """From the line's mark, less an overlap, up to now, step by step, each of which moves the mark.

    A line without a mark is looked at from now on: what was texted before Optline had it is not ours to answer. Raises
    ProviderError where the provider gives no answer.
    """
    until = clock.database_now() - PATIENCE
    mark = Reconciled.objects.filter(line=line).first()
    since = (mark.up_to if mark else until) - OVERLAP
    if since < until - LONGEST_GAP:
        log.error("texts that came in on line %s before %s are not looked for any more", line.name, until - LONGEST_GAP)
        since = until - LONGEST_GAP
    step = STEP
    while since < until:
        end = min(since + step, until)
        listing = provider.list_received(line=line.number, since=since, until=end)
        if not listing.complete and step > SHORTEST_STEP:
            step = max(step / 4, SHORTEST_STEP)
            continue
        if not listing.complete:
            log.error("more texts came in on line %s within a minute of %s than can be compared", line.name, since)
        _compare(listing.texts)
        Reconciled.objects.reached(line, end)
        since = end


def _compare(texts: Iterable[ListedReceived]) -> None:
    listed = {_provider_id(text): text for text in texts}
    known = Receipt.objects.filter(kind=Receipt.Kind.INBOUND, discriminator="", provider_id__in=listed)
    numbers: defaultdict[str, list[str]] = defaultdict(list)
    missing = dict(listed)
    for number, provider_id, occurred_at in known.values_list("number", "provider_id", "occurred_at"):
        del missing[provider_id]
        if occurred_at is None:
            numbers[number].append(provider_id)
    # First the times of what is known: what is found is then compared with them by one clock, the provider's.
    for number in sorted(numbers):
        _stamp(number, {provider_id: listed[provider_id].at for provider_id in numbers[number]})
    if missing:
        log.warning("%s texts that came in had no webhook", len(missing))
        with transaction.atomic(durable=True):
            Receipt.objects.bulk_create(_receipts(missing), ignore_conflicts=True)
            bell.ring_settle()


def _provider_id(text: ListedReceived) -> str:
    """As the webhook keeps it."""
    return printable(text.inbound.provider_id)[:64]


def _receipts(missing: dict[str, ListedReceived]) -> Iterator[Receipt]:
    """In the order in which they were texted."""
    now = clock.database_now()
    for provider_id, text in sorted(missing.items(), key=lambda each: each[1].at):
        yield Receipt(
            kind=Receipt.Kind.INBOUND,
            provider_id=provider_id,
            number=_number(text.inbound.sender),
            raw=text.form,
            received_at=now,
            occurred_at=text.at,
        )


def _number(sender: str) -> str:
    try:
        return phones.normalise_sender(sender)
    except phones.PhoneError:
        return ""


def _stamp(number: str, times: dict[str, dt.datetime]) -> None:
    """Note the provider's time on receipts of one number, settled or not, and see whether it changes what they did."""
    with transaction.atomic(durable=True):
        contact = Contact.objects.lock(number) if number else None
        unstamped = Receipt.objects.filter(kind=Receipt.Kind.INBOUND, provider_id__in=times, occurred_at=None)
        stamped = list(unstamped.select_for_update())
        for receipt in stamped:
            receipt.occurred_at = times[receipt.provider_id]
        Receipt.objects.bulk_update(stamped, ["occurred_at"])
        if contact and any(receipt.settled_at for receipt in stamped):
            time_rule.apply_again(contact)
