"""The database has no more room and refuses every write, then has room again. Webhooks get a 5xx only while it refuses,
what was answered with 200 or 201 is there afterwards, and nothing is stuck."""

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.faults.comparison import compare, in_motion, stopped, texts, wait_until_still
from tests.faults.conftest import Report
from tests.faults.engine import Engine, running, sized, until

TEXTS_FOR_EACH = 5

# What a full disk makes of a write (53100), for every statement that would change a row.
_WALLS = (
    "CREATE SCHEMA room",
    "CREATE TABLE room.used_up (up boolean NOT NULL)",
    "INSERT INTO room.used_up VALUES (false)",
    """
    CREATE FUNCTION room.needed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT up FROM room.used_up) THEN
            RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND {which} LOOP
            EXECUTE format('CREATE TRIGGER needs_room BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH STATEMENT'
                           ' EXECUTE FUNCTION room.needed()', name);
        END LOOP;
    END $$
    """,
)
# Every table; or those that grow, while what changes in place still finds room.
TABLES = {
    "nothing": "true",
    "no new rows": "tablename IN ('messaging_message', 'messaging_notice', 'consent_evidence')",
}


def _give_it_walls(engine: Engine, which: str) -> None:
    for statement in _WALLS:
        engine.run(statement.replace("{which}", which))


@dataclass
class Door:
    """Texts come in all the time: when each was asked for, when answered, and how."""

    engine: Engine
    answers: list[tuple[float, float, int | None]] = field(default_factory=list)
    taken: dict[str, float] = field(default_factory=dict)
    _ends: threading.Event = field(default_factory=threading.Event)

    def keep_knocking(self, contacts: list[str], line: str) -> None:
        """One STOP of each contact, tried again until it is taken."""
        for contact in contacts:
            while not self._ends.is_set() and contact not in self.taken:
                asked = time.monotonic()
                status = self.engine.webhook_status(f"SM{contact.removeprefix('+'):0>32}", contact, line, "STOP")
                self.answers.append((asked, time.monotonic(), status))
                if status == 200:
                    self.taken[contact] = time.time()
                self._ends.wait(0.05)

    def close(self) -> None:
        self._ends.set()


def _run(tmp_path: Path, report: Report, which: str, refused_seconds: float, times: int) -> None:
    began = time.monotonic()
    number = sized(100, 800)
    with running(
        tmp_path, contacts=number // TEXTS_FOR_EACH, before_start=partial(_give_it_walls, which=which)
    ) as engine:
        [line] = engine.lines
        engine.fault(fault="hang", seconds=0.2, times=number)
        submitted = engine.submit_all(
            (line, contact, f"Text {serial} for {contact}")
            for serial in range(TEXTS_FOR_EACH)
            for contact in engine.contacts
        )
        door = Door(engine)
        stopping = engine.contacts[::4]
        knocking: list[Future[None]] = []
        knockers = ThreadPoolExecutor(times)  # of their own: the engine's clients wait for room
        full: list[tuple[float, float]] = []
        for turn in range(times):
            enough = len(engine.left()) + random.randint(1, 5)
            until(lambda enough=enough: len(engine.left()) >= enough or not in_motion(engine), "texts leave")
            start = time.monotonic()
            engine.run("UPDATE room.used_up SET up = true")
            knocking.append(knockers.submit(door.keep_knocking, stopping[turn::times], line))
            until(lambda end=start + refused_seconds: time.monotonic() > end, "it refuses for a while")
            engine.run("UPDATE room.used_up SET up = false")
            full.append((start, time.monotonic()))
        until(lambda: all(each.done() for each in [*knocking, *submitted]), "everything is taken", sized(120, 400))
        door.close()
        knockers.shutdown()
        wait_until_still(engine, sized(120, 300))
        assert not engine.count("FROM messaging_receipt WHERE needs_person"), "a person is asked for nothing"
        figures = compare(engine)
        for contact in stopping:
            stopped(engine, contact, door.taken[contact])
        fates = {text["uuid"]: text for text in texts(engine)}
        for each in submitted:
            text = fates[each.result()["id"]]
            assert text["status"] in {"sent", "delivered", "unknown"} or text["contact"] in stopping, text
        refused = [answer for answer in door.answers if answer[2] != 200]
        for asked, answered, status in refused:
            assert status is not None and status >= 500, status
            assert any(asked <= end and answered >= start for start, end in full), "refused while there was room"
        if which == TABLES["nothing"]:
            inside = [
                answer
                for answer in door.answers
                if any(start + 0.1 < answer[0] and answer[1] < end for start, end in full)
            ]
            assert inside and all(status != 200 for _, _, status in inside), "taken while there was no room"
        report(
            **figures,
            stops=len(stopping),
            times_full=len(full),
            webhooks_without_200=len(refused),
            seconds=round(time.monotonic() - began),
        )


def test_no_room_for_anything(tmp_path: Path, report: Report) -> None:
    _run(tmp_path, report, TABLES["nothing"], refused_seconds=3, times=sized(2, 8))


def test_no_room_for_new_rows(tmp_path: Path, report: Report) -> None:
    """Receipts are still taken and marked as failed, again and again: that is the database's fault and not theirs."""
    _run(tmp_path, report, TABLES["no new rows"], refused_seconds=sized(15, 40), times=sized(1, 2))
