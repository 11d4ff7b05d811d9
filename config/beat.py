"""Celery's clock of recurring tasks, but for one that is set back."""

from typing import Any

from celery import beat


class Scheduler(beat.Scheduler):
    """In memory, as Celery's own. That one would do nothing until a clock that was set back is where it was before."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None  # is sorted by times that have not come yet
        return float(super().tick(*args, **kwargs))
