"""STOPs come in while a long backlog of texts to others leaves. Their confirmations have five minutes and wait for none
of it; texts that one program sends to many don't delay them either."""

import time
from pathlib import Path

from tests.faults.comparison import compare, in_motion, stopped, wait_until_still
from tests.faults.conftest import Report
from tests.faults.engine import running, sized, until

# 47 CFR 64.1200(a)(12)
CONFIRMED_WITHIN_SECONDS = 300


def test_stops_behind_a_backlog(tmp_path: Path, report: Report) -> None:
    began = time.monotonic()
    stopping, texts_for_each = sized(6, 40), sized(10, 20)
    with running(tmp_path, contacts=sized(30, 200)) as engine:
        [line] = engine.lines
        contacts = engine.contacts
        # The senders wait for the provider, so that the backlog lasts.
        engine.fault(fault="hang", seconds=1, times=1_000_000)
        submitted = engine.submit_all(
            (line, contact, f"Text {serial} for {contact}")
            for serial in range(texts_for_each)
            for contact in contacts[stopping:]
        )
        until(lambda: all(each.done() for each in submitted), "the API takes texts")
        backlog = in_motion(engine)
        stops = {contact: engine.texted(contact, line, "STOP") for contact in contacts[:stopping]}
        behind = in_motion(engine)
        wait_until_still(engine)
        figures = compare(engine)
        confirmed = [stopped(engine, contact, answered) for contact, answered in stops.items()]
        report(
            **figures,
            backlog=backlog,
            in_motion_after_the_stops=behind,
            stops=len(stops),
            slowest_confirmation=f"{max(confirmed):.1f} s",
            seconds=round(time.monotonic() - began),
        )
        assert behind > stopping, "the backlog was gone before the STOPs"
        assert max(confirmed) < CONFIRMED_WITHIN_SECONDS
