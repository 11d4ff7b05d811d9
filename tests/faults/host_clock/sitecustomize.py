"""The clock of one host. Python runs this at its start where the folder is on its path.

The file that HOST_CLOCK names says by how many seconds this process is wrong; it is looked at again and again, so that
the clock can step while the process runs.
"""

import os
import threading
import time
from pathlib import Path


def _keep_time(file: Path) -> None:
    import datetime as dt

    import time_machine

    def wanted() -> float:
        try:
            return float(file.read_text() or 0)
        except FileNotFoundError:
            return 0.0

    def follow() -> None:
        nonlocal off
        while True:
            time.sleep(0.05)
            if (now_off := wanted()) != off:
                traveller.shift(now_off - off)
                off = now_off

    off = wanted()
    traveller = time_machine.travel(dt.datetime.now(dt.UTC), tick=True).start()
    traveller.shift(time_machine.escape_hatch.time.time() - time.time() + off)  # to start took some time itself

    def start() -> None:
        threading.Thread(target=follow, name="host clock", daemon=True).start()

    start()
    os.register_at_fork(after_in_child=start)  # threads do not come along


if os.environ.get("HOST_CLOCK"):
    _keep_time(Path(os.environ["HOST_CLOCK"]))
