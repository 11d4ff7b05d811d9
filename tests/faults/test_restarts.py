"""Web, workers and beat are ended and started again, as a deployment does, while texts and STOPs go on."""

import random
import time
from pathlib import Path

from tests.faults.comparison import compare, in_motion, stopped, texts, wait_until_still
from tests.faults.conftest import Report
from tests.faults.engine import GRACE_SECONDS, Engine, Process, running, sized, until

TEXTS_IN_A_TURN = 100


def _restart_at_a_random_moment(engine: Engine, process: Process, most: int) -> float:
    """Gives how long it took to end."""
    enough = len(engine.left()) + random.randint(1, most)
    until(lambda: len(engine.left()) >= enough or not in_motion(engine), "more texts leave")
    seconds = process.end()
    process.start()
    if process is engine.web:
        engine.wait_for_web()
    return seconds


def test_everything_is_restarted_in_turn(tmp_path: Path, report: Report) -> None:
    began = time.monotonic()
    turns = sized(4, 10)
    number = turns * TEXTS_IN_A_TURN
    with running(tmp_path, contacts=number // 5) as engine:
        [line] = engine.lines
        engine.fault(fault="hang", seconds=0.2, times=number)
        wanted = [(line, contact, f"Text {serial} for {contact}") for serial in range(5) for contact in engine.contacts]
        stopping = engine.in_background(engine.webhooks, engine.contacts[::4], line, "STOP")
        submitted = []
        ended: dict[str, list[float]] = {}
        for turn in range(turns):
            submitted += engine.submit_all(wanted[turn::turns])
            for process in random.sample([engine.web, engine.beat, *engine.workers], 4):
                seconds = _restart_at_a_random_moment(engine, process, TEXTS_IN_A_TURN // 8)
                ended.setdefault(process.name, []).append(seconds)
        until(lambda: all(each.done() for each in [*submitted, stopping]), "the API takes texts")
        wait_until_still(engine)
        figures = compare(engine)
        assert all(each.result()["id"] for each in submitted)
        stops, refused = stopping.result()
        confirmed = [stopped(engine, contact, answered) for contact, answered in stops.items()]
        # Where a sender had to be killed, one of its texts may wait for a person; where the web process was away, a
        # callback was lost.
        fates = {text["status"] for text in texts(engine) if text["contact"] not in stops}
        assert fates <= {"sent", "delivered", "unknown"}
        report(
            **figures,
            stops=len(stops),
            webhooks_without_200=refused,
            restarts=sum(map(len, ended.values())),
            killed_because_they_did_not_end=sum(each >= GRACE_SECONDS for times in ended.values() for each in times),
            slowest_to_end=", ".join(f"{name} {max(times):.1f} s" for name, times in ended.items()),
            slowest_confirmation=f"{max(confirmed):.1f} s",
            seconds=round(time.monotonic() - began),
        )
