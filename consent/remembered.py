"""What officers set, read once for many texts that wait instead of once for each.

A look-up through ``recall`` is made once per memory; outside one, each time. What is remembered serves the texts that
had come in before it was looked up: it is then as if they had been settled at that moment. A text that came in later
might follow a change that the memory does not know, so for it everything is looked up anew.
"""

import datetime as dt
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

# A backlog may take long; what officers set meanwhile is not to wait for its end.
KEPT_SECONDS = 5.0

Found = TypeVar("Found")


class Memory:
    """Of one thread."""

    def __init__(self) -> None:
        self._began: dt.datetime | None = None
        self._until = 0.0
        self._found: dict[Hashable, Any] = {}

    @contextmanager
    def serving(self, *, received_at: dt.datetime, now: dt.datetime) -> Iterator[None]:
        """Inside the block things are looked up for a text that came in at ``received_at``. ``now``: a moment before
        the block and after the text came in. Both by the database's clock."""
        if self._began is None or received_at >= self._began or time.monotonic() >= self._until:
            self._began, self._until = now, time.monotonic() + KEPT_SECONDS
            self._found = {}
        token = _memory.set(self)
        try:
            yield
        finally:
            _memory.reset(token)

    def recall(self, what: Hashable, look_up: Callable[[], Any]) -> Any:
        if what not in self._found:
            self._found[what] = look_up()
        return self._found[what]


_memory: ContextVar[Memory | None] = ContextVar("memory", default=None)


def recall(what: Hashable, look_up: Callable[[], Found]) -> Found:
    """What ``look_up`` gives, or gave before for the same ``what``. Not to be changed by whoever gets it."""
    memory = _memory.get()
    return look_up() if memory is None else memory.recall(what, look_up)
