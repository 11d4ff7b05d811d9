"""The provider is too busy, fails, answers too late or hangs up. What may have left is never sent again."""

import time
from pathlib import Path

from tests.faults.comparison import compare, stopped, texts, wait_until_still
from tests.faults.conftest import Report
from tests.faults.engine import PACE, running, sized, until

FAULTS = ("none", "429", "500", "hang", "drop")
TOO_LATE = float(PACE["PROVIDER_READ_SECONDS"]) + 2


def test_answers_that_say_nothing(tmp_path: Path, report: Report) -> None:
    began = time.monotonic()
    each = sized(8, 80)
    with running(tmp_path, contacts=each * len(FAULTS)) as engine:
        [line] = engine.lines
        meets = {contact: FAULTS[place % len(FAULTS)] for place, contact in enumerate(engine.contacts)}
        for place, (contact, fault) in enumerate(meets.items()):
            if fault != "none":
                times = 2 if fault == "429" else 1
                engine.fault(fault=fault, to=contact, times=times, **({"seconds": TOO_LATE} if fault == "hang" else {}))
            if place % 2:  # no callback in time: the list must tell what became of it
                engine.fault(fault="delay_callbacks", to=contact, seconds=300, times=3)
        submitted = engine.submit_all(
            (line, contact, f"Text {serial} for {contact}") for serial in range(3) for contact in engine.contacts
        )
        until(lambda: all(each.done() for each in submitted), "the API takes texts", 120)
        # Some say STOP while their texts wait to be tried again.
        stops = {
            contact: engine.texted(contact, line, "STOP")
            for contact in [contact for contact, fault in meets.items() if fault == "429"][::4]
        }
        wait_until_still(engine)
        figures = compare(engine)
        for contact, answered in stops.items():
            stopped(engine, contact, answered)
        ours = [text for text in texts(engine) if text["contact"] not in stops]
        unknown = [text["contact"] for text in ours if text["status"] == "unknown"]
        assert sorted(unknown) == sorted(contact for contact, fault in meets.items() if fault == "500")
        left = [text for text in ours if text["status"] in {"sent", "delivered"}]
        assert len(left) + len(unknown) == len(ours) == 3 * (len(meets) - len(stops))
        report(**figures, stops=len(stops), seconds=round(time.monotonic() - began))
