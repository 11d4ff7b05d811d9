"""What benchmarks stand on: databases of a known size on PostgreSQL, a serving process, and the way figures are told.

A database is made beside the one of DATABASE_URL and kept for the next benchmark that asks for the same; its name holds
its size and the state of the migrations. ``python -m tests.benchmarks.ground`` removes them all.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django

LINES = 5
PREFIX = "optline_benchmark_of_"
_GIVEN = {
    "DATABASE_URL": "postgres://postgres@127.0.0.1:5432/postgres",
    "REDIS_URL": "redis://127.0.0.1:6379/0",  # named, never spoken to
    "SIMULATOR": "true",
    "SECRET_KEY": "only-for-benchmarks-abcdefghijklmnopqrstuvwxyz-0123456789",
    "SUPPRESSION_KEY": "only-for-benchmarks-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DJANGO_SETTINGS_MODULE": "config.settings",
}

# Each contact has three entries on each of five lines, ten days apart; the last of them is the state.
_ROWS = """
INSERT INTO consent_contact (number, first_name, last_name, created, ledger_seq)
SELECT '+1' || (2000000000 + n), 'Jane', 'Doe ' || n, now() - interval '60 days', 15
FROM generate_series(1, {contacts}) n;

INSERT INTO consent_ledgerentry (contact_id, line_id, seq, kind, status_from, status_to, since, source, request_state,
    level, channel, scope, scope_category, rule, occurred_at, recorded_at, evidence_digest, previous_hash, hash)
SELECT c.id, l.id, 5 * (k - 1) + l.place, CASE WHEN (c.id + k) % 3 = 0 THEN 'opted_out' ELSE 'opted_in' END,
    CASE WHEN k = 1 THEN 'not_defined' WHEN (c.id + k - 1) % 3 = 0 THEN 'opted_out' ELSE 'opted_in' END,
    CASE WHEN (c.id + k) % 3 = 0 THEN 'opted_out' ELSE 'opted_in' END,
    at, 'keyword', 'accepted', '', 'keyword', '', '', '', at, at, '', '', ''
FROM generate_series(1, 3) k CROSS JOIN consent_contact c
    CROSS JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM consent_line) l
    CROSS JOIN LATERAL (SELECT now() - (40 - 10 * k) * interval '1 day' AS at) t
ORDER BY k, c.id, l.id;

INSERT INTO consent_consent (contact_id, line_id, status, since, source, level, request_state, blocked_at_provider,
    entry_id)
SELECT contact_id, line_id, status_to, since, source, '', request_state, false, id
FROM consent_ledgerentry WHERE seq > 10 ORDER BY contact_id, line_id;
"""


@dataclass(frozen=True)
class Figure:
    """One line of what a benchmark found. ``value`` is held against ``limit``: ratio at most ``bar``, or for a
    throughput at least."""

    name: str
    value: float
    limit: float
    bar: float
    unit: str
    what: str
    at_least: bool = False

    @property
    def ratio(self) -> float:
        return self.value / self.limit

    @property
    def holds(self) -> bool:
        return self.ratio >= self.bar if self.at_least else self.ratio <= self.bar

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": round(self.ratio, 2), "holds": self.holds}


def run(measure: Callable[[], Iterator[Figure]], doc: str | None) -> None:
    """The command line of a benchmark. Exits with 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    prepare()
    found = list(measure())
    for each in found:
        if args.json:
            print(json.dumps(each.as_json()))
        else:
            said = "holds" if each.holds else "DOES NOT HOLD"
            print(f"{each.what}: {each.value:.4g} {each.unit}, limit {each.limit:.4g}, ratio {each.ratio:.2f}", end="")
            print(f" (bar {'at least ' if each.at_least else ''}{each.bar:g}: {said})")
    sys.exit(not all(each.holds for each in found))


def prepare() -> None:
    os.environ.update({name: os.environ.get(name) or value for name, value in _GIVEN.items()})
    django.setup()
    from django.db import connection

    assert connection.vendor == "postgresql", "DATABASE_URL must name a PostgreSQL database"


def median_seconds(work: Callable[[], object], runs: int = 5) -> float:
    """Median over several runs; the first, which fills caches, is not counted."""
    found = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])


# ---- databases ------------------------------------------------------------------------------------------------------


def use_consents(contacts: int) -> None:
    """From now on the connection's database is one with so many contacts on each of five lines."""
    use(str(contacts), lambda: _fill(contacts))


def use(what: str, fill: Callable[[], None]) -> None:
    """From now on the connection's database is the one that ``fill`` made, now or for an earlier benchmark."""
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    leaves = MigrationLoader(None).graph.leaf_nodes()
    state = "_".join(name[:4] for app, name in sorted(leaves) if app in {"consent", "messaging", "reporting"})
    name = f"{PREFIX}{what}_{state}"
    connection.close()
    if connection.settings_dict["OPTIONS"].get("pool"):
        connection.close_pool()
    with _admin() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        there = cursor.fetchone()
        if not there:
            cursor.execute(f'CREATE DATABASE "{name}_new"')
    connection.settings_dict["NAME"] = name if there else f"{name}_new"
    if not there:
        fill()
        connection.close()
        connection.close_pool()
        with _admin() as cursor:
            cursor.execute(f'ALTER DATABASE "{name}_new" RENAME TO "{name}"')
        connection.settings_dict["NAME"] = name


def _fill(contacts: int) -> None:
    from django.core.management import call_command
    from django.db import connection

    from reporting import figures
    from reporting.models import Mark
    from tests.make import make_line

    print(f"filling a database with {contacts * LINES:,} consents", file=sys.stderr)
    call_command("migrate", verbosity=0)
    for serial in range(LINES):
        make_line(f"+1206555010{serial}", name=f"Line {serial}")
    give_defaults()
    rows = _ROWS.format(contacts=contacts)
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN;{rows}COMMIT")
        cursor.execute("VACUUM ANALYZE")
    give_up = time.monotonic() + 300
    while not Mark.objects.filter(ledger=contacts * LINES * 3).exists():
        assert time.monotonic() < give_up, "somebody on this server keeps a transaction open"
        figures.count()


def give_defaults() -> None:
    """Let the database fill in what the models would, so that rows made by SQL name only what they are about."""
    from django.apps import apps
    from django.db import connection

    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            for field in model._meta.local_concrete_fields:
                if (default := _default(field)) is not None:
                    cursor.execute(
                        f'ALTER TABLE "{model._meta.db_table}" ALTER COLUMN "{field.column}" SET DEFAULT {default}'
                    )


def _default(field: Any) -> str | None:
    """As SQL; None where the model has none either."""
    from django.db import models

    if field.null or field.primary_key or field.is_relation:
        return None
    if isinstance(field, models.UUIDField):
        return "gen_random_uuid()"
    value = field.get_default()
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, list | dict):
        return f"'{json.dumps(value)}'"
    return f"'{value}'" if isinstance(value, str) else None


@contextmanager
def _admin() -> Iterator[Any]:
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server, server.cursor() as cursor:
        yield cursor


def database_url() -> str:
    """Of the database in use."""
    from django.db import connection

    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


def psql(*statements: str) -> None:
    """The statements through psql, their output thrown away."""
    commands = [word for statement in statements for word in ("-c", statement)]
    with Path(os.devnull).open("wb") as nowhere:
        subprocess.run(["psql", "--quiet", "--no-psqlrc", database_url(), *commands], stdout=nowhere, check=True)


def psql_input(statement: str) -> None:
    """As ``psql``, for a statement that is too long for an argument."""
    command = ["psql", "--quiet", "--no-psqlrc", database_url()]
    with Path(os.devnull).open("wb") as nowhere:
        subprocess.run(command, input=statement.encode() + b";", stdout=nowhere, check=True)


# ---- serving --------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """Granian with one worker process, as in the README."""

    port: int
    process: subprocess.Popen[bytes]

    def resident(self, peak: bool = False) -> float:
        """MiB that its worker holds, or held at most since ``forget_peak``."""
        status = Path(f"/proc/{self._worker()}/status").read_text()
        wanted = "VmHWM:" if peak else "VmRSS:"
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith(wanted))) / 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self._worker()}/clear_refs").write_text("5")

    def _worker(self) -> int:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return max(map(int, children), key=lambda each: _memory(each))


def _memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])


@contextmanager
def serving(settings: str = "config.settings") -> Iterator[Server]:
    """The application over HTTP on a free port, on the database in use."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1", "--blocking-threads", "4"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "config.wsgi:application"]
    environment = {**os.environ, "DATABASE_URL": database_url(), "PUBLIC_URL": f"http://127.0.0.1:{port}"}
    environment["DJANGO_SETTINGS_MODULE"] = settings
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait(20)


def token() -> str:
    """Of somebody who may export."""
    from rest_framework.authtoken.models import Token

    from consent.models import User
    from tests.make import make_supervisor

    user = User.objects.filter(username="bench").first() or make_supervisor("bench")
    return Token.objects.get_or_create(user=user)[0].key


def main() -> None:
    """Remove the databases that benchmarks left."""
    prepare()
    with _admin() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{PREFIX}%"])
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            print(f"removed {name}")


if __name__ == "__main__":
    main()
