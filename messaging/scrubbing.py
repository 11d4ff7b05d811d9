"""Importing the lists that marketing texts are matched against; what follows from them is the gate's (consent.gate)."""

import datetime as dt

from django.db import transaction

from consent.models import DoNotContact, ListImport, ScrubResult, User
from consent.vocabulary import NumberList
from messaging.number_files import File, FileError, in_pages

PAGE = 1000
# Texts to a number in the registry need a scrub at most this old (47 CFR 64.1200(c)(2)(i)(D)).
FRESH = dt.timedelta(days=31)


def take(file: File, kind: NumberList, *, as_of: dt.date, name: str, by: User | None) -> ListImport:
    """Note for each number whether it is on the list. A row without an answer means that it is.

    All of it or nothing. Of two lists of a kind the one with the later day counts, whichever is imported first; of the
    same day the one imported last. A number that the list does not name keeps what an earlier one said; one that
    was erased is not written down again. Raises FileError where a row says that nothing is known.
    """
    if any(row.answer == "no_data" for row in file.rows):
        raise FileError("A number is on the list or not: “no data” is no answer here. Take those rows out.")
    said = {row.number: row.answer != "no" for row in file.rows}
    with transaction.atomic():
        batch = ListImport.objects.create(
            kind=kind,
            as_of=as_of,
            file_name=name[:200],
            sha256=file.sha256,
            rows=len(file.rows),
            listed=sum(said.values()),
            by=by,
        )
        for numbers in in_pages(sorted(said), PAGE):
            newer = set(
                ScrubResult.objects.filter(kind=kind, number__in=numbers, as_of__gt=as_of).values_list(
                    "number", flat=True
                )
            )
            passed_over = newer | DoNotContact.objects.erased(numbers)
            ScrubResult.objects.bulk_create(
                (
                    ScrubResult(kind=kind, number=number, listed=said[number], as_of=as_of, batch=batch)
                    for number in numbers
                    if number not in passed_over
                ),
                update_conflicts=True,
                unique_fields=["number", "kind"],
                update_fields=["listed", "as_of", "batch"],
            )
    return batch
