"""Redis is killed, comes back empty, or loses everything while it runs. It is a bell and no more: nothing is lost."""

import time
from pathlib import Path

from tests.faults.comparison import compare, moment, stopped, texts, wait_until_still
from tests.faults.conftest import Report
from tests.faults.engine import Engine, running, sized, until

# A worker looks for a broker that is away again after 2, 4, 6 … seconds.
BACK_AT_WORK_SECONDS = 45


def _texts(engine: Engine, wave: int) -> list[tuple[str, str, str]]:
    return [(engine.lines[0], contact, f"Text {wave} for {contact}") for contact in engine.contacts]


def _all_left(engine: Engine, but: set[str]) -> None:
    waiting = [text for text in texts(engine) if text["contact"] not in but and text["status"] != "delivered"]
    assert not waiting, waiting


def test_redis_killed_under_load_and_back_empty(tmp_path: Path, report: Report) -> None:
    began = time.monotonic()
    with running(tmp_path, contacts=sized(60, 400)) as engine:
        [line] = engine.lines
        submitted = engine.submit_all(_texts(engine, 1) + _texts(engine, 2))
        until(lambda: len(engine.left()) >= 20, "the first texts leave")
        engine.redis.kill()
        gone = time.monotonic()
        stops = {}
        slowest = 0.0
        for contact in engine.contacts[::4]:
            asked = time.monotonic()
            stops[contact] = engine.texted(contact, line, "STOP")
            slowest = max(slowest, time.monotonic() - asked)
        until(lambda: all(each.done() for each in submitted), "the API takes texts without Redis")
        until(lambda: time.monotonic() > gone + sized(8, 45), "the end of its absence", 61)
        # Nobody hears of these until it is back.
        until(lambda: not engine.count("FROM messaging_message WHERE status = 'sending'"), "the senders end")
        submitted = engine.submit_all(_texts(engine, 3))
        until(lambda: all(each.done() for each in submitted), "the API takes texts without Redis")
        away = time.monotonic() - gone
        engine.redis.start()
        back = time.time()
        wait_until_still(engine, BACK_AT_WORK_SECONDS + sized(60, 300))
        figures = compare(engine)
        confirmed = [stopped(engine, contact, answered) for contact, answered in stops.items()]
        _all_left(engine, but=set(stops))
        first = min(moment(entry) for entry in engine.left() if moment(entry) > back) - back
        assert first < BACK_AT_WORK_SECONDS
        report(
            **figures,
            stops=len(stops),
            slowest_webhook=f"{slowest:.2f} s",
            away=f"{away:.0f} s",
            at_work_again_after=f"{first:.1f} s",
            slowest_confirmation=f"{max(confirmed):.1f} s",
            seconds=round(time.monotonic() - began),
        )


def test_redis_emptied_while_it_runs(tmp_path: Path, report: Report) -> None:
    """Nobody's connection breaks, so nobody notices: queues, bindings and what was in them are gone all the same."""
    began = time.monotonic()
    with running(tmp_path, contacts=sized(40, 300)) as engine:
        [line] = engine.lines
        for wave in (1, 2):
            submitted = engine.submit_all(_texts(engine, wave))
            until(lambda most=wave * 10: len(engine.left()) >= most, "the first texts leave")
            engine.keys.flushall()
            until(lambda submitted=submitted: all(each.done() for each in submitted), "the API takes texts")
            wait_until_still(engine, sized(60, 300))
        stops = {contact: engine.texted(contact, line, "STOP") for contact in engine.contacts[::4]}
        wait_until_still(engine, sized(60, 300))
        figures = compare(engine)
        confirmed = [stopped(engine, contact, answered) for contact, answered in stops.items()]
        _all_left(engine, but=set(stops))
        report(
            **figures,
            stops=len(stops),
            slowest_confirmation=f"{max(confirmed):.1f} s",
            seconds=round(time.monotonic() - began),
        )
