"""Celery tasks of the reports: thin, without arguments, harmless when run twice."""

from celery import shared_task

from messaging.turns import Turn
from reporting import exports, figures

_counting = Turn(figures.count)
_making = Turn(exports.make_waiting)


@shared_task
def count() -> None:
    """Bring the dashboard's figures up to date."""
    _counting.take()


@shared_task
def make_reports() -> None:
    """Make the exports that wait for it."""
    _making.take()
