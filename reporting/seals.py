"""Seals: once a day one hash over the heads of all chains, for keeping elsewhere.

A chain can be rewritten by whoever owns the database, from some entry to its end, together with the contact's head. A
seal that somebody else keeps shows it: it commits to every chain as it was.

    seal = SHA-256 of the lines
        optline-seal-1
        hash of the seal before ("" for the first)
        number, day, id of the last ledger entry that it covers
        and for each chain that grew since the seal before, in order of the contact's uuid:
        contact's uuid, length of the chain then, hash of its last entry then

Heads that did not change are covered by an earlier seal, whose hash is part of this one; so a seal costs what the day
added, and all seals together are verified in one reading of the ledger. What a chain's head was when a seal was taken
is read from the entries themselves: the last one with an id up to the seal's. Entries of a contact have ascending ids,
since they are written under its lock.

A seal is of one moment: it covers every entry up to an id below which none can appear any more (reporting.figures
finds it, without making anybody wait). A transaction that stays open keeps newer entries for the next seal.
"""

import datetime as dt
import hashlib
import logging
from collections.abc import Iterator

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from consent.models import LedgerEntry
from reporting.models import Mark, Seal, SealMailed

log = logging.getLogger(__name__)

TAG = "optline-seal-1"
# Not at midnight, when there are nightly backups; a little later everything of the day before is final.
HOUR = dt.time(0, 30)


def take_if_due(now: dt.datetime) -> Seal | None:
    """Take the seal of today, unless it is there or the day has only begun; mail those that were not mailed yet.

    May run at any time and anywhere, as often as one likes. Days on which nothing ran have no seal: the next one covers
    what they added.
    """
    local = timezone.localtime(now)
    taken = None
    if local.time() >= HOUR and not Seal.objects.filter(day=local.date()).exists():
        taken = take(local.date())
    mail_waiting()
    return taken


def take(day: dt.date) -> Seal | None:
    """Take the seal of ``day``. None where another process was faster, or where nothing has been counted yet."""
    mark = Mark.objects.first()
    if mark is None:
        return None
    before = Seal.objects.order_by("number").last()
    seal = Seal(
        number=before.number + 1 if before else 1,
        day=day,
        taken_at=timezone.now(),
        # A recount never goes back behind what was sealed.
        up_to=max(mark.ledger, before.up_to if before else 0),
        previous=before.sha256 if before else "",
    )
    since = before.up_to if before else 0
    seal.sha256, seal.chains = hashed(seal, since)
    added = LedgerEntry.objects.filter(pk__gt=since, pk__lte=seal.up_to).count()
    seal.entries = (before.entries if before else 0) + added
    try:
        with transaction.atomic():
            seal.save()
    except IntegrityError:
        return None  # another process took it
    return seal


def hashed(seal: Seal, since: int) -> tuple[str, int]:
    """The seal's hash as the entries have it now, and over how many heads of its own. ``since``: ``up_to`` of the one
    before."""
    digest, chains = hashlib.sha256(), 0
    digest.update(_heading(seal).encode())
    for line in heads(since, seal.up_to):
        digest.update(line.encode())
        chains += 1
    return digest.hexdigest(), chains


def _heading(seal: Seal) -> str:
    return f"{TAG}\n{seal.previous}\n{seal.number} {seal.day.isoformat()} {seal.up_to}\n"


def heads(since: int, up_to: int) -> Iterator[str]:
    """A line for each chain that has an entry with an id in between: its uuid, length and last hash as of ``up_to``."""
    grown = LedgerEntry.objects.filter(pk__gt=since, pk__lte=up_to)
    last = grown.order_by().values("contact_id").annotate(last=Max("pk")).values("last")
    rows = LedgerEntry.objects.filter(pk__in=last).order_by("contact__uuid")
    for uuid, seq, head in rows.values_list("contact__uuid", "seq", "hash").iterator(chunk_size=5000):
        yield f"{uuid} {seq} {head}\n"


def document(seal: Seal) -> Iterator[str]:
    """What was hashed, line by line, so that anybody can do it again: ``sha256sum`` of this file is the seal."""
    before = Seal.objects.filter(number=seal.number - 1).first()
    yield _heading(seal)
    yield from heads(before.up_to if before else 0, seal.up_to)


# ---- verifying ------------------------------------------------------------------------------------------------------


def verify() -> Iterator[str]:
    """A line for each seal that does not fit: the ledger is not what it was when the seal was taken.

    One reading of the ledger for all seals together, in constant memory. A seal that fits proves something only to
    who kept it elsewhere: whoever rewrote the ledger can rewrite these rows too.
    """
    since, number, previous, entries = 0, 0, "", 0
    for seal in Seal.objects.order_by("number").iterator():
        number += 1
        if seal.number != number:
            yield f"seal {number} is missing (the next one found is {seal.number})"
            number = seal.number
        elif seal.previous != previous:
            yield f"seal {seal.number} does not continue the seal before it"
        recomputed, chains = hashed(seal, since)
        entries += LedgerEntry.objects.filter(pk__gt=since, pk__lte=seal.up_to).count()
        if recomputed != seal.sha256:
            yield f"seal {seal.number} of {seal.day}: the heads it covers are not those of the ledger any more"
        elif (chains, entries) != (seal.chains, seal.entries):
            yield f"seal {seal.number} of {seal.day}: it covered {seal.entries} entries, and there are {entries} now"
        since, previous = seal.up_to, seal.sha256


# ---- mailing --------------------------------------------------------------------------------------------------------


def mail_waiting() -> None:
    """Mail the seals that nobody was sent, oldest first, where an address is set. What fails is tried again."""
    to = settings.SEAL_MAIL_TO
    if not to:
        return
    for seal in Seal.objects.filter(mailed=None).order_by("number")[:31]:
        try:
            _mail(seal, to)
        except OSError as error:  # smtplib's errors are among them
            log.error("seal %s can't be mailed: %s", seal.number, type(error).__name__)
            return


def _mail(seal: Seal, to: str) -> None:
    with transaction.atomic():
        # The row first: of two processes the second waits here and then finds it.
        _, new = SealMailed.objects.get_or_create(seal=seal, defaults={"to": to, "at": timezone.now()})
        if new:
            EmailMessage(subject=f"Optline seal {seal.number}, {seal.day}", body=said(seal), to=[to]).send()


def said(seal: Seal) -> str:
    """The seal as a short text, for a mail or a notebook."""
    return (
        f"Seal {seal.number} of {seal.day.isoformat()}\n\n{seal.sha256}\n\n"
        f"It covers {seal.entries} ledger entries, up to entry {seal.up_to}. "
        f"{seal.chains} contacts' chains grew since the seal before.\n"
        f"Hash of the seal before: {seal.previous or 'none, this is the first'}\n\n"
        "Keep it where nobody who runs Optline can change it. Should the ledger ever be doubted, the seal of this "
        "number has to have this hash still, and manage.py verify_ledger has to find that it fits. If the hash is "
        "another one, entries were rewritten or cut off since.\n"
    )
