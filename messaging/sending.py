"""Sends all that is due: a few threads that speak with the database, and many that wait for the provider.

A call to the provider takes a hundred times as long as a claim. So each database thread keeps many calls under way,
and a host needs no more connections than it has database threads.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from consent import clock
from messaging import bell, departure, outbound, queue, turns
from messaging.outbound import Answer, Claim

log = logging.getLogger(__name__)

# How many texts leave in one conversation before the next has its turn.
A_TURN = 5
# Threads with a database connection each, for one queue.
DESKS = 8
# Where texts wait for their turn on a line, the queue is looked through again after so many seconds at least.
SOONEST = 0.02
# And so many where there is room, yet nothing left: whatever is in the way, to look at once would not help.
NOT_AGAIN_SOONER = 1.0


class Sender:
    """Works through one of the two queues: what somebody waits for, or bulk. One run at a time (``turns.Turn``).

    Any number of processes may do this at once: each text is claimed by one.
    """

    def __init__(self, *, bulk: bool) -> None:
        self._bulk = bulk
        self._name = "bulk" if bulk else "sender"
        self._alarm: threading.Timer | None = None
        self._changed = threading.Condition()
        self._look_again = False
        self._under_way: set[int] = set()
        self._passed_over: set[int] = set()
        self._raised: list[BaseException] = []
        self._calls = 0
        self._desk: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._callers: ThreadPoolExecutor

    def rung(self) -> None:
        """There is something new. Thread-safe; a run that is under way looks through the queue once more."""
        with self._changed:
            self._look_again = True
            self._changed.notify_all()

    def run(self) -> int:
        """Send until nothing is due, or the process is told to end; returns how many calls to the provider were made.

        What goes wrong in one conversation stops no others, unless it is the database; it is raised in the end.
        """
        self._raised, self._calls = [], 0
        number = min(DESKS, settings.SENDER_THREADS)
        desks = [threading.Thread(target=self._serve, name=f"{self._name}-desk-{n}") for n in range(number)]
        with ThreadPoolExecutor(settings.SENDER_THREADS, thread_name_prefix=self._name) as self._callers:
            for desk in desks:
                desk.start()
            try:
                self._work_through()
            finally:
                # Also where the queue can't be read: what the provider answers is still to be written down.
                self._wait_until(lambda: not self._under_way)
                for _ in desks:
                    self._desk.put(None)
                for desk in desks:
                    desk.join()
        self._set_alarm()
        if self._raised:
            raise self._raised[0]
        return self._calls

    def _work_through(self) -> None:
        while not turns.ending.is_set():
            calls = self._calls
            self._look_again = False
            for conversation in queue.conversations(bulk=self._bulk):
                self._begin(conversation)
                if turns.ending.is_set() or self._database_fails():
                    return
            self._wait_until(lambda: self._look_again or not self._under_way)
            if self._calls == calls and not self._look_again and not self._under_way:
                return

    def _database_fails(self) -> bool:
        return any(isinstance(error, (OperationalError, InterfaceError)) for error in self._raised)

    def _begin(self, conversation: int) -> None:
        """Once a caller is free, so that a claim is followed by its call at once."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._under_way) < settings.SENDER_THREADS)
            if conversation in self._under_way:
                self._passed_over.add(conversation)
                return
            self._under_way.add(conversation)
        self._desk.put(lambda: self._claim(conversation, A_TURN))

    def _wait_until(self, true: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(true)

    # ---- at a desk

    def _serve(self) -> None:
        try:
            while job := self._desk.get():
                job()
        finally:
            connections.close_all()

    def _claim(self, conversation: int, left: int) -> None:
        called = False
        try:
            if left and not turns.ending.is_set() and (claimed := outbound.claim(conversation)):
                called = self._hand_over(claimed, left - 1)
        except Exception as error:  # raised when the run ends: a thread that died here would leave it waiting for ever
            self._went_wrong(error)
        if not called:
            self._done(conversation)

    def _hand_over(self, claimed: Claim, left: int) -> bool:
        """To a caller. False where there are none any more: the interpreter ends under a worker that runs in a thread
        of a serving process, which nobody tells (``turns.ending``). The text waits for the next process."""
        try:
            self._callers.submit(self._call, claimed, left)
        except RuntimeError:
            turns.ending.set()
            outbound.give_back(claimed.message)
            return False
        return True

    def _record(self, claimed: Claim, answer: Answer | None, left: int) -> None:
        conversation = claimed.message.conversation.pk
        go_on = False
        try:
            if answer:
                taken = outbound.record(claimed, answer)
                go_on = taken and left > 0 and departure.has_more(conversation)
        except Exception as error:  # raised when the run ends: a thread that died here would leave it waiting for ever
            self._went_wrong(error)
        if go_on:
            self._claim(conversation, left)
        else:
            self._done(conversation)

    def _done(self, conversation: int) -> None:
        with self._changed:
            self._under_way.discard(conversation)
            if conversation in self._passed_over:
                self._passed_over.discard(conversation)
                self._look_again = True
            self._changed.notify_all()

    def _went_wrong(self, error: Exception) -> None:
        log.error("a text could not be sent: %s", type(error).__name__)
        connections.close_all()  # it may be the connection; the next job opens another
        with self._changed:
            self._raised.append(error)

    # ---- at the provider's

    def _call(self, claimed: Claim, left: int) -> None:
        answer = None
        try:
            answer = outbound.call(claimed)
        except Exception as error:  # raised when the run ends: a thread that died here would leave it waiting for ever
            self._went_wrong(error)
        with self._changed:
            self._calls += 1
        self._desk.put(lambda: self._record(claimed, answer, left))

    # ---- afterwards

    def _set_alarm(self) -> None:
        """Be rung again when the next text has its turn on a line with a pace."""
        moment = queue.next_turn(bulk=self._bulk)
        if self._alarm:
            self._alarm.cancel()
        if moment is None or turns.ending.is_set():
            return
        seconds = (moment - clock.database_now()).total_seconds()
        seconds = max(seconds, SOONEST if self._calls or seconds > 0 else NOT_AGAIN_SOONER)
        if seconds < settings.SWEEP_SECONDS:  # or the sweep finds it
            self._alarm = threading.Timer(seconds, bell.ring_send_at_once, kwargs={"bulk": self._bulk})
            self._alarm.daemon = True
            self._alarm.start()


def send_due() -> int:
    """Send what is due now, of both queues; returns how many calls to the provider were made."""
    return Sender(bulk=False).run() + Sender(bulk=True).run()
