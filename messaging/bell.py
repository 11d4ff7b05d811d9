"""The bell: tells workers that there is work. It carries nothing; the tables hold the work, and sweeps find it anyway.

Ringing never fails and never delays a webhook noticeably: it gives up after 0.2 seconds and, while the broker is down,
keeps quiet for 5. Rings of one process that come while one is being passed on become one.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from celery import current_app
from django.db import transaction
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

GIVE_UP_SECONDS = 0.2
QUIET_SECONDS = 5.0
PAUSE_SECONDS = 0.01
BROKEN = (OperationalError, RedisError, OSError)


class Bell:
    """Coalesces the rings of one process. Thread-safe."""

    def __init__(self, publish: Callable[[str], None]) -> None:
        self._publish = publish
        self._guard = threading.Lock()
        self._waiting: set[str] = set()
        self._passing_on = False
        self._quiet_until = 0.0

    def ring(self, task: str) -> None:
        with self._guard:
            if time.monotonic() < self._quiet_until:
                return
            self._waiting.add(task)
            if self._passing_on:
                return
            self._passing_on = True
        try:
            self._pass_on()
        except BaseException:
            with self._guard:
                self._passing_on = False
            raise

    def _pass_on(self) -> None:
        while True:
            with self._guard:
                if not self._waiting:
                    # Given up under the same lock under which rings see it, or a ring could fall between.
                    self._passing_on = False
                    return
                task = self._waiting.pop()
            try:
                self._publish(task)
            except BROKEN as error:
                log.warning("the broker does not answer (%s); sweeps find the work", type(error).__name__)
                with self._guard:
                    self._passing_on = False
                    self._waiting.clear()
                    self._quiet_until = time.monotonic() + QUIET_SECONDS
                return


class _Line:
    """One connection to the broker, kept between rings. Used by one thread at a time: the bell sees to that."""

    def __init__(self) -> None:
        self._connection: Connection | None = None

    def publish(self, task: str) -> None:
        kept = self._connection is not None
        began = time.monotonic()
        try:
            self._send(task)
        except BROKEN:
            self._hang_up()
            if not kept or time.monotonic() - began >= GIVE_UP_SECONDS:
                raise
            # The broker may just have been restarted under a connection we kept: once more with a new one.
            try:
                self._send(task)
            except BROKEN:
                self._hang_up()
                raise

    def _send(self, task: str) -> None:
        app = current_app._get_current_object()
        if self._connection is None:
            options = {
                **app.conf.broker_transport_options,
                "socket_connect_timeout": GIVE_UP_SECONDS,
                "socket_timeout": GIVE_UP_SECONDS,
                "max_retries": 0,
                "interval_start": 0,
            }
            self._connection = app.connection_for_write(transport_options=options)
        app.send_task(task, connection=self._connection, retry=False, ignore_result=True)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.release()
            self._connection = None


class Soon:
    """Rings from a thread of its own, with a pause after each ring: for who can't wait for the broker at all.

    A ring that this process does not live to pass on is lost; the sweeps find the work.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._wanted = threading.Event()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        self._wanted.set()
        if self._thread is None or not self._thread.is_alive():
            with self._guard:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._pass_on, name="bell", daemon=True)
                    self._thread.start()

    def _pass_on(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()  # before the ring: what is rung during it is rung again after it
            self._ring()
            time.sleep(PAUSE_SECONDS)


_bell = Bell(_Line().publish)
_settle_soon = Soon(lambda: _bell.ring("messaging.tasks.settle_waiting"))


_SEND = {False: "messaging.tasks.send_due", True: "messaging.tasks.send_bulk"}


def ring_settle() -> None:
    """There are receipts to settle."""
    ring("messaging.tasks.settle_waiting")


def ring_send(*, bulk: bool = False) -> None:
    """There are texts to send: some that somebody waits for, or bulk."""
    ring(_SEND[bulk])


def ring_send_at_once(*, bulk: bool) -> None:
    """As ``ring_send``, for a thread that has no database connection and so no transaction to wait for."""
    _bell.ring(_SEND[bulk])


def ring_settle_soon() -> None:
    """As ``ring_settle``, for webhooks, many of which become one ring; they never wait for the broker."""
    transaction.on_commit(_settle_soon.ring, robust=True)


def ring_open_lines() -> None:
    """There are lines to open."""
    ring("messaging.tasks.open_lines")


def ring(task: str) -> None:
    """There is work for this task (its full name). Rings once the transaction is committed."""
    transaction.on_commit(partial(_bell.ring, task), robust=True)
