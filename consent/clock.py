"""The one clock that all hosts share."""

import datetime as dt

from django.db import connection
from django.utils import timezone


def database_now() -> dt.datetime:
    """The database's time at the start of this statement. Times that are compared across hosts are taken from it.

    An SQLite file has no clock but that of its only host.
    """
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        moment: dt.datetime = cursor.fetchone()[0]
        return moment


def now_in_sql() -> str:
    """What a statement of ours says for the database's time."""
    if connection.vendor == "postgresql":
        return "statement_timestamp()"
    return f"'{timezone.now().astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}'"
