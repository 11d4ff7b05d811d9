"""Celery tasks of the reports: thin, without arguments, harmless when run twice."""

from celery import shared_task

from messaging.turns import Turn
from reporting import figures

_counting = Turn(figures.count)


@shared_task
def count() -> None:
    """Bring the dashboard's figures up to date."""
    _counting.take()
