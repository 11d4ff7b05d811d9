"""Celery tasks: thin, without arguments, harmless when run twice. What they work on stands in the tables."""

import logging
from collections.abc import Callable
from functools import partial

from celery import shared_task
from celery.signals import worker_shutting_down
from django.conf import settings
from django.utils import timezone

from consent import clock, ledger
from consent.models import Line
from messaging import bell, consent_ends, deactivated, inbound, look_up, outbound, reconcile, review, sending, turns
from messaging.importing import batches
from messaging.models import ImportBatch, Message
from messaging.turns import Turn
from messaging.web_form import limits

log = logging.getLogger(__name__)


def _open_lines() -> None:
    for line in Line.objects.to_open():
        ledger.open_line(line.pk)


def _sweep() -> None:
    now = clock.database_now()
    steps: list[Callable[[], object]] = [
        partial(outbound.drop_late, now),
        partial(outbound.mark_lost, now),
        inbound.expire_requests,
        consent_ends.record_ends,
        partial(limits.forget, now),
        partial(review.opt_out_undecided, timezone.localdate(now)),
    ]
    for step in steps:
        try:
            step()
        except Exception:  # one step that fails must not keep the others from their work; the next sweep tries again
            log.exception("a step of the sweep failed")
    bell.ring_settle()
    bell.ring_send()
    bell.ring_send(bulk=True)
    if Line.objects.to_open().exists():
        bell.ring_open_lines()
    if ImportBatch.objects.to_do(now).exists() or ImportBatch.objects.to_remove(now).exists():
        batches.ring()
    if Message.objects.to_look_up(now).exists():
        bell.ring("messaging.tasks.look_up_unknown")  # a provider that does not answer must not hold up the sweep


_settling = Turn(lambda: inbound.settle_waiting(settings.SETTLE_THREADS))
_sender, _bulk_sender = sending.Sender(bulk=False), sending.Sender(bulk=True)
_sending = Turn(_sender.run, meanwhile=_sender.rung)
_sending_bulk = Turn(_bulk_sender.run, meanwhile=_bulk_sender.rung)
_opening = Turn(_open_lines)
_looking_up = Turn(look_up.ask_what_became_of_texts)
_reconciling = Turn(reconcile.reconcile)
_importing = Turn(batches.work)
_sweeping = Turn(_sweep)
_importing_deactivated = Turn(deactivated.import_new)


@shared_task
def settle_waiting() -> None:
    """Settle webhooks that have come in."""
    _settling.take()


@shared_task
def send_due() -> None:
    """Send texts whose turn has come."""
    _sending.take()


@shared_task
def send_bulk() -> None:
    """Send bulk texts whose turn has come."""
    _sending_bulk.take()


@shared_task
def open_lines() -> None:
    """Write the opt-outs that reach new lines on them, then let them text."""
    _opening.take()


@shared_task
def look_up_unknown() -> None:
    """Ask the provider what became of texts of unknown fate."""
    _looking_up.take()


@shared_task
def reconcile_inbound() -> None:
    """Find the texts whose webhooks never came, and learn the provider's time of those that did."""
    _reconciling.take()


@shared_task
def import_deactivated() -> None:
    """Import the provider's lists of deactivated numbers that are not here yet."""
    _importing_deactivated.take()


@shared_task
def import_waiting() -> None:
    """Check and import files that wait for it."""
    _importing.take()


@shared_task
def sweep() -> None:
    """Find what no bell announced: after a crash, a lost broker, or simply because its time has come."""
    _sweeping.take()


@worker_shutting_down.connect
def take_nothing_more(**kwargs: object) -> None:
    """What is under way is finished, what waits is left to other workers: so a deployment ends within seconds."""
    turns.ending.set()
