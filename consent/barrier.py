"""Nobody opens a line past a revocation that is under way.

A revocation reads which lines exist and writes itself on them. One that began before a line existed, and commits after
the line's opt-outs were looked up, would be missing there. So revocations share a lock, and whoever opens a line waits
once until those under way are done. SQLite has one writer at a time and needs nothing.
"""

from django.db import connection, transaction

_KEY = 0x0B71_1E5  # any number that nothing else in this database uses


def revocation_under_way() -> None:
    """Said by a revocation before it reads the lines; lasts until its transaction ends."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_KEY])


def wait_for_revocations() -> None:
    """Return once every revocation that may not know the latest lines has ended. Holds no other lock meanwhile."""
    if connection.vendor == "postgresql":
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_KEY])
