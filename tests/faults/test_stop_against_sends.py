"""STOP comes in while many texts to the same contact are on their way, on all lines at once."""

import random
import time
from pathlib import Path

from tests.faults.comparison import compare, moment, stopped, texts, wait_until_still
from tests.faults.conftest import Report
from tests.faults.engine import Engine, running, sized, until

LINES, TEXTS_ON_EACH = 3, sized(5, 2)
AT_ONCE = 5  # contacts


def _stop_while_texts_leave(engine: Engine, contacts: list[str]) -> dict[str, float]:
    """Each of them texts STOP at some moment while texts to all of them leave; gives when it was answered."""
    wanted = [
        (line, contact, f"Text {serial} for {contact} from {line}")
        for contact in contacts
        for line in engine.lines
        for serial in range(TEXTS_ON_EACH)
    ]
    random.shuffle(wanted)
    submitted = engine.submit_all(wanted)
    stops = {}
    for contact in contacts:
        enough = len(engine.left()) + random.randint(1, len(wanted) // AT_ONCE)
        until(
            lambda enough=enough: len(engine.left()) >= enough or all(each.done() for each in submitted),
            "texts leave, or all are submitted",
        )
        stops[contact] = engine.texted(contact, random.choice(engine.lines), "STOP")
    return stops


def test_stop_at_random_moments(tmp_path: Path, report: Report) -> None:
    began = time.monotonic()
    rounds = sized(30, 1000)
    with running(tmp_path, contacts=rounds, lines=LINES) as engine:
        # So that calls are under way when a STOP comes.
        engine.fault(fault="hang", seconds=sized(100, 50) / 1000, times=rounds * LINES * TEXTS_ON_EACH)
        stops: dict[str, float] = {}
        for first in range(0, rounds, AT_ONCE):
            stops |= _stop_while_texts_leave(engine, engine.contacts[first : first + AT_ONCE])
        wait_until_still(engine)
        figures = compare(engine)
        confirmed = [stopped(engine, contact, answered) for contact, answered in stops.items()]
        by_id = {text["provider_id"]: text for text in texts(engine)}
        ordinary = [entry for entry in engine.left() if by_id[entry["sid"]]["purpose"] == "ordinary"]
        close = [stops[entry["to"]] - by_id[entry["sid"]]["claimed_at"] for entry in ordinary]
        late = [moment(entry) - stops[entry["to"]] for entry in ordinary]
        report(
            **figures,
            stops=len(stops),
            claimed_in_the_second_before=sum(each < 1 for each in close),
            last_claim_before=f"{min(close):.3f} s",
            last_arrival_after=f"{max(late):.3f} s",
            slowest_confirmation=f"{max(confirmed):.1f} s",
            seconds=round(time.monotonic() - began),
        )
