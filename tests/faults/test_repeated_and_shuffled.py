"""Webhooks come three times at once and out of order, callbacks twice and backwards. What contacts said last counts."""

import time
from collections import Counter
from pathlib import Path

from tests.faults.comparison import LEFT, compare, nothing_after_a_stop, texts, wait_until_still
from tests.faults.conftest import Report
from tests.faults.engine import Engine, running, sized, until

WORDS = ("STOP", "START", "STOP")
# The provider's list is asked for texts older than this.
PATIENCE_SECONDS = 30
Said = tuple[str, str, str]  # provider's id, contact, word


def _deliver(engine: Engine, said: Said) -> float:
    """Three copies of one webhook at once; gives when the last was answered."""
    sid, contact, word = said
    copies = [engine.in_background(engine.webhook, sid, contact, engine.lines[0], word) for _ in range(3)]
    answers = [copy.result() for copy in copies]
    assert all(answers), f"webhooks not answered with 200: {answers}"
    return max(answers)


def _say(engine: Engine, contact: str, word: str) -> Said:
    return engine.text_in(contact, engine.lines[0], word), contact, word


def _statuses(engine: Engine, contacts: list[str]) -> list[str]:
    query = "SELECT status FROM consent_consent s JOIN consent_contact c ON c.id = s.contact_id WHERE number = ANY(%s)"
    return [row["status"] for row in engine.rows(query, contacts)]


def test_stop_start_stop(tmp_path: Path, report: Report) -> None:
    began = time.monotonic()
    each = sized(8, 100)
    with running(tmp_path, contacts=3 * each) as engine:
        [line] = engine.lines
        in_order, first_stop_last, start_last = (engine.contacts[place::3] for place in range(3))
        engine.fault(fault="no_webhook", times=1_000_000)
        engine.fault(fault="reorder_callbacks", times=1_000_000)
        engine.fault(fault="duplicate_callbacks", times=1_000_000)
        submitted = engine.submit_all((line, contact, f"Hello {contact}") for contact in engine.contacts)
        answered = {}
        longest = 0.0
        for contact in in_order:
            asked = time.monotonic()
            for word in WORDS:
                answered[contact] = _deliver(engine, _say(engine, contact, word))
            longest = max(longest, time.monotonic() - asked)
        for contact in first_stop_last:
            stop, start, last_stop = [_say(engine, contact, word) for word in WORDS]
            for said in (start, last_stop, stop):
                answered[contact] = _deliver(engine, said)
        # The provider's times, whole seconds, must tell these apart.
        said = {contact: [] for contact in start_last}
        for word in WORDS:
            for contact in start_last:
                said[contact].append(_say(engine, contact, word))
            spoken = time.time()
            until(lambda spoken=spoken: time.time() > spoken + 1.1, "the next second")
        for stop, start, last_stop in said.values():
            for text in (stop, last_stop, start):
                _deliver(engine, text)
        until(lambda: all(each.done() for each in submitted), "the API takes texts")
        wait_until_still(engine)
        assert set(_statuses(engine, in_order + first_stop_last)) == {"opted_out"}
        until(
            lambda: set(_statuses(engine, start_last)) == {"opted_out"},
            "the provider's times say that the last word was STOP",
            PATIENCE_SECONDS + 30,
        )
        wait_until_still(engine)
        figures = compare(engine)
        for contact, moment in answered.items():
            nothing_after_a_stop(engine, contact, moment)
        left = [text for text in texts(engine) if text["status"] in LEFT]
        assert {text["status"] for text in left} == {"delivered"}, "callbacks that come backwards move nothing back"
        confirmations = [text for text in left if text["purpose"] == "opt_out_confirmation"]
        of_one_stop = Counter((text["contact"], text["answers"]) for text in confirmations)
        assert set(of_one_stop.values()) == {1}, "two confirmations of one STOP"
        confirmed = Counter(text["contact"] for text in confirmations)
        assert set(confirmed) == set(engine.contacts), "no confirmation of any STOP"
        assert max(confirmed.values()) <= WORDS.count("STOP"), "more confirmations than STOPs"
        report(
            **figures,
            webhooks=9 * len(engine.contacts),
            confirmations=len(confirmations),
            longest_stop_start_stop=f"{longest:.2f} s",
            seconds=round(time.monotonic() - began),
        )
