"""Finding contacts by any part of their name or number, among a million of them.

PostgreSQL answers from trigram indexes on the very expressions that Django emits for these lookups (``UPPER(name)``,
``number``). They are made after every migrate by one function that may run any number of times; where the database does
not let us have pg_trgm, the list still finds everybody, slowly, and a check says what to do. SQLite needs no index at
the sizes it is meant for, but folds only ASCII letters by itself.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q, QuerySet

TABLE = "consent_contact"
EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
INDEXES = {
    "contacts_by_part_of_number": "number",
    "contacts_by_part_of_first_name": "upper(first_name)",
    "contacts_by_part_of_last_name": "upper(last_name)",
}

# More words than this nobody types to find one person.
_MOST_PARTS = 8
_PARTS = re.compile(r"\+?\(?[0-9][0-9().\-\s]*[0-9]|\S+")
_LAST_FOUR = re.compile(r"[0-9]{4}")
_TRIGRAM = re.compile(r"[^\W_]{3}")


def contacts(term: str, *, contact: str = "", hidden: bool = False) -> Q:
    """The contacts that fit every part of ``term``: words are parts of names, digits parts of numbers or names.

    However a number is punctuated, "(206) 555-01" for one, its digits count. ``contact`` is the way to the contact from
    the row that is searched. With ``hidden`` numbers only their last four digits are known, and these only as a whole:
    anything else would confirm a number digit by digit.
    """
    way = f"{contact}__" if contact else ""
    found = Q()
    for part in _parts(term):
        fits = _containing(f"{way}first_name", part) | _containing(f"{way}last_name", part)
        if hidden and _LAST_FOUR.fullmatch(part):
            fits |= Q(**{f"{way}number__endswith": part})
        elif not hidden and part.isascii() and part.isdigit():
            fits |= Q(**{f"{way}number__contains": part})
        found &= fits
    return found


def some(rows: QuerySet[Any], term: str, most: int, *, alone: bool) -> list[int]:
    """The ids of at most ``most`` of ``rows``, which ``term`` has narrowed already: those found first, in no order.

    To find the newest of many, PostgreSQL would read the whole list from its end until it has met enough of them, which
    takes long where all that fit came early. From the trigram indexes it has them at once. Its planner is told so where
    nothing else narrows the list (``alone``) and there is something for an index to go by.
    """
    found = rows.order_by().values_list("pk", flat=True)[:most]
    if connection.vendor != "postgresql" or not alone or not _TRIGRAM.search(term) or missing(connection):
        return list(found)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
        ids = list(found)
        cursor.execute("SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = on")
    return ids


def _parts(term: str) -> Iterator[str]:
    for part in _PARTS.findall(term)[:_MOST_PARTS]:
        digits = re.sub(r"[^0-9]", "", part)
        yield digits if digits and re.fullmatch(r"[0-9+().\-\s]+", part) else part


def _containing(field: str, part: str) -> Q:
    """``field`` holds ``part``, in capitals or not, in any script on either database."""
    if connection.vendor == "sqlite" and not part.isascii():
        return Q(**{f"{field}__iregex": re.escape(part)})
    return Q(**{f"{field}__icontains": part})


# ---- indexes --------------------------------------------------------------------------------------------------------


def install(connection: BaseDatabaseWrapper) -> None:
    """Make the indexes that are missing, where the database lets us. Safe to repeat."""
    if not missing(connection):
        return
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(EXTENSION)
            for name, expression in INDEXES.items():
                cursor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {TABLE} USING gin ({expression} gin_trgm_ops)")
    except DatabaseError:
        return  # no right to make the extension, or it is not there to be made: the check consent.W002 says so


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """The indexes that searching would need and that are not there."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = %s", [TABLE])
        present = {row[0] for row in cursor.fetchall()}
    return sorted(set(INDEXES) - present)


def install_after_migrate(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    connection = connections[using]
    if TABLE in connection.introspection.table_names():  # not while migrating backwards to nothing
        install(connection)
