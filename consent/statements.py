"""Statements written by hand, for what the ORM can't say fast enough. Both databases read the same text but for the
pieces that come from here.

On PostgreSQL a statement that is run again and again is prepared, since to plan a wide one takes longer than to run it.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.models import Field, Value

Params = dict[str, Any]
Row = tuple[Any, ...]


class Columns:
    """What a statement gives, as values of these fields, one for each column."""

    def __init__(self, *fields: "Field[Any, Any]") -> None:
        self._fields = fields
        self._converters: dict[str, list[tuple[int, Any, Any]]] = {}

    def read(self, rows: list[Row]) -> list[Row]:
        """The rows with what the driver gave made into the fields' values.

        SQLite knows neither times nor truth values; on PostgreSQL nothing is left to do.
        """
        converters = self._converters.get(connection.vendor)
        if converters is None:
            converters = self._converters[connection.vendor] = list(self._needed())
        if not converters:
            return rows
        read = []
        for row in rows:
            values = list(row)
            for place, convert, expression in converters:
                values[place] = convert(values[place], expression, connection)
            read.append(tuple(values))
        return read

    def _needed(self) -> Iterator[tuple[int, Any, Any]]:
        for place, field in enumerate(self._fields):
            expression = Value(None, output_field=field)
            for convert in (*connection.ops.get_db_converters(expression), *field.get_db_converters(connection)):
                yield place, convert, expression


def fetch(text: str, params: Params, columns: Columns, *, again_and_again: bool = False) -> list[Row]:
    """All rows of ``text``. Parameters are named in it: ``%(number)s``.

    ``again_and_again`` is for a statement whose text stays the same from call to call and that finds little.
    """
    with _preparing_cursor() if again_and_again else connection.cursor() as cursor:
        cursor.execute(text, params)
        return columns.read(cursor.fetchall())


@contextmanager
def uncompiled() -> Iterator[None]:
    """Within it PostgreSQL does not compile statements: for those that look up thousands of rows that would take longer
    than to run them."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL jit = off")
        yield


def _preparing_cursor() -> Any:
    """Django's own cursors on PostgreSQL put the values into the text, so none of their statements is ever prepared.
    How often one is run before it is, says ``prepare_threshold`` in the settings."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "postgresql":
        return database.cursor()
    from django.db.backends.postgresql.base import ServerBindingCursor

    database.close_if_health_check_failed()
    database.ensure_connection()
    with database.wrap_database_errors:
        cursor: Any = ServerBindingCursor(database.connection)  # type: ignore[call-arg]
    return database.make_debug_cursor(cursor) if database.queries_logged else database.make_cursor(cursor)


def among(column: str, name: str, values: Collection[int], params: Params) -> str:
    """The condition that ``column`` is one of ``values``, ids, which are put into ``params`` as ``name``."""
    if len(values) == 1:
        params[name] = next(iter(values))
        return f"{column} = %({name})s"
    if connection.vendor == "postgresql":
        params[name] = ",".join(map(str, values))
        return f"{column} = ANY(CAST(string_to_array(%({name})s, ',') AS bigint[]))"
    params[name] = json.dumps(list(values))
    return f"{column} IN (SELECT value FROM json_each(%({name})s))"


def table(alias: str, columns: dict[str, list[str]], params: Params) -> str:
    """A table of texts without commas for a FROM clause, from ``columns`` of one length, which are put into ``params``.

    To PostgreSQL a column goes as one text: to write ten thousand as an array takes longer than to find them.
    """
    rows = len(next(iter(columns.values())))
    if rows == 1:
        params |= {name: values[0] for name, values in columns.items()}
        cells = ", ".join(f"CAST(%({name})s AS text) AS {name}" for name in columns)
        return f"(SELECT {cells}) AS {alias}"
    if connection.vendor == "postgresql":
        params |= {name: ",".join(values) for name, values in columns.items()}
        arrays = ", ".join(f"string_to_array(%({name})s, ',')" for name in columns)
        return f"unnest({arrays}) AS {alias} ({', '.join(columns)})"
    params[alias] = json.dumps(list(zip(*columns.values(), strict=True)))
    cells = ", ".join(f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(columns))
    return f"(SELECT {cells} FROM json_each(%({alias})s)) AS {alias}"


def joined(expression: str) -> str:
    """The aggregate that strings the texts of ``expression`` together, a space between them."""
    name = "string_agg" if connection.vendor == "postgresql" else "group_concat"
    return f"{name}({expression}, ' ')"


def moment(value: Any) -> Any:
    """A time as a parameter."""
    return connection.ops.adapt_datetimefield_value(value)
