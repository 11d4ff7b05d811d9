"""Celery tasks: thin, without arguments, harmless when run twice. What they work on stands in the tables."""

from celery import shared_task
from django.utils import timezone

from consent import ledger
from consent.models import Line
from messaging import bell, inbound, outbound


@shared_task
def settle_waiting() -> None:
    """Settle webhooks that have come in."""
    inbound.settle_waiting()


@shared_task
def send_due() -> None:
    """Send texts whose turn has come."""
    outbound.send_due()


@shared_task
def sweep() -> None:
    """Find what no bell announced: after a crash, a lost broker, or simply because its time has come."""
    now = timezone.now()
    inbound.settle_waiting()
    outbound.mark_lost(now)
    outbound.drop_late(now)
    inbound.expire_requests()
    for line in Line.objects.to_open(now):
        ledger.open_line(line.pk)
    bell.ring_send()
