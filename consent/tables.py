"""The ledger's tables, written thousands of rows at a time: COPY on PostgreSQL, executemany on SQLite, same rows.

The hand of consent.bulk, which alone calls it, under the contacts' locks. Django's own bulk_create takes four times as
long for a million rows, most of it for making objects that nobody looks at.
"""

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from consent import chain
from consent.among import SEPARATOR
from consent.models import Contact, LedgerEntry
from consent.models.ledger import AuditRowError


class Common(NamedTuple):
    """What all entries of one call have in common."""

    kind: str
    status_to: str
    channel: str
    rule: str
    actor: int | None


class EntryRow(NamedTuple):
    contact: int
    line: int
    seq: int
    status_from: str
    since: dt.datetime | None
    request_state: str
    level: str
    occurred_at: dt.datetime
    recorded_at: dt.datetime
    evidence_digest: str
    previous_hash: str
    hash: str


class StateRow(NamedTuple):
    """What a pair's last entry leaves; ``pk`` is None where the pair has no row yet."""

    pk: int | None
    contact: int
    line: int
    since: dt.datetime | None
    level: str
    request_state: str
    entry: int


def on_postgresql() -> bool:
    return connection.vendor == "postgresql"


def moment_of(connection: Any) -> Callable[[Any], dt.datetime | None]:
    """How a moment that a plain cursor gives is read: SQLite keeps it as text."""
    if connection.vendor == "postgresql":
        return lambda stored: stored

    def read(stored: Any) -> dt.datetime | None:
        if stored is None:
            return None
        moment = dt.datetime.fromisoformat(stored) if isinstance(stored, str) else stored
        return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)

    return read


# ---- writing --------------------------------------------------------------------------------------------------------


def add_contacts(named: Sequence[tuple[str, str, str]]) -> None:
    """Number, first and last name of contacts, in this order; those that are there stay as they are."""
    if not on_postgresql():
        made = [Contact(number=number, first_name=first, last_name=last) for number, first, last in named]
        Contact.objects.bulk_create(made, ignore_conflicts=True)
        return
    given = {"number": "v.number", "first_name": "COALESCE(v.first, '')", "last_name": "COALESCE(v.last, '')"}
    given |= {"uuid": "gen_random_uuid()", "created": "now()"}
    others = [field for field in Contact._meta.concrete_fields if not (field.null or field.primary_key)]
    fixed = [field for field in others if field.column not in given]
    columns = ", ".join([*given, *(str(field.column) for field in fixed)])
    values: list[Any] = [field.get_default() for field in fixed]
    values += [_listed(column) for column in zip(*named, strict=True)]
    _execute(
        f"INSERT INTO consent_contact ({columns}) SELECT {', '.join([*given.values(), *['%s'] * len(fixed)])}"
        f" FROM unnest({', '.join([_column('text')] * 3)}) AS v(number, first, last) ON CONFLICT (number) DO NOTHING",
        values,
    )


def add_evidence(rows: Sequence[tuple[str, bytes, str]]) -> None:
    """Each row: digest, salt and canonical JSON."""
    now = timezone.now()
    if on_postgresql():
        lines = [
            f"{uuid.uuid4()}\t{digest}\t\\\\x{salt.hex()}\t{_escaped(text)}\t{now.isoformat()}\n"
            for digest, salt, text in rows
        ]
        _copy("consent_evidence (uuid, digest, salt, data, created)", lines)
        return
    _execute_many(
        "INSERT INTO consent_evidence (uuid, digest, salt, data, created) VALUES (%s, %s, %s, %s, %s)",
        [(uuid.uuid4().hex, digest, salt, json.dumps(json.loads(text)), _stored(now)) for digest, salt, text in rows],
    )


_ENTRY = (
    "consent_ledgerentry (id, contact_id, line_id, seq, kind, status_from, status_to, since, source, request_state,"
    " level, channel, scope, scope_category, rule, actor_id, occurred_at, recorded_at, evidence_digest, previous_hash,"
    " hash)"
)


def add_entries(rows: Sequence[EntryRow], common: Common) -> list[int]:
    """Append the entries; gives their ids, in the same order and rising."""
    ids = _new_ids(len(rows))
    kind, to, channel, rule, actor = common
    if on_postgresql():
        # What nothing is escaped for holds neither tabs nor backslashes: numbers, hashes, words from our own tables.
        ends = f"{channel}\t\t\t{_escaped(rule)}\t{_null(actor)}"
        texts = _Moments()
        lines = [
            f"{pk}\t{row.contact}\t{row.line}\t{row.seq}\t{kind}\t{row.status_from}\t{to}\t{texts[row.since]}"
            f"\t{channel}\t{row.request_state}\t{row.level}\t{ends}\t{texts[row.occurred_at]}"
            f"\t{texts[row.recorded_at]}\t{row.evidence_digest}\t{row.previous_hash}\t{row.hash}\n"
            for pk, row in zip(ids, rows, strict=True)
        ]
        _copy(_ENTRY, lines)
        return ids
    _execute_many(
        f"INSERT INTO {_ENTRY} VALUES ({', '.join(['%s'] * 21)})",
        [
            (pk, row.contact, row.line, row.seq, kind, row.status_from, to, _stored(row.since), channel,
             row.request_state, row.level, channel, "", "", rule, actor, _stored(row.occurred_at),
             _stored(row.recorded_at), row.evidence_digest, row.previous_hash, row.hash)
            for pk, row in zip(ids, rows, strict=True)
        ],
    )  # fmt: skip
    return ids


def _new_ids(count: int) -> list[int]:
    with connection.cursor() as cursor:
        if on_postgresql():
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence('consent_ledgerentry', 'id')) FROM generate_series(1, %s)",
                [count],
            )
            return sorted(row[0] for row in cursor.fetchall())
        # This transaction is the only one that writes.
        cursor.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'consent_ledgerentry'")
        last = cursor.fetchone()[0]
        return list(range(last + 1, last + 1 + count))


def write_states(rows: Sequence[StateRow], *, status: str, source: str) -> None:
    """Bring the state table to what the entries say. Reviews, disclaimers and opt-outs of old stay as they are."""
    new, known = [row for row in rows if row.pk is None], [row for row in rows if row.pk is not None]
    columns = "contact_id, line_id, status, since, source, level, request_state, blocked_at_provider, entry_id"
    if on_postgresql():
        texts = _Moments()
        _copy(
            f"consent_consent ({columns})",
            [
                f"{row.contact}\t{row.line}\t{status}\t{texts[row.since]}\t{source}\t{row.level}\t{row.request_state}"
                f"\tf\t{row.entry}\n"
                for row in new
            ],
        )
        _execute(
            "UPDATE consent_consent s SET status = %s, source = %s, since = v.since, level = v.level,"
            f" entry_id = v.entry FROM unnest({_column('bigint')}, {_column('timestamptz')}, {_column('text')},"
            f" {_column('bigint')}) AS v(id, since, level, entry) WHERE s.id = v.id",
            [status, source, *(_listed(getattr(row, name) for row in known) for name in _CHANGED)],
        )
        return
    _execute_many(
        f"INSERT INTO consent_consent ({columns}) VALUES ({', '.join(['%s'] * 9)})",
        [
            (row.contact, row.line, status, _stored(row.since), source, row.level, row.request_state, False, row.entry)
            for row in new
        ],
    )
    _execute_many(
        "UPDATE consent_consent SET status = %s, source = %s, since = %s, level = %s, entry_id = %s WHERE id = %s",
        [(status, source, _stored(row.since), row.level, row.entry, row.pk) for row in known],
    )


def write_heads(heads: Sequence[tuple[int, int, str]]) -> None:
    """Where the chains end now: contact, seq, hash."""
    if on_postgresql():
        _execute(
            "UPDATE consent_contact c SET ledger_seq = v.seq, ledger_head = v.head"
            f" FROM unnest({_column('bigint')}, {_column('int')}, {_column('text')}) AS v(id, seq, head)"
            " WHERE c.id = v.id",
            [_listed(column) for column in zip(*heads, strict=True)],
        )
        return
    _execute_many(
        "UPDATE consent_contact SET ledger_seq = %s, ledger_head = %s WHERE id = %s",
        [(seq, head, pk) for pk, seq, head in heads],
    )


# ---- reading back ---------------------------------------------------------------------------------------------------


def _hash_in_sql() -> str:
    """consent.chain's formula in PostgreSQL's words, over what is stored; of consent without an end."""
    special = {"contact__uuid": "c.uuid", "line__uuid": "l.uuid"}
    plain_numbers = {"seq", "actor_id"}
    moments = {"since", "occurred_at", "recorded_at"}
    parts = []
    for name in chain.SORTED:
        column = special.get(name, f"e.{name}")
        if name in moments:
            value = f"""'"' || to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"'"""
        elif name in plain_numbers:
            value = f"{column}::text"
        else:
            value = f"to_json({column}::text)::text"
        parts.append(f"""'"{name}":' || COALESCE({value}, 'null')""")
    text = "'" + chain.TAG.decode() + "{' || " + " || ',' || ".join(parts) + " || '}'"
    return f"encode(sha256(convert_to({text}, 'UTF8')), 'hex')"


def read_back(ids: Sequence[int]) -> None:
    """Raises AuditRowError unless each of these entries is stored so that it hashes to its hash."""
    if on_postgresql():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), count(*) FILTER (WHERE e.until IS NULL AND e.hash = "
                + _hash_in_sql()
                + ") FROM consent_ledgerentry e"
                " JOIN consent_contact c ON c.id = e.contact_id JOIN consent_line l ON l.id = e.line_id"
                f" JOIN unnest({_column('bigint')}) AS v(id) ON v.id = e.id",
                [_listed(ids)],
            )
            found, sound = cursor.fetchone()
    else:
        stored = LedgerEntry.objects.filter(pk__gte=ids[0], pk__lte=ids[-1]).values("hash", *chain.READ)
        hashes = [chain.entry_hash(entry) == entry["hash"] for entry in stored]
        found, sound = len(hashes), sum(hashes)
    if (found, sound) != (len(ids), len(ids)):
        raise AuditRowError(f"The database stored {len(ids) - sound} of {len(ids)} entries otherwise than written.")


# ---- SQL ------------------------------------------------------------------------------------------------------------


class _Moments(dict[dt.datetime | None, str]):
    """Moments as COPY reads them; most rows of an import have the same few."""

    def __missing__(self, moment: dt.datetime | None) -> str:
        text = self[moment] = r"\N" if moment is None else moment.isoformat()
        return text


_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _null(value: object) -> str:
    return r"\N" if value is None else str(value)


def _copy(target: str, lines: Sequence[str]) -> None:
    if lines:
        with connection.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:
            copy.write("".join(lines).encode())


_CHANGED = ("pk", "since", "level", "entry")


def _column(type: str) -> str:
    """A column of ``unnest``, given as one text (``_listed``)."""
    return f"string_to_array(%s, '{SEPARATOR}')::{type}[]"


def _listed(values: Iterable[Any]) -> str:
    return SEPARATOR.join(map(str, values))


def _execute(statement: str, params: Sequence[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def _execute_many(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def _stored(moment: dt.datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
