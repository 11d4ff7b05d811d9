"""The database itself refuses to change what was recorded (PRODUCT "What must never happen")."""

import datetime as dt
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from consent import checks, ledger, migrations, triggers
from consent.ledger import Authority, Proof
from consent.models import Evidence, LedgerEntry, Line
from consent.vocabulary import Channel, Level, Scope
from tests.make import make_contact, make_line

NOON = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)
ON_SQLITE = connection.vendor == "sqlite"


@pytest.fixture
def entry(db: None) -> LedgerEntry:
    """Two entries, each with its evidence; the first of them."""
    jane, line = make_contact(), make_line()
    for minute in range(2):
        ledger.opt_in(
            jane,
            line,
            Proof(Channel.KEYWORD, {"text": "START"}),
            occurred_at=NOON + dt.timedelta(minutes=minute),
            level=Level.EXPRESS,
            authority=Authority.CONTACT,
        )
    return LedgerEntry.objects.order_by("seq")[0]


def everything() -> list[object]:
    return [*LedgerEntry.objects.order_by("pk").values(), *Evidence.objects.order_by("pk").values("digest", "data")]


FORBIDDEN = [
    "UPDATE consent_ledgerentry SET status_to = 'opted_out'",
    "UPDATE consent_ledgerentry SET hash = 'x' WHERE seq = 1",
    "UPDATE consent_ledgerentry SET seq = seq + 100",
    "DELETE FROM consent_ledgerentry",
    "DELETE FROM consent_ledgerentry WHERE seq = 2",
    "UPDATE consent_evidence SET data = '{}'",
    "UPDATE consent_evidence SET digest = 'x' WHERE id = (SELECT min(id) FROM consent_evidence)",
    "DELETE FROM consent_evidence",
]
ONLY_SQLITE = [
    "INSERT OR REPLACE INTO consent_ledgerentry SELECT * FROM consent_ledgerentry WHERE seq = 1",
    "REPLACE INTO consent_evidence SELECT * FROM consent_evidence LIMIT 1",
    "UPDATE OR REPLACE consent_ledgerentry SET seq = 2 WHERE seq = 1",
    "UPDATE OR IGNORE consent_ledgerentry SET status_to = 'opted_out'",
    "INSERT INTO consent_ledgerentry SELECT * FROM consent_ledgerentry WHERE seq = 1 "
    "ON CONFLICT (id) DO UPDATE SET status_to = 'opted_out'",
]
ONLY_POSTGRESQL = [
    "TRUNCATE consent_ledgerentry",
    "TRUNCATE consent_evidence",
    "TRUNCATE consent_contact CASCADE",
    "INSERT INTO consent_ledgerentry SELECT * FROM consent_ledgerentry WHERE seq = 1 "
    "ON CONFLICT (id) DO UPDATE SET status_to = 'opted_out'",
]


@pytest.mark.parametrize("sql", FORBIDDEN + (ONLY_SQLITE if ON_SQLITE else ONLY_POSTGRESQL))
def test_raw_sql_is_refused(entry: LedgerEntry, sql: str) -> None:
    before = everything()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert everything() == before


def test_erasure_lets_its_own_evidence_through_and_no_other(entry: LedgerEntry) -> None:
    other = LedgerEntry.objects.get(seq=2).evidence_digest
    ledger.erase_evidence(entry.contact, entry.evidence_digest, Proof(Channel.AGENT, {}))
    assert not Evidence.objects.filter(digest=entry.evidence_digest).exists()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM consent_evidence WHERE digest = %s", [other])


def test_inserting_stays_possible(entry: LedgerEntry) -> None:
    assert LedgerEntry.objects.count() == 2


# ---- they are there, and somebody notices when they are not ---------------------------------------------------------


@contextmanager
def without_triggers():
    triggers.lift(connection)
    try:
        yield
    finally:
        triggers.install(connection)


def test_they_are_installed(db: None) -> None:
    assert triggers.missing(connection) == []


def test_installing_may_be_repeated(db: None) -> None:
    triggers.install(connection)
    triggers.install(connection)
    assert triggers.missing(connection) == []


def test_the_system_check_notices(db: None) -> None:
    assert checks.triggers_are_there(databases=["default"]) == []
    with without_triggers():
        (found,) = checks.triggers_are_there(databases=["default"])
    assert found.id == "consent.E004" and found.is_serious()
    assert "migrate" in found.hint


def test_one_missing_is_enough(db: None) -> None:
    name = "optline_entries_no_delete"
    on = "" if ON_SQLITE else " ON consent_ledgerentry"
    with without_triggers():
        triggers.install(connection)
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER {name}{on}")
        assert triggers.missing(connection) == [name]
        assert checks.triggers_are_there(databases=["default"])


@pytest.mark.skipif(ON_SQLITE, reason="SQLite can't disable a trigger")
def test_a_disabled_one_counts_as_missing(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE consent_ledgerentry DISABLE TRIGGER optline_entries_no_update")
    assert triggers.missing(connection) == ["optline_entries_no_update"]


def test_readyz_notices(db: None) -> None:
    assert Client().get("/readyz").status_code == 200
    with without_triggers():
        answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ok"] is False
    assert [problem["code"] for problem in answer.json()["problems"]] == ["triggers"]


LATER_MIGRATION = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("consent", "{last}")]
    operations = [
        migrations.AlterField("ledgerentry", "rule", models.CharField(max_length=61, blank=True)),
        migrations.AlterField("evidence", "digest", models.CharField(max_length=65, unique=True)),
    ]
"""


@pytest.mark.django_db(transaction=True)
def test_they_are_there_after_a_migration_that_rebuilds_the_tables(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SQLite AlterField makes a new table and drops the old one's triggers without a word."""
    later = tmp_path / "later_migrations"
    shutil.copytree(Path(migrations.__file__).parent, later, ignore=shutil.ignore_patterns("__pycache__"))
    last = max(path.stem for path in later.glob("0*.py"))
    (later / "9999_later.py").write_text(LATER_MIGRATION.format(last=last))
    monkeypatch.syspath_prepend(tmp_path)
    settings.MIGRATION_MODULES = {"consent": "later_migrations"}
    for target in ("9999", last):
        call_command("migrate", "consent", target, verbosity=0)
        assert triggers.missing(connection) == []
        make_entry()
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute("DELETE FROM consent_ledgerentry")
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute("DELETE FROM consent_evidence")


def make_entry() -> None:
    proof = Proof(Channel.KEYWORD, {"text": "leave me be"})
    line = Line.objects.first() or make_line()
    with transaction.atomic():
        ledger.opt_out(make_contact(), line, proof, occurred_at=NOON, scope=Scope.LINE)
