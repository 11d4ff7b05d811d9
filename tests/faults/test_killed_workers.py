"""Workers die while they send. Every text leaves once or not at all, and none is lost sight of."""

import random
import time
from pathlib import Path

from tests.faults.comparison import compare, in_motion, texts, wait_until_still
from tests.faults.conftest import Report
from tests.faults.engine import Engine, running, sized, until

TEXTS_FOR_EACH = 5


def _kill_workers_while_texts_leave(engine: Engine, submitted: list, step: int) -> int:
    """Whenever a few more have left, one worker dies. Gives how many did."""
    kills = 0

    def all_through() -> bool:
        return all(each.done() for each in submitted) and not in_motion(engine)

    while not all_through():
        enough = len(engine.left()) + random.randint(1, step)
        until(lambda enough=enough: len(engine.left()) >= enough or all_through(), "more texts leave", 60)
        random.choice(engine.workers).restart()
        kills += 1
    return kills


def test_workers_killed_during_sends(tmp_path: Path, report: Report) -> None:
    began = time.monotonic()
    number = sized(300, 5000)
    with running(tmp_path, contacts=number // TEXTS_FOR_EACH) as engine:
        [line] = engine.lines
        # Most answers are late, so that a kill meets texts that have left unrecorded; half the callbacks come too late.
        engine.fault(fault="hang", seconds=sized(200, 100) / 1000, times=number)
        engine.fault(fault="delay_callbacks", seconds=300, times=number // 2)
        submitted = engine.submit_all(
            (line, contact, f"Text {serial} for {contact}")
            for serial in range(TEXTS_FOR_EACH)
            for contact in engine.contacts
        )
        kills = _kill_workers_while_texts_leave(engine, submitted, step=sized(16, 40))
        wait_until_still(engine)
        figures = compare(engine)
        accepted = {each.result()["id"] for each in submitted}
        assert len(accepted) == number
        fates = {text["uuid"]: text["status"] for text in texts(engine)}
        assert {fates[each] for each in accepted} <= {"sent", "delivered", "unknown"}
        report(**figures, kills=kills, seconds=round(time.monotonic() - began))
