"""Faults on request: what is to go wrong, how often and for whom. They stand in the simulator's file, oldest first."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    # of a create call
    RATE_LIMIT = "429"
    SERVER_ERROR = "500"
    HANG = "hang"
    DROP = "drop"
    OPTED_OUT = "21610"
    UNREGISTERED = "30034"
    UNDELIVERED = "undelivered"
    # of what is told about a message that was taken on
    DUPLICATE_CALLBACKS = "duplicate_callbacks"
    REORDER_CALLBACKS = "reorder_callbacks"
    DELAY_CALLBACKS = "delay_callbacks"
    # of what is told about a contact's text
    DUPLICATE_WEBHOOKS = "duplicate_webhooks"
    DELAY_WEBHOOKS = "delay_webhooks"
    NO_WEBHOOK = "no_webhook"


@dataclass(frozen=True)
class Fault:
    """A fault in the queue. ``contact``: only for this number, '' for any. ``seconds``: of a hang or a delay. ``code``:
    of an undelivered message."""

    kind: FaultKind
    times: int = 1
    contact: str = ""
    seconds: float = 0.0
    code: int = 0


def add(db: sqlite3.Connection, fault: Fault) -> None:
    db.execute(
        "INSERT INTO fault (fault, times, contact, seconds, code) VALUES (?, ?, ?, ?, ?)",
        (fault.kind, fault.times, fault.contact, fault.seconds, fault.code),
    )


def queued(db: sqlite3.Connection) -> list[Fault]:
    return [_fault(row) for row in db.execute("SELECT * FROM fault ORDER BY id")]


def clear(db: sqlite3.Connection) -> int:
    return db.execute("DELETE FROM fault").rowcount


def find(db: sqlite3.Connection, kinds: Iterable[FaultKind], contact: str) -> tuple[int, Fault] | None:
    """The oldest fault of these kinds that is meant for this contact, with its id. It stays in the queue."""
    kinds = list(kinds)
    row = db.execute(
        f"SELECT * FROM fault WHERE fault IN ({', '.join('?' * len(kinds))}) AND contact IN ('', ?)"
        " ORDER BY id LIMIT 1",
        (*kinds, contact),
    ).fetchone()
    return (row["id"], _fault(row)) if row else None


def take(db: sqlite3.Connection, kind: FaultKind, contact: str) -> Fault | None:
    """The oldest fault of this kind that is meant for this contact, used up once."""
    found = find(db, [kind], contact)
    if found is None:
        return None
    use_up(db, found[0])
    return found[1]


def use_up(db: sqlite3.Connection, fault_id: int) -> None:
    """Take a fault out of the queue once."""
    db.execute("UPDATE fault SET times = times - 1 WHERE id = ?", (fault_id,))
    db.execute("DELETE FROM fault WHERE id = ? AND times <= 0", (fault_id,))


def _fault(row: sqlite3.Row) -> Fault:
    return Fault(FaultKind(row["fault"]), row["times"], row["contact"], row["seconds"], row["code"])
