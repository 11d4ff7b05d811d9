"""The worker and the clock inside the serving process, for the embedded default (no broker of its own).

Started by config.wsgi alone: not by commands, migrations, tests or the reloader's parent. A file lock beside the
database lets one process of several be the worker; when it ends, the next one that starts takes over.
"""

import fcntl
import logging
import threading
from pathlib import Path
from typing import IO

from celery import Celery
from celery.beat import EmbeddedService

log = logging.getLogger(__name__)

_lock_file: IO[str] | None = None


def start(app: Celery, folder: Path) -> bool:
    """Run worker and clock in threads of this process. False where another process does already."""
    global _lock_file
    folder.mkdir(parents=True, exist_ok=True)
    lock_file = (folder / "worker.lock").open("w")
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock_file.close()
        return False
    _lock_file = lock_file  # kept open: the lock lasts as long as the process
    app.finalize()
    # One worker per queue, so that a provider that hangs does not keep texts from being read.
    for queue in (app.conf.task_default_queue, app.conf.task_routes["messaging.tasks.send_due"]["queue"]):
        worker = app.WorkController(
            app=app,
            pool="solo",
            queues=[queue],
            hostname=f"{queue}@embedded",
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            loglevel="WARNING",
        )
        threading.Thread(target=worker.start, name=f"worker {queue}", daemon=True).start()
    clock = EmbeddedService(app, thread=True, scheduler_cls="celery.beat:Scheduler")
    clock.start()
    log.info("worker and clock run inside this process")
    return True
