"""The worker and the clock inside the serving process, for the embedded default (no broker of its own).

Started by config.wsgi alone: not by commands, migrations, tests or the reloader's parent. A file lock beside the
database lets one process of several be the worker; when it ends, the next one that starts takes over.
"""

import fcntl
import logging
import threading
from typing import IO

from celery import Celery
from celery.beat import EmbeddedService
from django.conf import settings

log = logging.getLogger(__name__)

_lock_file: IO[str] | None = None


def start(app: Celery) -> bool:
    """Run worker and clock in threads of this process. False where another process does already."""
    global _lock_file
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    lock_file = (settings.DATA_DIR / "worker.lock").open("w")
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock_file.close()
        return False
    _lock_file = lock_file  # kept open: the lock lasts as long as the process
    app.finalize()
    worker = app.WorkController(
        app=app,
        pool="threads",
        concurrency=settings.CELERY_WORKER_CONCURRENCY,
        hostname="worker@embedded",
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
        loglevel="WARNING",
    )
    threading.Thread(target=worker.start, name="worker", daemon=True).start()
    clock = EmbeddedService(app, thread=True, scheduler_cls=settings.CELERY_BEAT_SCHEDULER)
    clock.start()
    log.info("worker and clock run inside this process")
    return True
