"""Verifying 1,000,000 ledger entries: python -m tests.benchmarks.verify_ledger [--json]

The limit is SHA-256 of the same bytes (each entry's and each evidence's, already in memory) in one loop, in the same
run. Every entry has evidence of its own. Then how much memory the verifying process gains. On PostgreSQL.
"""

import datetime as dt
import hashlib
import json
import os
import secrets
import sys
import uuid
from collections.abc import Iterator
from typing import Any

from tests.benchmarks import ground
from tests.benchmarks.ground import Figure

ENTRIES = 1_000_000
ON_A_LINE = 3  # START, STOP, START
_BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def _fill() -> None:
    from django.core.management import call_command
    from django.db import connection

    from consent.models import Line
    from tests.make import make_line

    print(f"filling a database with {ENTRIES:,} entries", file=sys.stderr)
    call_command("migrate", verbosity=0)
    for serial in range(ground.LINES):
        make_line(f"+1206555010{serial}", name=f"Line {serial}")
    ground.give_defaults()
    lines = list(Line.objects.order_by("pk").values_list("pk", "uuid", "number"))
    tables: dict[str, tuple[list[str], list[Any]]] = {}
    with connection.cursor() as cursor:
        first = 0
        while first * len(lines) * ON_A_LINE < ENTRIES:
            tables = _rows(first, 2000, lines)
            for table, (columns, rows) in tables.items():
                with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            first += 2000
        for table in tables:
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
        cursor.execute("VACUUM ANALYZE")


def _rows(first: int, number: int, lines: list[Any]) -> dict[str, tuple[list[str], list[Any]]]:
    """Contacts with whole chains, hashed as the ledger hashes."""
    from consent import chain

    columns = [name for name in chain.COVERED if "__" not in name]
    contacts, entries, evidence, consents = [], [], [], []
    for pk in range(first + 1, first + number + 1):
        who, previous, seq = uuid.uuid4(), "", 0
        phone = f"+1{2_000_000_000 + pk}"
        last: dict[int, int] = {}
        for step in range(ON_A_LINE):
            for line, line_uuid, number_of_line in lines:
                seq += 1
                at = _BEGIN + dt.timedelta(days=step, seconds=pk % 80_000, microseconds=seq)
                out = step % 2 == 1
                data = {
                    "text": "STOP" if out else "START",
                    "from": phone,
                    "to": number_of_line,
                    "provider_id": f"SM{secrets.token_hex(16)}",
                    "received_at": at.isoformat(),
                }
                salt = secrets.token_bytes(32)
                digest = chain.evidence_digest(salt, data)
                evidence.append((uuid.uuid4(), digest, salt, json.dumps(data), at))
                values = {
                    **dict.fromkeys(columns, ""),
                    "contact__uuid": who,
                    "line__uuid": line_uuid,
                    "seq": seq,
                    "kind": "opted_out" if out else "opted_in",
                    "status_from": "opted_in" if out else "opted_out" if step else "not_defined",
                    "status_to": "opted_out" if out else "opted_in",
                    "since": at,
                    "source": "keyword",
                    "request_state": "not_sent",
                    "level": "" if out else "express",
                    "channel": "keyword",
                    "scope": "line" if out else "",
                    "rule": "keyword:STOP" if out else "keyword:START",
                    "wording": None,
                    "actor_id": None,
                    "occurred_at": at,
                    "recorded_at": at,
                    "evidence_digest": digest,
                    "previous_hash": previous,
                }
                previous = chain.entry_hash(values)
                last[line] = (pk - 1) * len(lines) * ON_A_LINE + seq
                entries.append((last[line], pk, line, previous, *(values[name] for name in columns)))
        contacts.append((pk, who, phone, at, seq, previous))
        for place, (line, _, _) in enumerate(lines, 1):
            begun = _BEGIN + dt.timedelta(days=2, seconds=pk % 80_000, microseconds=2 * len(lines) + place)
            ended = _BEGIN + dt.timedelta(days=1, seconds=pk % 80_000, microseconds=len(lines) + place)
            consents.append((pk, line, "opted_in", begun, "keyword", "express", ended, begun, last[line]))
    return {
        "consent_contact": (["id", "uuid", "number", "created", "ledger_seq", "ledger_head"], contacts),
        "consent_evidence": (["uuid", "digest", "salt", "data", "created"], evidence),
        "consent_ledgerentry": (["id", "contact_id", "line_id", "hash", *columns], entries),
        "consent_consent": (
            ["contact_id", "line_id", "status", "since", "source", "level", "opted_out_at", "own_opt_in_at",
             "entry_id"],
            consents,
        ),
    }  # fmt: skip


def _bytes() -> Iterator[bytes]:
    """What is hashed, entry by entry and evidence by evidence."""
    from consent import chain
    from consent.models import Evidence, LedgerEntry

    for entry in LedgerEntry.objects.order_by("pk").values(*chain.READ).iterator(5000):
        yield chain.TAG + chain.canonical(chain.covered(entry))
    for salt, data in Evidence.objects.values_list("salt", "data").iterator(5000):
        yield bytes(salt) + chain.canonical(data)


def _hash_all(given: list[bytes]) -> None:
    for each in given:
        hashlib.sha256(each).hexdigest()


def _peak() -> float:
    """MiB that this process held at most."""
    with open("/proc/self/status") as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmHWM:"))) / 1024


def measure() -> Iterator[Figure]:
    from consent import verification

    ground.use(f"ledger_{ENTRIES}", _fill)
    jobs = os.cpu_count() or 1
    before = _peak()
    assert not list(verification.verify())
    gained = _peak() - before
    yield Figure("verify_ledger_memory", gained, 60, 1.0, "MiB", "memory gained, limit 60 MiB")
    # The limit's bytes would be in the memory of forked processes too: they are made afterwards.
    ours = ground.median_seconds(lambda: list(verification.verify(jobs)), runs=3)
    given = list(_bytes())
    limit = ground.median_seconds(lambda: _hash_all(given), runs=3)
    yield Figure("verify_ledger", ours, limit, 4.0, "s", f"{ENTRIES:,} entries with {jobs} processes, limit SHA-256")


if __name__ == "__main__":
    ground.run(measure, __doc__)
