"""The webhook of a STOP never comes. The provider's list shows it, and it acts all the same, once."""

import time
from pathlib import Path

from tests.faults.comparison import compare, moment, texts, wait_until_still
from tests.faults.conftest import Report
from tests.faults.engine import running, sized, until

# The provider's list is asked for texts older than this.
PATIENCE_SECONDS = 30


def test_stops_without_a_webhook(tmp_path: Path, report: Report) -> None:
    began = time.monotonic()
    with running(tmp_path, contacts=sized(40, 500)) as engine:
        [line] = engine.lines
        engine.fault(fault="no_webhook", times=1_000_000)
        said = {contact: (engine.text_in(contact, line, "STOP"), time.time()) for contact in engine.contacts}
        engine.submit_all((line, contact, f"Meanwhile, {contact}") for contact in engine.contacts)

        def out() -> int:
            return engine.count("FROM consent_consent WHERE status = 'opted_out'")

        until(lambda: out() == len(said), "every STOP has acted", PATIENCE_SECONDS + sized(30, 120))
        found = time.time()
        # The webhooks come after all, and change nothing.
        for contact, (sid, _) in list(said.items())[::2]:
            assert engine.webhook(sid, contact, line, "STOP")
        afterwards = engine.submit_all((line, contact, f"Later, {contact}") for contact in engine.contacts)
        assert {each.result()["status"] for each in afterwards} <= {"refused", "deferred"}
        wait_until_still(engine)
        figures = compare(engine)
        ours = texts(engine)
        assert not [text for text in ours if text["body"].startswith("Later") and text["status"] != "refused"]
        confirmed = [text["contact"] for text in ours if text["purpose"] == "opt_out_confirmation"]
        assert sorted(confirmed) == sorted(said)
        assert sum(moment(entry) > found for entry in engine.left()) <= len(said)
        first = min(at for _, at in said.values())
        report(
            **figures,
            stops=len(said),
            all_found_after=f"{found - first:.1f} s",
            seconds=round(time.monotonic() - began),
        )
