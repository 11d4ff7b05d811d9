"""Asking the Reassigned Numbers Database: the query goes out as a file, the answers come in as one (47 CFR 64.1200(m)).

It is asked whether a number was permanently disconnected since a day on which it was certainly the contact's. "Yes"
suspends what was agreed to up to that day; "no" and "no data" change nothing. All answers are kept, because having
asked is what protects who was told wrong.
"""

import csv
import datetime as dt
import io
from collections.abc import Iterable, Iterator

from django.db import transaction
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from consent.ledger import Proof
from consent.models import Consent, Contact, ListImport, ReassignmentAnswer, User
from consent.vocabulary import Channel, NumberList, Status
from messaging import changed_hands
from messaging.models import Message
from messaging.models.message import Direction
from messaging.number_files import File, FileError, Row, in_pages

HEADINGS = ("number", "date")
PAGE = 1000


def to_ask_about(now: dt.datetime) -> Iterator[tuple[str, dt.date]]:
    """Every number of the United States that consent holds for, as ten digits, with the last day on which it was
    certainly theirs: of their consent, or of their last text."""
    holds = Q(until=None) | Q(until__gt=now)
    given = Consent.objects.filter(holds, contact=OuterRef("pk"), status=Status.OPTED_IN).order_by()
    theirs = given.values("contact").annotate(last=Max("since"), own=Max("own_opt_in_at"))
    texts = Message.objects.filter(conversation__contact=OuterRef("pk"), direction=Direction.IN).order_by()
    last_text = texts.values("conversation__contact").annotate(last=Max("created")).values("last")
    contacts: QuerySet[Contact] = Contact.objects.filter(unreachable="", number__startswith="+1").order_by("pk")
    found = contacts.annotate(
        given=Subquery(theirs.values("last")), own=Subquery(theirs.values("own")), text=Subquery(last_text)
    ).exclude(given=None)
    for number, *moments in found.values_list("number", "given", "own", "text").iterator(PAGE):
        yield number.removeprefix("+1"), max(moment for moment in moments if moment).astimezone(dt.UTC).date()


def query(now: dt.datetime) -> Iterator[str]:
    """The query as CSV, in pieces."""
    yield _csv([HEADINGS])
    for rows in in_pages(to_ask_about(now), PAGE):
        yield _csv((number, f"{day:%Y-%m-%d}") for number, day in rows)


def _csv(rows: Iterable[tuple[str, str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def take_answers(file: File, *, as_of: dt.date, name: str, by: User | None) -> ListImport:
    """Keep every answer about a contact of ours and act on each "yes", each contact in a transaction of its own.

    May be repeated: a contact is suspended once. Raises FileError for a day asked about that lies after ``as_of``.
    """
    late = next((row for row in file.rows if row.date and row.date > as_of), None)
    if late:
        raise FileError(f"It was asked about {late.date}, which is after the day of the answers, {as_of}.")
    batch = ListImport.objects.create(
        kind=NumberList.REASSIGNED,
        as_of=as_of,
        file_name=name[:200],
        sha256=file.sha256,
        rows=len(file.rows),
        listed=sum(row.answer == "yes" for row in file.rows),
        by=by,
    )
    suspended = 0
    for rows in in_pages(file.rows, PAGE):
        known = dict(Contact.objects.filter(number__in=[row.number for row in rows]).values_list("number", "pk"))
        ReassignmentAnswer.objects.bulk_create(
            ReassignmentAnswer(contact_id=known[row.number], asked_about=row.date, answer=row.answer, batch=batch)
            for row in rows
            if row.number in known
        )
        gone = [(known[row.number], row) for row in rows if row.number in known and row.answer == "yes"]
        suspended += sum(_suspend(pk, row, batch, by) for pk, row in sorted(gone, key=lambda each: each[0]))
    ListImport.objects.filter(pk=batch.pk).update(suspended=suspended)
    batch.suspended = suspended
    return batch


def _suspend(pk: int, row: Row, batch: ListImport, by: User | None) -> bool:
    assert row.date is not None  # read with answers=True
    # The day asked about counts to its end: it is a day, and the consent of that day is what was asked about.
    up_to = dt.datetime.combine(row.date + dt.timedelta(days=1), dt.time(), dt.UTC)
    with transaction.atomic(durable=True):
        contact = Contact.objects.lock_pk(pk)
        evidence = {
            "list": "Reassigned Numbers Database",
            "asked_about": f"{row.date}",
            "answered": f"{batch.as_of}",
            "file": batch.file_name,
            "sha256": batch.sha256,
            "number": contact.number,
        }
        return changed_hands.suspend(
            contact,
            Contact.Unreachable.REASSIGNED,
            Proof(Channel.IMPORT, evidence, actor=by),
            by=Contact.FoundBy.DATABASE,
            given_before=min(up_to, timezone.now()),
        )
