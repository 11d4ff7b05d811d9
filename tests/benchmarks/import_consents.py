"""Import of 1,000,000 opt-ins from CSV, 200,000 contacts on five lines: python -m tests.benchmarks.import_consents

The limit is, in the same run and on an empty database each time: COPY of the same rows into a temporary table, and
INSERT … SELECT … ON CONFLICT from it into contacts and consents; no ledger, no evidence, no validation. Ours reads and
validates every row, writes the evidence, the entries with their hashes, and reads the entries back. Then how much
memory the process gains over an import of a twentieth of the file. On PostgreSQL.

IMPORT_BENCH_CONTACTS and IMPORT_BENCH_RUNS make it smaller, for a look while something else runs.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import ground
from tests.benchmarks.ground import LINES, Figure

CONTACTS = int(os.environ.get("IMPORT_BENCH_CONTACTS", "200000"))
RUNS = int(os.environ.get("IMPORT_BENCH_RUNS", "3"))

_LIMIT = """
CREATE TEMPORARY TABLE given (number varchar, line varchar, level varchar, at timestamptz);
COPY given FROM STDIN (FORMAT csv, HEADER);
INSERT INTO consent_contact ({contact}) SELECT {contact_values} FROM (SELECT DISTINCT number FROM given) g
    ON CONFLICT (number) DO NOTHING;
INSERT INTO consent_consent (contact_id, line_id, status, since, source, level, request_state, blocked_at_provider)
    SELECT c.id, l.id, 'opted_in', g.at, 'import', g.level, 'not_sent', false
    FROM given g JOIN consent_contact c ON c.number = g.number JOIN consent_line l ON l.number = g.line
    ON CONFLICT (contact_id, line_id) DO UPDATE SET status = excluded.status, since = excluded.since;
"""


def write_file(path: Path, contacts: int) -> None:
    with path.open("w") as file:
        file.write("Mobile,Line,Level,Date\n")
        for serial in range(contacts):
            for line in range(LINES):
                file.write(f"+1{2060000000 + serial},+1206555010{line},express,2026-03-14T09:30:00Z\n")


def empty() -> None:
    from django.db import connection

    from consent import triggers

    triggers.lift(connection)
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE messaging_importchunk, messaging_importbatch, consent_consent, consent_ledgerentry,"
            " consent_evidence, consent_contact CASCADE"
        )
        cursor.execute("VACUUM ANALYZE")
    triggers.install(connection)


def limit(path: Path) -> float:
    """Seconds."""
    from django.db import connection

    from consent.models import Contact

    fixed = {"uuid": "gen_random_uuid()", "number": "number", "created": "now()", "ledger_seq": "0"}
    columns = [field.column for field in Contact._meta.concrete_fields if field.column != "id" and not field.null]
    parts = _LIMIT.format(
        contact=", ".join(columns), contact_values=", ".join(fixed.get(column, "''") for column in columns)
    ).split(";")
    start = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(parts[0])
        with cursor.copy(parts[1]) as copy, path.open("rb") as file:
            while block := file.read(1 << 16):
                copy.write(block)
        for statement in parts[2:-1]:
            cursor.execute(statement)
        cursor.execute("COMMIT")
        seconds = time.perf_counter() - start
        cursor.execute("DROP TABLE given")
    return seconds


def ours(path: Path) -> tuple[float, float, dict[str, int]]:
    """Seconds of the import and of the dry run before it, and what it counted."""
    from consent.models import User
    from messaging.importing import batches
    from messaging.importing.plan import Column, Plan, What
    from tests.make import make_officer

    user = User.objects.filter(username="bench").first() or make_officer("bench")
    with path.open("rb") as file:
        batch = batches.begin("", path.name, iter(lambda: file.read(1 << 20), b""), user=user, origin="command")
    columns = (Column.NUMBER, Column.LINE, Column.LEVEL, Column.DATE)
    batches.choose(batch, Plan(What.OPT_INS, columns, source="Sign-up forms"))
    batch.refresh_from_db()
    start = time.perf_counter()
    batches.work_now(batch)
    checked = time.perf_counter() - start
    batches.start(batch)
    batch.refresh_from_db()
    start = time.perf_counter()
    batches.work_now(batch)
    assert batch.state == "done", batch.problem
    return time.perf_counter() - start, checked, batch.counts


def peak() -> float:
    """MiB that this process held at most since ``forget_peak``."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def measure() -> Iterator[Figure]:
    ground.use_consents(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DATA_DIR"] = folder
        few, all_ = Path(folder) / "few.csv", Path(folder) / "all.csv"
        write_file(few, CONTACTS // 20)
        write_file(all_, CONTACTS)
        limits, times, checks, before, after = [], [], [], 0.0, 0.0
        for _ in range(RUNS):
            empty()
            limits.append(limit(all_))
            empty()
            forget_peak()
            ours(few)
            before = peak()
            empty()
            forget_peak()
            seconds, checked, counts = ours(all_)
            after = peak()
            assert counts == {"new": CONTACTS * LINES}, counts
            times.append(seconds)
            checks.append(checked)
        empty()
        bare = sorted(limits)[RUNS // 2]
        what = f"import of {CONTACTS * LINES:,} opt-ins, limit bare COPY and INSERT without ledger or validation"
        yield Figure("import_consents", sorted(times)[RUNS // 2], bare, 5.0, "s", what)
        yield Figure("import_consents_dry_run", sorted(checks)[RUNS // 2], bare, 5.0, "s", "its dry run, same limit")
        gained = max(after - before, 0.1)
        yield Figure("import_consents_memory", gained, 30, 1.0, "MiB", "memory gained over a twentieth of the file")


if __name__ == "__main__":
    ground.run(measure, __doc__)
