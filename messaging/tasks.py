"""Celery tasks: thin, without arguments, harmless when run twice. What they work on stands in the tables."""

from celery import shared_task
from django.utils import timezone

from consent import ledger
from consent.models import Line
from messaging import bell, inbound, outbound
from messaging.turns import Turn

_settling = Turn(inbound.settle_waiting)
_sending = Turn(outbound.send_due)


@shared_task
def settle_waiting() -> None:
    """Settle webhooks that have come in."""
    _settling.take()


@shared_task
def send_due() -> None:
    """Send texts whose turn has come."""
    _sending.take()


@shared_task
def sweep() -> None:
    """Find what no bell announced: after a crash, a lost broker, or simply because its time has come."""
    now = timezone.now()
    _settling.take()
    outbound.mark_lost(now)
    outbound.drop_late(now)
    inbound.expire_requests()
    for line in Line.objects.to_open(now):
        ledger.open_line(line.pk)
    bell.ring_send()
