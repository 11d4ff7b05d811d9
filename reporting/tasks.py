"""Celery tasks of the reports: thin, without arguments, harmless when run twice."""

from celery import shared_task
from django.utils import timezone

from messaging.turns import Turn
from reporting import exports, figures, seals

_counting = Turn(figures.count)
_sealing = Turn(lambda: seals.take_if_due(timezone.now()))
_making = Turn(exports.make_waiting)


@shared_task
def count() -> None:
    """Bring the dashboard's figures up to date."""
    _counting.take()


@shared_task
def make_reports() -> None:
    """Make the exports that wait for it."""
    _making.take()


@shared_task
def seal() -> None:
    """Take the day's seal, unless it is there already, and mail what was not mailed yet."""
    _sealing.take()
