"""What the gate needs to know about one text: one query for what every text needs, and few more for the rare cases."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db.models import Exists, FilteredRelation, Max, OuterRef, Q
from django.utils import timezone

from consent import gate
from consent.gate import Purpose
from consent.models import Contact, DoNotContact, LedgerEntry, Line, OptInRequest, Organisation, ScrubResult
from consent.vocabulary import (
    Category,
    Channel,
    EntryKind,
    Registration,
    RequestKind,
    RequestOutcome,
    Status,
)
from messaging import timing
from messaging.models import Message, Receipt
from messaging.models.message import MessageQuerySet, MessageStatus

S = MessageStatus
DAY = dt.timedelta(days=1)


def gather(
    line: Line,
    number: str,
    *,
    purpose: Purpose = Purpose.ORDINARY,
    contact: Contact | None = None,
    text: Message | None = None,
    now: dt.datetime | None = None,
) -> gate.Facts:
    """The facts about a text from ``line`` to ``number``, read in statements that begin when this is called.

    For a decision that counts the caller holds the contact's lock. ``contact`` may be None for a number never seen.
    ``text`` is the text in question, so that it is not counted against its own limits. Pace has no data
    yet: no limit set.
    """
    return gather_for([line], number, purpose=purpose, contact=contact, text=text, now=now)[line.pk]


def gather_for(
    lines: Sequence[Line],
    number: str,
    *,
    purpose: Purpose = Purpose.ORDINARY,
    contact: Contact | None = None,
    text: Message | None = None,
    now: dt.datetime | None = None,
) -> dict[int, gate.Facts]:
    """As ``gather``, on each of ``lines`` by its id, in as many statements as for one."""
    now = now or timezone.now()
    policy = Organisation.objects.current()
    states = {found["pk"]: found for found in _states(lines, contact, number)}
    asked = [pk for pk, found in states.items() if found["was_asked"]]
    out = [pk for pk, found in states.items() if found["c__status"] == Status.OPTED_OUT]
    requests = _requests(contact, asked, text, now) if contact and asked else {}
    ways_back = _last_ways_back(contact, out, text) if contact and out else {}
    rules = _opt_out_rules(contact, out) if contact and out else {}
    timings = timing.gather(lines, number, contact, text, now)
    gathered = {}
    for line in lines:
        found = states[line.pk]
        limit = policy.request_limit if found["request_limit"] is None else found["request_limit"]
        pause = policy.request_pause if found["request_pause"] is None else found["request_pause"]
        times = [left_at for _, left_at in requests.get(line.pk, [])]
        theirs = [left_at for kind, left_at in requests.get(line.pk, []) if kind == RequestKind.THEIRS]
        opted_out = line.pk in out
        gathered[line.pk] = gate.Facts(
            now=now,
            purpose=purpose,
            mode=line.mode_towards(number, policy.mode),
            status=Status(found["c__status"] or Status.NOT_DEFINED),
            line_number=line.number,
            do_not_contact=found["do_not_contact"],
            unsettled=found["unsettled"],
            line_active=found["active"] and found["opened_at"] is not None,
            line_registered=found["registration"] in {Registration.NOT_NEEDED, Registration.VERIFIED},
            unreachable=contact.unreachable if contact else "",
            opted_out_at=found["c__opted_out_at"] if opted_out else None,
            opted_out_by=_how_opted_out(rules.get(line.pk, ""), found["c__source"]) if opted_out else "",
            blocked_at_provider=bool(found["c__blocked_at_provider"]),
            under_review=found["c__review_since"] is not None,
            request_open=found["request_open"],
            request_limit=limit,
            request_pause=pause,
            last_request_at=times[0] if times else None,
            limiting_request_at=times[limit - 1] if limit and len(times) >= limit else None,
            last_theirs_at=theirs[0] if theirs else None,
            last_way_back_at=ways_back.get(line.pk),
            help_replies_today=help_replies(contact, line, now, text)
            if contact and purpose is Purpose.HELP_REPLY
            else 0,
            level=found["c__level"] or "",
            required_level=found["required_level"],
            consent_until=found["c__until"],
            listed_on=ScrubResult.objects.lists_naming(number) if line.category == Category.MARKETING else frozenset(),
            marketing=line.category == Category.MARKETING,
            **vars(timings[line.pk]),
        )
    return gathered


def told_or_being_told(line: Line, contact: Contact) -> bool:
    """True where a disclaimer reached the contact on this line, or one is on its way."""
    on_its_way = [S.QUEUED, S.DEFERRED, S.SENDING, S.UNKNOWN, S.SENT, S.DELIVERED]
    return (
        contact.consents.filter(line=line).exclude(told_at=None).exists()
        or _texts(contact, [line.pk]).filter(purpose__in=gate.DISCLAIMERS, status__in=on_its_way).exists()
    )


def help_replies(contact: Contact, line: Line, now: dt.datetime, but: Message | None = None) -> int:
    """How many help replies the contact got on this line in the last 24 hours, or is about to get."""
    return _live(contact, [line.pk], but).filter(purpose=Purpose.HELP_REPLY, created__gt=now - DAY).count()


def _states(lines: Sequence[Line], contact: Contact | None, number: str) -> Iterable[dict[str, Any]]:
    pk = contact.pk if contact else 0
    requests = OptInRequest.objects.filter(contact=pk, line=OuterRef("pk"))
    return (
        Line.objects.filter(pk__in=[line.pk for line in lines])
        .order_by()
        .annotate(
            c=FilteredRelation("consents", condition=Q(consents__contact=pk)),
            do_not_contact=Exists(DoNotContact.objects.matching(number)),
            unsettled=Exists(Receipt.objects.unsettled().filter(number=number)),
            request_open=Exists(requests.open()),
            was_asked=Exists(requests.exclude(left_at=None)),
        )
        .values(
            "pk",
            "active",
            "opened_at",
            "registration",
            "required_level",
            "request_limit",
            "request_pause",
            "c__status",
            "c__source",
            "c__level",
            "c__until",
            "c__opted_out_at",
            "c__blocked_at_provider",
            "c__review_since",
            "do_not_contact",
            "unsettled",
            "request_open",
            "was_asked",
        )
    )


def _requests(
    contact: Contact, lines: Collection[int], text: Message | None, now: dt.datetime
) -> dict[int, list[tuple[str, dt.datetime]]]:
    """Per line, kind and time of the requests that count against the limits, newest first: those that left in the last
    30 days, but for failed ones."""
    requests = OptInRequest.objects.filter(
        contact=contact, line__in=lines, left_at__gt=now - gate.LIMIT_WINDOW
    ).exclude(outcome__in=[RequestOutcome.FAILED, RequestOutcome.WITHDRAWN])
    if text and text.request_id:
        requests = requests.exclude(pk=text.request_id)
    found: dict[int, list[tuple[str, dt.datetime]]] = {}
    for line, kind, left_at in requests.order_by("-left_at").values_list("line", "kind", "left_at"):
        if left_at:
            found.setdefault(line, []).append((kind, left_at))
    return found


def _texts(contact: Contact, lines: Collection[int]) -> MessageQuerySet:
    return Message.objects.outgoing().filter(conversation__contact=contact, conversation__line__in=lines)


def _live(contact: Contact, lines: Collection[int], but: Message | None) -> MessageQuerySet:
    """The texts that left or may still leave."""
    texts = _texts(contact, lines).exclude(status__in=[S.REFUSED, S.CANCELLED, S.FAILED])
    return texts.exclude(pk=but.pk) if but else texts


def _last_ways_back(contact: Contact, lines: Collection[int], but: Message | None) -> dict[int, dt.datetime]:
    """Per line, when the contact was last shown the way back, or will be."""
    shown = _live(contact, lines, but).filter(purpose=Purpose.WAY_BACK).order_by()
    return dict(shown.values_list("conversation__line").annotate(Max("created")))


def _opt_out_rules(contact: Contact, lines: Collection[int]) -> dict[int, str]:
    """Per line, the rule of the last opt-out."""
    entries = LedgerEntry.objects.filter(contact=contact, line__in=lines, kind=EntryKind.OPTED_OUT)
    return dict(entries.order_by("seq").values_list("line", "rule"))


def _how_opted_out(rule: str, channel: str) -> str:
    """How somebody opted out, as one would tell a colleague."""
    origin, _, word = rule.partition(":")
    if origin in {"keyword", "reserved"} or rule == "provider:STOP":
        return f"they texted {word}"
    if origin == "route":
        return f"they told us by another way: {word}"
    if rule == "reaches later lines":
        return "on another line, for this one too"
    words = {
        Channel.KEYWORD: "by text",
        Channel.AGENT: "recorded by hand",
        Channel.PROVIDER: "reported by the provider",
    }
    return words.get(Channel(channel), Channel(channel).label.lower()) if channel else ""
