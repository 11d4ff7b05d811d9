"""How long webhooks take, measured where they are answered. reporting.metrics shows it to Prometheus.

A scrape reaches one of a host's web processes, so they add up their histograms in files, one a process
(prometheus-client's multiprocess mode, PROMETHEUS_MULTIPROC_DIR). Everything else is read from the database.

Measuring never fails a webhook. The files are mapped into memory, and writing to a page for which the disk has no room
kills a process; so the room is taken beforehand, and where there is none, nothing is measured.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram

log = logging.getLogger(__name__)

# Seconds; Twilio gives up after 15.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
_webhooks = Histogram(
    "optline_webhook_seconds",
    "From the arrival of a webhook in the process to its answer.",
    ["webhook", "status"],
    buckets=_BUCKETS,
    registry=None,
)
_FILE_SIZE = 1 << 20  # what prometheus-client begins with; ours stay far below it
_guard = threading.Lock()
_measuring: dict[int, bool] = {}  # by process id, since a process may have been forked from one that measured


def folder() -> Path:
    """Where the web processes of this host keep their measurements."""
    return Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])


def time_webhooks(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: the time of each answer to the provider, errors and wrong signatures too."""

    def timed(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith("/twilio/"):
            return get_response(request)
        began = time.perf_counter()
        response = get_response(request)
        seconds = time.perf_counter() - began
        # The address as it stands in urls.py: one that somebody made up is no label.
        webhook = request.resolver_match.route if request.resolver_match else "unknown"
        if _can_measure():
            _webhooks.labels(webhook, str(response.status_code)).observe(seconds)
        return response

    return timed


def _can_measure() -> bool:
    process = os.getpid()
    if process not in _measuring:
        with _guard:
            if process not in _measuring:
                _measuring[process] = _take_room(process)
    return _measuring[process]


def _take_room(process: int) -> bool:
    own = folder() / f"histogram_{process}.db"
    try:
        own.parent.mkdir(parents=True, exist_ok=True)
        _forget_the_dead(process)
        with own.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, _FILE_SIZE)
    except OSError as error:
        log.warning("webhooks are not timed: %s", error)
        own.unlink(missing_ok=True)  # without its room nobody could read it
        return False
    return True


def _forget_the_dead(process: int) -> None:
    """Remove what ended processes measured, once none of them is left: a sum must not shrink while somebody adds to
    it, or Prometheus takes what remains for new."""
    files = list(folder().glob("*.db"))
    owners = {int(number) for file in files if (number := file.stem.rpartition("_")[2]).isdecimal()} - {process}
    if not any(map(_is_alive, owners)):
        for file in files:
            file.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
