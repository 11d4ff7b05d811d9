"""Statements written by hand, for what the ORM can't say fast enough. Both databases read the same text but for the
pieces that come from here.

On PostgreSQL a statement that is run again and again is prepared, since to plan a wide one takes longer than to run it.
"""

import functools
import json
from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection
from django.db.models import Field, Value

Params = dict[str, Any]


def fetch(text: str, params: Params, *, again_and_again: bool = False) -> list[tuple[Any, ...]]:
    """All rows of ``text``, as the driver gives them (``read_as``). Parameters are named: ``%(number)s``.

    ``again_and_again`` is for statements whose text stays the same from call to call.
    """
    with (
        _preparing_cursor() if again_and_again and connection.vendor == "postgresql" else connection.cursor() as cursor
    ):
        cursor.execute(text, params)
        return cursor.fetchall()


def _preparing_cursor() -> Any:
    """Django's own cursors put values into the text, so none of theirs is ever prepared. How often a statement is run
    before it is, says ``prepare_threshold`` in the settings."""
    from django.db.backends.postgresql.base import ServerBindingCursor

    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor: Any = ServerBindingCursor(connection.connection)  # type: ignore[call-arg]
    return connection.make_debug_cursor(cursor) if connection.queries_logged else connection.make_cursor(cursor)


def among(column: str, name: str, values: Collection[Any], params: Params) -> str:
    """The condition that ``column`` is one of ``values``, which are put into ``params`` as ``name``."""
    if len(values) == 1:
        params[name] = next(iter(values))
        return f"{column} = %({name})s"
    if connection.vendor == "postgresql":
        params[name] = list(values)
        return f"{column} = ANY(%({name})s)"
    params[name] = json.dumps(list(values))
    return f"{column} IN (SELECT value FROM json_each(%({name})s))"


def table(alias: str, columns: dict[str, list[str]], params: Params) -> str:
    """A table of texts for a FROM clause, from ``columns`` of one length, which are put into ``params``."""
    rows = len(next(iter(columns.values())))
    if rows == 1:
        params |= {name: values[0] for name, values in columns.items()}
        cells = ", ".join(f"CAST(%({name})s AS text) AS {name}" for name in columns)
        return f"(SELECT {cells}) AS {alias}"
    if connection.vendor == "postgresql":
        params |= columns
        arrays = ", ".join(f"CAST(%({name})s AS text[])" for name in columns)
        return f"unnest({arrays}) AS {alias} ({', '.join(columns)})"
    params[alias] = json.dumps(list(zip(*columns.values(), strict=True)))
    cells = ", ".join(f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(columns))
    return f"(SELECT {cells} FROM json_each(%({alias})s)) AS {alias}"


def moment(value: Any) -> Any:
    """A time as a parameter."""
    return connection.ops.adapt_datetimefield_value(value)


def read_as(fields: "Sequence[Field[Any, Any]]", rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows with what the driver gave made into the values of ``fields``, one for each column.

    SQLite knows neither times nor truth values; on PostgreSQL nothing is left to do.
    """
    converters = _converters(connection.vendor, tuple(fields))
    if not converters:
        return rows
    read = []
    for row in rows:
        values = list(row)
        for place, convert, expression in converters:
            values[place] = convert(values[place], expression, connection)
        read.append(tuple(values))
    return read


@functools.cache
def _converters(vendor: str, fields: "tuple[Field[Any, Any], ...]") -> list[tuple[int, Any, Any]]:
    found = []
    for place, field in enumerate(fields):
        expression = Value(None, output_field=field)
        for convert in (*connection.ops.get_db_converters(expression), *field.get_db_converters(connection)):
            found.append((place, convert, expression))
    return found
