"""One runner at a time in a process: who comes while it runs makes it go round once more."""

import threading
from collections.abc import Callable

# Set when the process is told to end (messaging.tasks): who works through a queue takes nothing more from it.
ending = threading.Event()


class Turn:
    """Guards ``work`` against running twice at once in this process. Thread-safe.

    A call during a run returns at once; the run then repeats, so that nothing that was there at the call is overlooked.
    ``meanwhile`` tells a long run of such calls, so that it need not end first.
    """

    def __init__(self, work: Callable[[], object], meanwhile: Callable[[], None] = lambda: None) -> None:
        self._work = work
        self._meanwhile = meanwhile
        self._guard = threading.Lock()
        self._running = False
        self._again = False

    def take(self) -> None:
        with self._guard:
            if self._running:
                self._again = True
                self._meanwhile()
                return
            self._running = True
        try:
            while True:
                self._work()
                with self._guard:
                    if not self._again:
                        self._running = False
                        return
                    self._again = False
        except BaseException:
            with self._guard:
                self._running = self._again = False
            raise
