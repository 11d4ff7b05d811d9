"""Hosts whose clocks step, and days on which the clocks change. Nothing leaves outside the hours that are allowed where
the contact is, by the true time; nothing that may leave is lost."""

import datetime as dt
import time
from functools import partial
from pathlib import Path

from tests.faults.clocks import Clocks
from tests.faults.comparison import compare, moment, stopped, texts, wait_until_still
from tests.faults.conftest import Report
from tests.faults.engine import Engine, running, sized, until

HOUR = 3600.0
# The contacts are in Seattle, where texts may arrive from 8:00 to 20:00 (Washington).
MORNING = dt.datetime(2027, 12, 2, 16, tzinfo=dt.UTC)  # 8:00
EVENING = dt.datetime(2027, 12, 3, 4, tzinfo=dt.UTC)  # 20:00
# 20:30 and the next 8:00; in the night between them the clocks change.
CHANGES = {
    "forward": (dt.datetime(2027, 3, 14, 4, 30, tzinfo=dt.UTC), dt.datetime(2027, 3, 14, 15, tzinfo=dt.UTC)),
    "back": (dt.datetime(2027, 11, 7, 3, 30, tzinfo=dt.UTC), dt.datetime(2027, 11, 7, 16, tzinfo=dt.UTC)),
}
# Several sweeps look for what may leave.
SWEEPS_SECONDS = 4
CLAIM_SECONDS = 2


def _keep_quiet_hours(engine: Engine) -> Clocks:
    engine.run("UPDATE consent_line SET quiet_hours = true")
    return Clocks(engine)


def _submit(engine: Engine, contacts: list[str], words: str) -> None:
    [line] = engine.lines
    submitted = engine.submit_all((line, contact, f"{words} for {contact}") for contact in contacts)
    until(lambda: all(each.done() for each in submitted), "the API takes texts", sized(60, 300))
    assert all(each.result()["id"] for each in submitted)


def _some_sweeps() -> None:
    end = time.monotonic() + SWEEPS_SECONDS
    until(lambda: time.monotonic() > end, "sweeps")


def _left(engine: Engine, words: str) -> list[float]:
    """When texts that begin so left, by the web host's clock."""
    return [moment(entry) for entry in engine.left() if entry["body"].startswith(words)]


def _all_left(engine: Engine, contacts: list[str], words: str) -> None:
    until(lambda: len(_left(engine, words)) == len(contacts), f"“{words}” leaves to all", sized(60, 300))


def test_hosts_whose_clocks_step(tmp_path: Path, report: Report) -> None:
    """The database's clock rules. Hosts are an hour ahead or behind; the line's hours are kept to the second."""
    began = time.monotonic()
    clocks: list[Clocks] = []
    with running(
        tmp_path, contacts=sized(40, 200), before_start=lambda engine: clocks.append(_keep_quiet_hours(engine))
    ) as engine:
        [clock], [line] = clocks, engine.lines
        early, late = engine.contacts[::2], engine.contacts[1::2]
        clock.set_to(MORNING - dt.timedelta(seconds=sized(20, 60)))
        clock.step(engine.web, HOUR)
        clock.step(engine.workers[0], HOUR)
        clock.step(engine.workers[1], -HOUR)
        _submit(engine, early, "Early")
        assert clock.now() < MORNING.timestamp(), "the machine is too slow for these figures"
        _all_left(engine, early, "Early")
        first = min(clock.true(at) for at in _left(engine, "Early")) - MORNING.timestamp()
        # A clock that is set back must not make beat, or anybody, wait until it is where it was.
        clock.step(engine.beat, HOUR)
        _some_sweeps()
        clock.step(engine.beat, 0)
        clock.step(engine.workers[1], 0)
        stops = {}
        for contact in early[::4]:
            assert engine.webhook(f"SM{contact.removeprefix('+'):0>32}", contact, line, "STOP")
            stops[contact] = time.time() + clock.off
        until(partial(_confirmed, engine, len(stops)), "every STOP is confirmed")
        wait_until_still(engine)
        # In the evening a host that is an hour behind believes that there is time.
        clock.set_to(EVENING + dt.timedelta(seconds=1))
        clock.step(engine.web, -HOUR)
        clock.step(engine.workers[0], -HOUR)
        clock.step(engine.workers[1], -HOUR)
        _submit(engine, late, "Late")
        _some_sweeps()
        assert not _left(engine, "Late")
        clock.set_to(EVENING + dt.timedelta(hours=12))
        _all_left(engine, late, "Late")
        wait_until_still(engine)
        figures = compare(engine)
        _in_hours(engine)
        for contact in stops:
            assert sum(text["contact"] == contact and text["purpose"] != "ordinary" for text in texts(engine)) == 1
        report(
            **figures,
            stops=len(stops),
            first_after_the_hour=f"{first:.2f} s",
            seconds=round(time.monotonic() - began),
        )
        assert first >= 0


def _confirmed(engine: Engine, stops: int) -> bool:
    confirmed = "FROM messaging_message WHERE purpose = 'opt_out_confirmation' AND status IN ('sent', 'delivered')"
    return engine.count(confirmed) == stops


def _in_hours(engine: Engine) -> None:
    """By the database's clock, at which each was claimed: between 8:00 and 20:00 in Seattle."""
    outside = engine.rows(
        "SELECT body, claimed_at FROM messaging_message WHERE purpose = 'ordinary' AND claimed_at IS NOT NULL"
        " AND (claimed_at AT TIME ZONE 'America/Los_Angeles')::time NOT BETWEEN '08:00' AND '20:00'"
    )
    assert not outside, outside


def test_days_on_which_the_clocks_change(tmp_path: Path, report: Report) -> None:
    """What is written the evening before waits for 8:00 by the new time, whichever way the clocks went."""
    began = time.monotonic()
    clocks: list[Clocks] = []
    firsts = {}
    with running(
        tmp_path, contacts=sized(30, 150), before_start=lambda engine: clocks.append(_keep_quiet_hours(engine))
    ) as engine:
        [clock], [line] = clocks, engine.lines
        stops = {}
        for way, (evening, morning) in CHANGES.items():
            clock.set_to(evening)
            still_in = [contact for contact in engine.contacts if contact not in stops]
            _submit(engine, still_in, f"Clocks {way}")
            # In the middle of the night of the change some say STOP.
            clock.set_to(evening + (morning - evening) / 2)
            stopping = still_in[::5]
            for contact in stopping:
                assert engine.webhook(f"SM{contact.removeprefix('+'):0>32}", contact, line, "STOP")
                stops[contact] = time.time() + clock.off
            until(partial(_confirmed, engine, len(stops)), "every STOP is confirmed before five minutes pass at once")
            # Where the clocks had not changed, or had changed the other way, it would be 8:01 now.
            for hour in (2, 1):
                clock.set_to(morning - dt.timedelta(hours=hour) + dt.timedelta(minutes=1))
                _some_sweeps()
            assert not _left(engine, f"Clocks {way}")
            clock.set_to(morning - dt.timedelta(seconds=3))
            waiting = [contact for contact in still_in if contact not in stopping]
            _all_left(engine, waiting, f"Clocks {way}")
            firsts[way] = min(_left(engine, f"Clocks {way}")) - morning.timestamp()
            assert firsts[way] >= 0
            wait_until_still(engine)
        figures = compare(engine)
        _in_hours(engine)
        confirmed = [stopped(engine, contact, answered) for contact, answered in stops.items()]
        report(
            **figures,
            stops=len(stops),
            slowest_confirmation=f"{max(confirmed):.1f} s",
            first_after_the_hour=", ".join(f"{way} {seconds:.2f} s" for way, seconds in firsts.items()),
            seconds=round(time.monotonic() - began),
        )
