"""What the gate needs to know about one text, in one query, plus the organisation's policies."""

import datetime as dt

from django.db.models import Count, Exists, FilteredRelation, Max, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from consent import gate
from consent.models import Contact, DoNotContact, LedgerEntry, Line, OptInRequest, Organisation
from consent.vocabulary import Channel, EntryKind, Registration, RequestKind, RequestOutcome, Status
from messaging.models import Message, Receipt
from messaging.models.message import LEFT, MessageStatus

S = MessageStatus
DAY = dt.timedelta(days=1)


def gather(
    line: Line,
    number: str,
    *,
    purpose: gate.Purpose = gate.Purpose.ORDINARY,
    contact: Contact | None = None,
    text: Message | None = None,
    now: dt.datetime | None = None,
) -> gate.Facts:
    """The facts about a text from ``line`` to ``number``, read in one statement that begins when this is called.

    For a decision that counts the caller holds the contact's lock. ``contact`` may be None for a number never seen.
    ``text`` is the text in question, so that it is not counted against its own limits. Quiet hours, cap, pace, expiry
    and required level have no data yet: no limit set.
    """
    now = now or timezone.now()
    policy = Organisation.objects.current()
    found = _query(line.pk, contact, number, now, text).get()
    limit = policy.request_limit if found["request_limit"] is None else found["request_limit"]
    pause = policy.request_pause if found["request_pause"] is None else found["request_pause"]
    times = _request_times(contact, line, now, text, limit) if contact and found["asked_times"] else []
    status = Status(found["c__status"] or Status.NOT_DEFINED)
    opted_out = status == Status.OPTED_OUT
    return gate.Facts(
        now=now,
        purpose=purpose,
        mode=line.mode_towards(number, policy.mode),
        status=status,
        line_number=line.number,
        do_not_contact=found["do_not_contact"],
        unsettled=found["unsettled"],
        line_active=found["active"] and found["opened_at"] is not None,
        line_registered=found["registration"] in {Registration.NOT_NEEDED, Registration.VERIFIED},
        unreachable=contact.unreachable if contact else "",
        opted_out_at=found["c__opted_out_at"] if opted_out else None,
        opted_out_by=_in_words(found["c__source"], found["opted_out_rule"]) if opted_out else "",
        blocked_at_provider=bool(found["c__blocked_at_provider"]),
        under_review=found["c__review_since"] is not None,
        request_open=found["request_open"],
        request_limit=limit,
        request_pause=pause,
        last_request_at=times[0] if times else None,
        limiting_request_at=times[limit - 1] if limit and len(times) >= limit else None,
        last_theirs_at=found["last_theirs_at"],
        last_way_back_at=found["last_way_back_at"],
        help_replies_today=found["help_replies_today"],
        level=found["c__level"] or "",
        wrote_at=found["wrote_at"],
        marketing=found["category"] == "marketing",
    )


def told_or_being_told(line: Line, contact: Contact) -> bool:
    """True where a disclaimer reached the contact on this line, or one is on its way."""
    on_its_way = [S.QUEUED, S.DEFERRED, S.SENDING, S.UNKNOWN, *LEFT]
    return (
        contact.consents.filter(line=line).exclude(told_at=None).exists()
        or Message.objects.filter(
            conversation__contact=contact,
            conversation__line=line,
            purpose__in=gate.DISCLAIMERS,
            status__in=on_its_way,
        ).exists()
    )


def _query(line_pk: int, contact: Contact | None, number: str, now: dt.datetime, text: Message | None) -> QuerySet:
    pk = contact.pk if contact else 0
    texts = Message.objects.outgoing().filter(conversation__contact=pk, conversation__line=OuterRef("pk"))
    texts = texts.exclude(pk=text.pk) if text else texts
    live = texts.exclude(status__in=[S.REFUSED, S.CANCELLED, S.FAILED])
    requests = _requests(pk, now, text).filter(line=OuterRef("pk"))
    last_out = LedgerEntry.objects.filter(contact=pk, line=OuterRef("pk"), kind=EntryKind.OPTED_OUT).order_by("-seq")
    return (
        Line.objects.filter(pk=line_pk)
        .annotate(
            c=FilteredRelation("consents", condition=Q(consents__contact=pk)),
            do_not_contact=Exists(DoNotContact.objects.matching(number)),
            unsettled=Exists(Receipt.objects.unsettled().filter(number=number)),
            opted_out_rule=Coalesce(Subquery(last_out.values("rule")[:1]), Value("")),
            request_open=Exists(OptInRequest.objects.open().filter(contact=pk, line=OuterRef("pk"))),
            asked_times=Exists(requests),
            last_theirs_at=_newest(requests.filter(kind=RequestKind.THEIRS), "left_at"),
            last_way_back_at=_newest(live.filter(purpose=gate.Purpose.WAY_BACK), "created"),
            help_replies_today=_count(live.filter(purpose=gate.Purpose.HELP_REPLY, created__gt=now - DAY)),
            wrote_at=_newest(
                Message.objects.filter(direction="in", conversation__contact=pk, conversation__line=OuterRef("pk")),
                "created",
            ),
        )
        .values(
            "active",
            "opened_at",
            "registration",
            "category",
            "request_limit",
            "request_pause",
            "c__status",
            "c__source",
            "c__level",
            "c__opted_out_at",
            "c__blocked_at_provider",
            "c__review_since",
            "do_not_contact",
            "unsettled",
            "opted_out_rule",
            "request_open",
            "asked_times",
            "last_theirs_at",
            "last_way_back_at",
            "help_replies_today",
            "wrote_at",
        )
    )


def _requests(contact_pk: int, now: dt.datetime, text: Message | None) -> QuerySet[OptInRequest]:
    """The requests that count against the limits: those that left in the last 30 days, but for failed ones."""
    requests = OptInRequest.objects.filter(contact=contact_pk, left_at__gt=now - gate.LIMIT_WINDOW).exclude(
        outcome__in=[RequestOutcome.FAILED, RequestOutcome.WITHDRAWN]
    )
    return requests.exclude(pk=text.request_id) if text and text.request_id else requests


def _request_times(
    contact: Contact, line: Line, now: dt.datetime, text: Message | None, limit: int
) -> list[dt.datetime]:
    """When the last ``limit`` of them left, newest first."""
    requests = _requests(contact.pk, now, text).filter(line=line)
    return list(requests.order_by("-left_at").values_list("left_at", flat=True)[: max(limit, 1)])


def _newest(rows: QuerySet, column: str) -> Subquery:
    return Subquery(rows.order_by().values(_=Value(1)).annotate(newest=Max(column)).values("newest"))


def _count(rows: QuerySet) -> Coalesce:
    counted = rows.order_by().values(_=Value(1)).annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted), Value(0))


def _in_words(channel: str | None, rule: str) -> str:
    """How somebody opted out, as one would tell a colleague."""
    if rule.startswith(("keyword:", "reserved:", "provider:STOP")):
        return f"they texted {rule.partition(':')[2]}"
    if rule.startswith("route:"):
        return f"they told us by another way: {rule.partition(':')[2]}"
    if rule == "reaches later lines":
        return "on another line, for this one too"
    words = {
        Channel.KEYWORD: "by text",
        Channel.AGENT: "recorded by hand",
        Channel.PROVIDER: "reported by the provider",
    }
    return words.get(Channel(channel), Channel(channel).label.lower()) if channel else ""
