"""/metrics for Prometheus: counts and seconds, no names, numbers or words.

All but the webhooks' times is read from the database when it is asked for, so any web process gives the same answer
and workers need no port of their own. Rows that wait are found by the indexes that hold just them; of texts and
receipts the newest ``TAIL`` are looked at, so that a scrape costs the same few queries at any size.
"""

import datetime as dt
import hmac
import ipaddress
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, Max, Min, Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from messaging import metrics as webhooks
from messaging.keywords import Meaning
from messaging.models import Message, Receipt, Review
from messaging.models.message import Direction, MessageStatus
from messaging.models.review import Doubt
from reporting.models import Mark, ReportRun

log = logging.getLogger(__name__)

RECENT = dt.timedelta(hours=1)
TAIL = 50_000
S = MessageStatus
_WAITING = (S.QUEUED, S.DEFERRED, S.HELD, S.SENDING, S.UNKNOWN)  # as the index texts_that_wait


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For whoever brings METRICS_TOKEN; without that setting, for this machine alone. 503 without a database."""
    if not _may_read(request):
        answer = HttpResponse("For this machine alone, or with METRICS_TOKEN.\n", status=401, content_type="text/plain")
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    registry = CollectorRegistry()
    registry.register(_Tables())
    registry.register(_Webhooks())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    try:
        return HttpResponse(encode(registry), content_type=content_type)
    except DatabaseError:
        return HttpResponse("The database does not answer.\n", status=503, content_type="text/plain")


def _may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            token.strip().encode(), settings.METRICS_TOKEN.encode()
        )
    # Behind a proxy on this machine everybody seems to be this machine. Not every proxy adds each of these, and some
    # add none but pass on the name that was asked for.
    if any(name in _OF_PROXIES or name.startswith("X-Forwarded-") for name in request.headers):
        return False
    name, _ = split_domain_port(request.get_host())
    return (name == "localhost" or _is_loopback(name.strip("[]"))) and _is_loopback(request.META.get("REMOTE_ADDR", ""))


_OF_PROXIES = {"Forwarded", "Via", "X-Real-Ip"}


def _is_loopback(written: str) -> bool:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


class _Webhooks(Collector):
    """What the web processes of this host measured; nothing where that can't be read."""

    def collect(self) -> Iterable[Metric]:
        try:
            return list(MultiProcessCollector(None, path=str(webhooks.folder())).collect())
        except Exception as error:  # whatever a damaged file makes of it: the tables must still be shown
            if webhooks.folder().is_dir():
                log.warning("the times of webhooks can't be read in %s: %r", webhooks.folder(), error)
            return []


class _Tables(Collector):
    """Gauges of what the tables say now."""

    def describe(self) -> Iterable[Metric]:
        return []  # or it would be asked for its numbers when it is registered

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        receipts = Receipt.objects.unsettled().aggregate(
            unsettled=Count("pk"),
            for_a_person=Count("pk", filter=Q(needs_person=True)),
            oldest=Min("received_at"),
            waiting_since=Min("received_at", filter=Q(needs_person=False)),
        )
        yield _gauge("unsettled_receipts", "Webhooks that are stored and not settled.", receipts["unsettled"])
        yield _gauge("receipts_for_a_person", "Those of them that wait for a person.", receipts["for_a_person"])
        yield _gauge("oldest_unsettled_receipt_seconds", "Age of the oldest of them.", _age(receipts["oldest"], now))

        due = Coalesce("not_before", "created")
        waiting = Message.objects.filter(status__in=_WAITING).order_by().values("status")
        texts = {
            row["status"]: row
            for row in waiting.annotate(number=Count("pk"), since=Min(due, filter=Q(status__in=[S.QUEUED, S.DEFERRED])))
        }
        numbers = {status.value: texts[status]["number"] if status in texts else 0 for status in _WAITING}
        yield _gauge("texts_waiting", "Texts that have not left, or nobody knows.", numbers, "status")
        due_since = [row["since"] for row in texts.values() if row["since"]]
        reports = ReportRun.objects.to_make(now).filter(state=ReportRun.State.WAITING).aggregate(since=Min("created"))
        ages = {
            "settle": _age(receipts["waiting_since"], now),
            "send": _age(min(due_since, default=None), now),
            "reports": _age(reports["since"], now),
        }
        yield _gauge("queue_age_seconds", "How long the first in the queue has been due.", ages, "queue")

        since = now - RECENT
        written = _tail(Message.objects.outgoing()).filter(created__gte=since).order_by().values_list("status")
        yield _gauge(
            "texts_written_last_hour",
            f"Texts to contacts of the last hour (of the newest {TAIL:,} texts), by what became of them.",
            _every(_OUTGOING, written.annotate(Count("pk"))),
            "status",
        )
        refused = Message.objects.filter(status=S.REFUSED, created__gte=since).order_by().values_list("reason")
        yield _gauge(
            "texts_refused_last_hour", "Refusals of the last hour.", dict(refused.annotate(Count("pk"))), "reason"
        )

        opt_outs = _tail(Message.objects.filter(direction=Direction.IN, meaning=Meaning.OPT_OUT))
        settled = opt_outs.filter(receipt__received_at__gte=since, receipt__settled_at__isnull=False)
        times = settled.values_list("receipt__received_at", "receipt__settled_at")
        seconds = sorted(max((done - came).total_seconds(), 0) for came, done in times)
        yield _gauge("stops_last_hour", "Texts of the last hour that opted out.", len(seconds))
        yield _gauge(
            "stop_to_suppression_seconds",
            "From a STOP's arrival to its effect, in the last hour: median, 99 of 100, all. From its arrival on "
            "nothing is sent to its number.",
            {str(share): _quantile(seconds, share) for share in (0.5, 0.99, 1)} if seconds else {},
            "quantile",
        )

        reviews = Review.objects.open().order_by().values_list("doubt")
        yield _gauge(
            "open_reviews", "Texts that a person has to read.", _every(Doubt, reviews.annotate(Count("pk"))), "doubt"
        )
        counted = Mark.objects.values_list("counted_at", flat=True).first()
        if counted:
            yield _gauge(
                "last_count_age_seconds",
                "Since a worker last did what the clock (beat) asks for every COUNT_SECONDS.",
                _age(counted, now),
            )


_OUTGOING = [status for status in S if status not in {S.RECEIVED, S.HELD_BACK, S.KEYWORD}]


def _gauge(name: str, words: str, value: float | dict[str, float], label: str = "") -> Metric:
    gauge = GaugeMetricFamily(f"optline_{name}", words, labels=[label] if label else None)
    for key, number in value.items() if isinstance(value, dict) else [("", value)]:
        gauge.add_metric([key] if label else [], number)
    return gauge


def _every(keys: Iterable[str], rows: Iterable[tuple[str, int]]) -> dict[str, float]:
    """Those that there are none of too: a series that comes and goes raises no alarm."""
    return {**{str(key): 0 for key in keys}, **dict(rows)}


def _tail(texts: QuerySet[Any]) -> QuerySet[Any]:
    newest = Message.objects.aggregate(last=Max("pk"))["last"] or 0
    return texts.filter(pk__gt=newest - TAIL)


def _age(since: dt.datetime | None, now: dt.datetime) -> float:
    """Seconds; 0 where nothing waits or its time is still to come."""
    return max((now - since).total_seconds(), 0) if since else 0


def _quantile(ordered: list[float], share: float) -> float:
    """The smallest number that so large a share of them does not exceed."""
    return ordered[max(0, -(-len(ordered) * int(share * 100) // 100) - 1)]
