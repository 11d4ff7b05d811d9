"""Triggers that make the database itself refuse to change or delete ledger entries and evidence.

Installed after every migrate, by one function that may run any number of times: on SQLite a migration that alters a
column rebuilds the table and drops its triggers without a word.
"""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

ENTRIES, EVIDENCE = "consent_ledgerentry", "consent_evidence"

# An erased piece of evidence is named by an entry written before, in the same transaction.
_ERASURE = f"EXISTS (SELECT 1 FROM {ENTRIES} e WHERE e.kind = 'evidence_erased' AND e.evidence_digest = OLD.digest)"

_SQLITE = {
    "optline_entries_no_update": f"BEFORE UPDATE ON {ENTRIES} "
    "BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed'); END",
    "optline_entries_no_delete": f"BEFORE DELETE ON {ENTRIES} "
    "BEGIN SELECT RAISE(ABORT, 'ledger entries are never deleted'); END",
    # INSERT OR REPLACE deletes without a delete trigger where a client has recursive_triggers off.
    "optline_entries_no_replace": f"BEFORE INSERT ON {ENTRIES} WHEN EXISTS (SELECT 1 FROM {ENTRIES} e "
    "WHERE e.id = NEW.id OR (e.contact_id = NEW.contact_id AND e.seq = NEW.seq)) "
    "BEGIN SELECT RAISE(ABORT, 'ledger entries are never replaced'); END",
    "optline_evidence_no_replace": f"BEFORE INSERT ON {EVIDENCE} WHEN EXISTS (SELECT 1 FROM {EVIDENCE} e "
    "WHERE e.id = NEW.id OR e.digest = NEW.digest OR e.uuid = NEW.uuid) "
    "BEGIN SELECT RAISE(ABORT, 'evidence is never replaced'); END",
    "optline_evidence_no_update": f"BEFORE UPDATE ON {EVIDENCE} "
    "BEGIN SELECT RAISE(ABORT, 'evidence is never changed'); END",
    "optline_evidence_no_delete": f"BEFORE DELETE ON {EVIDENCE} WHEN NOT {_ERASURE} "
    "BEGIN SELECT RAISE(ABORT, 'evidence is deleted only by an erasure'); END",
}

_POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION optline_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = '{EVIDENCE}' THEN
        IF {_ERASURE} THEN RETURN OLD; END IF;
    END IF;
    RAISE EXCEPTION '% on % is refused: audit rows stay as they were written', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$
"""
_POSTGRESQL = {
    f"optline_{short}_no_{event.lower()}": f"BEFORE {event} ON {table} FOR EACH "
    f"{'STATEMENT' if event == 'TRUNCATE' else 'ROW'} EXECUTE FUNCTION optline_refuse()"
    for short, table in (("entries", ENTRIES), ("evidence", EVIDENCE))
    for event in ("UPDATE", "DELETE", "TRUNCATE")
}


def install(connection: BaseDatabaseWrapper) -> None:
    """Put the triggers in place. Safe to repeat."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL_FUNCTION)
        for name, body in _wanted(connection).items():
            _drop_one(connection, cursor, name, body)
            cursor.execute(f"CREATE TRIGGER {name} {body}")


def lift(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away. For tests, around emptying the tables; nothing else may call it."""
    with connection.cursor() as cursor:
        for name, body in _wanted(connection).items():
            _drop_one(connection, cursor, name, body)


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """The names of the triggers that are not there, or on PostgreSQL not enabled."""
    if connection.vendor == "postgresql":
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
    else:
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    with connection.cursor() as cursor:
        cursor.execute(query)
        present = {row[0] for row in cursor.fetchall()}
    return sorted(set(_wanted(connection)) - present)


def lift_before_migrate(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """SQLite rebuilds a table to alter it, and refuses while a trigger of another table speaks of it.

    Should the migration fail half-way, the system check and readyz report the triggers missing until the next one.
    """
    connection = connections[using]
    if connection.vendor == "sqlite":
        lift(connection)


def install_after_migrate(using: str = DEFAULT_DB_ALIAS, plan: Any = None, **kwargs: Any) -> None:
    connection = connections[using]
    tables = connection.introspection.table_names()
    if ENTRIES in tables and EVIDENCE in tables:  # not while migrating backwards to nothing
        install(connection)


def _wanted(connection: BaseDatabaseWrapper) -> dict[str, str]:
    return _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE


def _drop_one(connection: BaseDatabaseWrapper, cursor: Any, name: str, body: str) -> None:
    table = EVIDENCE if f" ON {EVIDENCE}" in body else ENTRIES
    on = f" ON {table}" if connection.vendor == "postgresql" else ""
    cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")
