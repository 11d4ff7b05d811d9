"""What the rows of a file that were checked so far would have changed, so that a row that is repeated is not counted
twice. On disk, in a database of its own that nobody else sees: a file may have millions of rows."""

import datetime as dt
import sqlite3
from collections.abc import Collection, Mapping
from typing import Self

from consent.bulk import Pair, Standing


class Seen:
    """Empty at first; gone with ``close``."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a temporary file, removed when it is closed
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE state (number TEXT, line INTEGER, status TEXT, level TEXT, opted_out_at TEXT,"
            " PRIMARY KEY (number, line)) WITHOUT ROWID;"
            "CREATE TABLE listed (number TEXT PRIMARY KEY) WITHOUT ROWID;"
            "CREATE TABLE wanted (number TEXT PRIMARY KEY) WITHOUT ROWID;"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._database.close()

    def lay_over(self, states: dict[Pair, Standing], numbers: Collection[str]) -> None:
        """Bring these states to what they would be now."""
        self._want(numbers)
        rows = self._database.execute(
            "SELECT number, line, status, level, opted_out_at FROM state JOIN wanted USING (number)"
        )
        for number, line, status, level, opted_out_at in rows:
            state = states.setdefault((number, line), Standing())
            state.status, state.level = status, level
            state.opted_out_at = dt.datetime.fromisoformat(opted_out_at) if opted_out_at else None

    def listed(self, numbers: Collection[str]) -> set[str]:
        self._want(numbers)
        return {row[0] for row in self._database.execute("SELECT number FROM listed JOIN wanted USING (number)")}

    def _want(self, numbers: Collection[str]) -> None:
        self._database.execute("DELETE FROM wanted")
        self._database.executemany("INSERT INTO wanted VALUES (?)", [(number,) for number in numbers])

    def remember(self, states: Mapping[Pair, Standing], listed: Collection[str]) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?)",
            [
                (
                    number,
                    line,
                    str(state.status),
                    str(state.level),
                    state.opted_out_at.isoformat() if state.opted_out_at else None,
                )
                for (number, line), state in states.items()
            ],
        )
        self._database.executemany("INSERT OR IGNORE INTO listed VALUES (?)", [(number,) for number in listed])
        self._database.commit()
