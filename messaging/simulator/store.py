"""The simulator's memory: one SQLite file of its own, ``DATA_DIR/simulator.sqlite3``.

It survives a kill of the process (WAL) and is safe with several web processes and threads: every change is one
IMMEDIATE transaction. ``settings.DATA_DIR`` is read at each use, so a test can point it elsewhere. Deleting the file
while nothing runs forgets everything. All times are seconds since the epoch.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

from django.conf import settings

from messaging.segments import measure
from messaging.simulator.carrier import Line

FILE_NAME = "simulator.sqlite3"
_BUSY_SECONDS = 20

_SCHEMA = """
CREATE TABLE line (
    number TEXT PRIMARY KEY, name TEXT NOT NULL, handles_opt_outs INTEGER NOT NULL, advanced INTEGER NOT NULL,
    service TEXT NOT NULL
);
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT NOT NULL UNIQUE, direction TEXT NOT NULL, contact TEXT NOT NULL,
    line TEXT NOT NULL, body TEXT NOT NULL, segments INTEGER NOT NULL, media INTEGER NOT NULL, status TEXT NOT NULL,
    error_code INTEGER, will_fail_with INTEGER, service TEXT NOT NULL, created_at REAL NOT NULL, sent_at REAL,
    updated_at REAL NOT NULL
);
CREATE INDEX message_thread ON message (contact, line, id);
CREATE TABLE block (contact TEXT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (contact, line));
CREATE TABLE fault (
    id INTEGER PRIMARY KEY AUTOINCREMENT, fault TEXT NOT NULL, times INTEGER NOT NULL, contact TEXT NOT NULL,
    seconds REAL NOT NULL, code INTEGER NOT NULL
);
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, sid TEXT NOT NULL, contact TEXT NOT NULL,
    url TEXT NOT NULL, form TEXT NOT NULL, copies INTEGER NOT NULL, owner TEXT NOT NULL, lease_until REAL NOT NULL,
    not_before REAL NOT NULL DEFAULT 0, backwards INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE log (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, sid TEXT NOT NULL,
    contact TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL, body TEXT NOT NULL, status TEXT NOT NULL,
    code INTEGER, http_status INTEGER, error TEXT NOT NULL, fault TEXT NOT NULL
);
CREATE INDEX log_contact ON log (contact, id);
PRAGMA user_version = 1;
"""
# What a file of an earlier version lacks.
_UPGRADE = (
    "ALTER TABLE delivery ADD COLUMN not_before REAL NOT NULL DEFAULT 0",
    "ALTER TABLE delivery ADD COLUMN backwards INTEGER NOT NULL DEFAULT 0",
    "PRAGMA user_version = 1",
)


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound-api"
    NETWORK = "network"  # written by Twilio or the network itself: on the phone, but no message of the account


class LogKind(StrEnum):
    CREATE = "create"
    CREATE_REFUSED = "create_refused"
    INBOUND = "inbound"
    NETWORK = "network"
    CALLBACK = "callback"
    WEBHOOK = "webhook"


# ---- the file ------------------------------------------------------------------------------------------------------

_local = threading.local()
_writers = threading.Lock()  # SQLite lets one writer in; waiting here is fairer than its busy time-out


def _after_fork() -> None:
    # A SQLite connection must not be used on the other side of a fork, nor a lock that a thread held there.
    global _local, _writers
    _local, _writers = threading.local(), threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def path() -> Path:
    return Path(settings.DATA_DIR) / FILE_NAME


def reading() -> sqlite3.Connection:
    """This thread's connection, in autocommit."""
    file = path()
    if getattr(_local, "file", None) != file:
        if previous := getattr(_local, "connection", None):
            previous.close()
        _local.connection, _local.file = _open(file), file
    return _local.connection


@contextmanager
def writing() -> Iterator[sqlite3.Connection]:
    """One IMMEDIATE transaction: all of it is in the file when the block ends, nothing where it raises."""
    db = reading()
    with _writers:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def _open(file: Path) -> sqlite3.Connection:
    if not file.is_file():
        _make(file)
    # Closed by whichever thread collects it, hence no check; used by one thread only.
    db = sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA synchronous = NORMAL")
    _upgrade(db)
    return db


def _upgrade(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA user_version").fetchone()[0]:
        return
    db.execute("BEGIN IMMEDIATE")
    if not db.execute("PRAGMA user_version").fetchone()[0]:  # nobody was faster
        for change in _UPGRADE:
            db.execute(change)
    db.execute("COMMIT")


def _make(file: Path) -> None:
    """Make the file aside and give it its name when it is whole.

    Two processes that switch one new file to WAL at once can fail with "database is locked", time-out or not.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{uuid4().hex}")
    db = sqlite3.connect(draft, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    db.close()
    try:
        os.link(draft, file)
    except FileExistsError:
        pass  # another process was first; its file is the file
    finally:
        draft.unlink()


# ---- lines and blocks ----------------------------------------------------------------------------------------------


def line(db: sqlite3.Connection, number: str) -> Line:
    """The line's settings, the defaults where it was never set."""
    row = db.execute("SELECT * FROM line WHERE number = ?", (number,)).fetchone()
    return _line(row) if row else Line(number)


def lines(db: sqlite3.Connection) -> list[Line]:
    """Every line that was set or that a message came from or went to, by number."""
    known = {row["number"]: _line(row) for row in db.execute("SELECT * FROM line")}
    for row in db.execute("SELECT DISTINCT line FROM message"):
        known.setdefault(row["line"], Line(row["line"]))
    return [known[number] for number in sorted(known)]


def save_line(db: sqlite3.Connection, line: Line) -> None:
    db.execute(
        "INSERT OR REPLACE INTO line (number, name, handles_opt_outs, advanced, service) VALUES (?, ?, ?, ?, ?)",
        (line.number, line.name, line.handles_opt_outs, line.advanced, line.service),
    )


def line_of_service(db: sqlite3.Connection, service: str) -> str:
    """The first line of a messaging service, '' where it has none."""
    row = db.execute("SELECT number FROM line WHERE service = ? ORDER BY number LIMIT 1", (service,)).fetchone()
    return row["number"] if row else ""


def set_block(db: sqlite3.Connection, contact: str, line: Line, *, blocked: bool) -> None:
    """Block or free the pair, and with it the contact's pairs with every line of the same messaging service."""
    numbers = {line.number}
    if line.service:
        numbers |= {row["number"] for row in db.execute("SELECT number FROM line WHERE service = ?", (line.service,))}
    change = "INSERT OR IGNORE INTO block (contact, line) VALUES (?, ?)"
    if not blocked:
        change = "DELETE FROM block WHERE contact = ? AND line = ?"
    db.executemany(change, [(contact, number) for number in numbers])


def is_blocked(db: sqlite3.Connection, contact: str, line: str) -> bool:
    return db.execute("SELECT 1 FROM block WHERE contact = ? AND line = ?", (contact, line)).fetchone() is not None


# ---- messages ------------------------------------------------------------------------------------------------------


def add_message(
    db: sqlite3.Connection,
    direction: Direction,
    *,
    contact: str,
    line: str,
    body: str,
    status: str,
    media: int = 0,
    service: str = "",
    will_fail_with: int | None = None,
    http_status: int | None = None,
    fault: str = "",
) -> str:
    """Store a message and its one log entry. The answer is its sid."""
    sid, now = f"SM{uuid4().hex}", time.time()
    sent_at = None if direction is Direction.OUTBOUND else now
    what = (sid, direction, contact, line, body, measure(body).segments, media, status, will_fail_with, service)
    db.execute(
        "INSERT INTO message (sid, direction, contact, line, body, segments, media, status, will_fail_with, service,"
        " created_at, sent_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*what, now, sent_at, now),
    )
    inbound = direction is Direction.INBOUND
    add_log(
        db,
        LogKind.CREATE if direction is Direction.OUTBOUND else LogKind(direction.value),
        contact=contact,
        sid=sid,
        sender=contact if inbound else line,
        recipient=line if inbound else contact,
        body=body,
        status=status,
        http_status=http_status,
        fault=fault,
    )
    return sid


def message(db: sqlite3.Connection, sid: str) -> sqlite3.Row | None:
    return db.execute("SELECT * FROM message WHERE sid = ?", (sid,)).fetchone()


def set_status(db: sqlite3.Connection, sid: str, status: str, error_code: int | None = None) -> None:
    """Move an outgoing message on; its first move is when it was sent."""
    now = time.time()
    db.execute(
        "UPDATE message SET status = ?, error_code = ?, sent_at = COALESCE(sent_at, ?), updated_at = ? WHERE sid = ?",
        (status, error_code, now, now, sid),
    )


def threads(db: sqlite3.Connection, contacts: Iterable[str], latest: int) -> list[sqlite3.Row]:
    """The ``latest`` messages of each contact and line as they are on the phones, oldest first.

    No contacts named means all of them. A text that did not arrive, or has not yet, is on no phone.
    """
    contacts = list(contacts)
    chosen = f"AND contact IN ({', '.join('?' * len(contacts))})" if contacts else ""
    return db.execute(
        f"""SELECT * FROM (
            SELECT *, ROW_NUMBER() OVER (PARTITION BY contact, line ORDER BY id DESC) AS recency FROM message
            WHERE (direction != '{Direction.OUTBOUND}' OR status IN ('sent', 'delivered')) {chosen}
        ) WHERE recency <= ? ORDER BY id""",
        (*contacts, latest),
    ).fetchall()


def contacts(db: sqlite3.Connection, latest: int) -> list[str]:
    """The numbers of the ``latest`` contacts that something was written by or to, the last one first."""
    rows = db.execute("SELECT contact FROM message GROUP BY contact ORDER BY MAX(id) DESC LIMIT ?", (latest,))
    return [row["contact"] for row in rows]


# ---- the log -------------------------------------------------------------------------------------------------------


def add_log(
    db: sqlite3.Connection,
    kind: LogKind,
    *,
    contact: str,
    sid: str = "",
    sender: str = "",
    recipient: str = "",
    body: str = "",
    status: str = "",
    code: int | None = None,
    http_status: int | None = None,
    error: str = "",
    fault: str = "",
) -> None:
    db.execute(
        "INSERT INTO log (at, kind, sid, contact, sender, recipient, body, status, code, http_status, error, fault)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (time.time(), kind, sid, contact, sender, recipient, body, status, code, http_status, error, fault),
    )


def log(db: sqlite3.Connection, *, since: int = 0, contact: str = "") -> list[sqlite3.Row]:
    """The entries after ``since``, in the order in which they happened."""
    if contact:
        return db.execute("SELECT * FROM log WHERE id > ? AND contact = ? ORDER BY id", (since, contact)).fetchall()
    return db.execute("SELECT * FROM log WHERE id > ? ORDER BY id", (since,)).fetchall()


# ---- deliveries ----------------------------------------------------------------------------------------------------


def add_delivery(
    db: sqlite3.Connection,
    kind: LogKind,
    *,
    sid: str,
    contact: str,
    url: str,
    form: Mapping[str, str],
    copies: int,
    owner: str,
    lease_until: float,
    not_before: float = 0.0,
    backwards: bool = False,
) -> int:
    """Owe somebody a webhook or a message's status callbacks. Stays until ``end_delivery``."""
    cursor = db.execute(
        "INSERT INTO delivery (kind, sid, contact, url, form, copies, owner, lease_until, not_before, backwards)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (kind, sid, contact, url, json.dumps(dict(form)), copies, owner, lease_until, not_before, backwards),
    )
    return int(cursor.lastrowid or 0)


def delivery(db: sqlite3.Connection, delivery_id: int) -> sqlite3.Row | None:
    return db.execute("SELECT * FROM delivery WHERE id = ?", (delivery_id,)).fetchone()


def end_delivery(db: sqlite3.Connection, delivery_id: int) -> None:
    db.execute("DELETE FROM delivery WHERE id = ?", (delivery_id,))


def pending_deliveries(db: sqlite3.Connection) -> int:
    return db.execute("SELECT COUNT(*) FROM delivery").fetchone()[0]


def renew_leases(db: sqlite3.Connection, owner: str, lease_until: float) -> None:
    db.execute("UPDATE delivery SET lease_until = ? WHERE owner = ?", (lease_until, owner))


def adopt_deliveries(db: sqlite3.Connection, owner: str, lease_until: float) -> list[tuple[int, str]]:
    """Take over what a process that is gone still owed: ids with their contact, oldest first."""
    rows = db.execute(
        "SELECT id, contact FROM delivery WHERE owner != ? AND lease_until < ? ORDER BY id", (owner, time.time())
    ).fetchall()
    db.executemany(
        "UPDATE delivery SET owner = ?, lease_until = ? WHERE id = ?",
        [(owner, lease_until, row["id"]) for row in rows],
    )
    return [(row["id"], row["contact"]) for row in rows]


def _line(row: sqlite3.Row) -> Line:
    return Line(row["number"], row["name"], bool(row["handles_opt_outs"]), bool(row["advanced"]), row["service"])
