"""What the database holds of many contacts at once, as text: for verifying, where every entry counts.

One statement for each table and span of contacts. Times and uuids come as text in the notation that the ledger hashes,
which is also their order, so nothing is made of them that is only compared.
"""

from collections import defaultdict, namedtuple
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import CharField, Model, QuerySet, TextField
from django.db.models.fields import DateTimeField, UUIDField
from django.db.models.functions import Cast

from consent import chain
from consent.models import Consent, Contact, DoNotContact, Evidence, LedgerEntry, Line
from consent.models.contact import suppression_digest

Row = dict[str, Any]

# As ``chain.stored_hash`` takes them, behind contact and line.
_HASHED = (
    "actor_id", "channel", "evidence_digest", "kind", "level", "occurred_at", "previous_hash", "recorded_at",
    "request_state", "rule", "scope", "scope_category", "seq", "since", "source", "status_from", "status_to", "until",
    "wording",
)  # fmt: skip
_ENTRY = ("id", "contact_id", "line_id", "hash", *_HASHED)
_CONTACT = [field.attname for field in Contact._meta.concrete_fields]
_CONSENT = [field.attname for field in Consent._meta.concrete_fields]
State = namedtuple("State", _CONSENT)  # type: ignore[misc]  # its columns are those of the table
_OF_CONTACT = _CONSENT.index("contact_id")


class Stored:
    """All that concerns the contacts whose ids are from ``first`` to ``last``, as it is read now."""

    def __init__(self, first: int, last: int) -> None:
        span = {"contact_id__gte": first, "contact_id__lte": last}
        self.contacts = [
            dict(zip(_CONTACT, row, strict=True))
            for row in _rows(Contact.objects.filter(pk__gte=first, pk__lte=last).order_by("pk"), _CONTACT)
        ]
        uuids = {each["id"]: each["uuid"] for each in self.contacts}
        entries = LedgerEntry.objects.filter(**span)
        self.entries = _entries(entries, uuids)
        digests = entries.exclude(evidence_digest="").values("evidence_digest")
        self.evidence: dict[str, tuple[bytes, str]] = {
            digest: (salt, data)
            for digest, salt, data in _rows(Evidence.objects.filter(digest__in=digests), ["digest", "salt", "data"])
        }
        self.consents: defaultdict[int, list[Any]] = defaultdict(list)
        for row in _rows(Consent.objects.filter(**span).order_by("contact_id", "line_id"), _CONSENT):
            state = State._make(row)
            self.consents[row[_OF_CONTACT]].append(state)
        self.listed = _listed(self.contacts)


def _entries(rows: QuerySet[LedgerEntry], contacts: dict[int, str]) -> defaultdict[int, list[Row]]:
    """Per contact, in order, each with its hash computed anew (``recomputed``)."""
    lines = {pk: str(uuid) for pk, uuid in Line.objects.values_list("pk", "uuid")}
    found: defaultdict[int, list[Row]] = defaultdict(list)
    stored_hash = chain.stored_hash
    for row in _rows(rows.order_by("contact_id", "seq"), _ENTRY):
        entry = dict(zip(_ENTRY, row, strict=True))
        contact = entry["contact_id"]
        # One whose contact is gone is told by another query.
        entry["recomputed"] = stored_hash(contacts.get(contact, ""), lines.get(entry["line_id"]), *row[4:])
        found[contact].append(entry)
    return found


def _listed(contacts: Sequence[Row]) -> dict[str, bool]:
    """The numbers of ``contacts`` that are on the do-not-contact list; True where the list names them in full."""
    digests = {suppression_digest(each["number"]): each["number"] for each in contacts}
    by_digest = DoNotContact.objects.filter(digest__in=list(digests)).values_list("digest", "number")
    found = {digests[digest]: number is not None for digest, number in by_digest}
    numbers = DoNotContact.objects.filter(number__in=list(digests.values())).values_list("number", flat=True)
    return {**found, **dict.fromkeys([number for number in numbers if number], True)}


# ---- as text --------------------------------------------------------------------------------------------------------


def _rows(rows: QuerySet[Any], names: Sequence[str]) -> Any:
    """The columns ``names``, in their order, times and uuids as the ledger hashes them. Rows come in pages."""
    model: type[Model] = rows.model
    fields: list[Any] = [_field(model, name) for name in names]
    text = {
        f"{name}_text": Cast(name, TextField())
        for name, field in zip(names, fields, strict=True)
        if not isinstance(field, CharField) and field.get_internal_type() in {"DateTimeField", "UUIDField", "JSONField"}
    }
    columns = [f"{name}_text" if f"{name}_text" in text else name for name in names]
    made = [
        (place, _time if isinstance(field, DateTimeField) else _uuid)
        for place, field in enumerate(fields)
        if isinstance(field, DateTimeField | UUIDField)
    ]
    for row in rows.annotate(**text).values_list(*columns).iterator(chunk_size=5000):
        if made:
            row = list(row)
            for place, read in made:
                if row[place] is not None:
                    row[place] = read(row[place])
        yield row


def _field(model: type[Model], name: str) -> Any:
    return next(field for field in model._meta.concrete_fields if name in (field.attname, field.name))


@lru_cache(maxsize=4096)
def _time(text: str) -> str:
    """From how either database writes a time, which is in UTC there: a blank for the T, and no zeros at the end."""
    return f"{text[:10]}T{text[11:19]}.{text[20:].partition('+')[0]:0<6}Z"


@lru_cache(maxsize=4096)
def _uuid(text: str) -> str:
    """SQLite keeps them without dashes."""
    try:
        return text if len(text) == 36 else str(UUID(text))
    except ValueError:
        return text  # nothing that we wrote: what it belongs to will not fit
