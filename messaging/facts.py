"""What the gate needs to know about a text: one statement (``messaging.known``), and few more for the rare cases.

One number on one line, on several lines, or ten thousand numbers on one: the same code gathers all of them.
"""

import datetime as dt
from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any

from django.utils import timezone

from consent import gate, statements
from consent.gate import Purpose
from consent.models import Contact, Line, User
from consent.vocabulary import Category, Channel, Mode, NumberList, Registration, RequestKind, Status
from messaging import known, pace, timing
from messaging.known import Known, LineState, Standing
from messaging.models import Message
from messaging.models.message import MessageQuerySet, MessageStatus
from messaging.timing import Timing

S = MessageStatus
DAY = dt.timedelta(days=1)
_REGISTERED = {Registration.NOT_NEEDED.value, Registration.VERIFIED.value}
_STATUSES = {None: Status.NOT_DEFINED, **{status.value: status for status in Status}}


def gather(
    line: Line,
    number: str,
    *,
    purpose: Purpose = Purpose.ORDINARY,
    text: Message | None = None,
    now: dt.datetime | None = None,
) -> gate.Facts:
    """The facts about a text from ``line`` to ``number`` (E.164), read in statements that begin when this is called.

    For a decision that counts the caller holds the contact's lock. ``text`` is the text in question, so that it is not
    counted against its own limits.
    """
    return gather_for([line], number, purpose=purpose, text=text, now=now)[line.pk]


def gather_for(
    lines: Sequence[Line],
    number: str,
    *,
    purpose: Purpose = Purpose.ORDINARY,
    text: Message | None = None,
    now: dt.datetime | None = None,
) -> dict[int, gate.Facts]:
    """As ``gather``, on each of ``lines`` by its id, in as many statements as for one."""
    return {found.line: facts for found, facts in _gather(lines, [number], purpose, text, now)}


def gather_bulk(
    line: Line, numbers: Collection[str], *, purpose: Purpose = Purpose.ORDINARY, now: dt.datetime | None = None
) -> dict[str, gate.Facts]:
    """As ``gather``, for each of ``numbers`` by itself, in as many statements as for one."""
    with statements.uncompiled():
        return {found.number: facts for found, facts in _gather([line], set(numbers), purpose, None, now)}


def gather_named(named: str, number: str, user: User) -> gate.Facts | None:
    """As ``gather`` for an ordinary text from the line whose number is ``named``, found in the same statement.

    None where that is none of the lines that ``user`` may use.
    """
    if not user.is_active:
        return None
    now = timezone.now()
    found = known.read_named(named, number, None if user.has_perm("consent.use_every_line") else user.pk, now)
    if found is None:
        return None
    line, state, row = found
    return next(_facts({line.pk: line}, {line.pk: state}, [row], Purpose.ORDINARY, None, now))[1]


def _gather(
    lines: Sequence[Line], numbers: Collection[str], purpose: Purpose, text: Message | None, now: dt.datetime | None
) -> Iterator[tuple[Known, gate.Facts]]:
    now = now or timezone.now()
    by_id = {line.pk: line for line in lines}
    if not (by_id and numbers):
        return
    states, rows = known.read(by_id, numbers, text, now)
    yield from _facts(by_id, states, rows, purpose, text, now)


def _facts(
    by_id: dict[int, Line],
    states: dict[int, LineState],
    rows: Sequence[Known],
    purpose: Purpose,
    text: Message | None,
    now: dt.datetime,
) -> Iterator[tuple[Known, gate.Facts]]:
    requests = _requests(rows, by_id, text, now)
    timings = timing.gather(by_id, rows, text, now)
    shared = {
        pk: _of_the_line(line, states[pk], purpose, now).but(pace_until=pace.until(line, now, text))
        for pk, line in by_id.items()
    }
    modes: dict[tuple[int, str], Mode] = {}
    alike: dict[Hashable, gate.Facts] = {}
    for found, hours in zip(rows, timings, strict=True):
        mode = modes.get((found.line, found.hint))
        if mode is None:  # the country decides, and with it the hint
            mode = by_id[found.line].mode_towards(found.number, states[found.line].default_mode)
            modes[found.line, found.hint] = mode
        # Most of ten thousand numbers stand where others of them stand: these share their facts.
        key = (found.line, mode, hours, found.standing)
        facts = alike.get(key)
        if facts is None:
            facts = alike[key] = _of_the_standing(shared[found.line], found.standing, mode, hours)
        if found.contact and found.standing.asked_lately:
            asked = requests.get((found.contact, found.line), ())
            facts = facts.but(**_of_the_requests(asked, states[found.line].request_limit))
        if found.contact and purpose is Purpose.HELP_REPLY:
            facts = facts.but(help_replies_today=_help_replies(found.contact, found.line, now, text))
        yield found, facts


def _requests(
    rows: Collection[Known], lines: Collection[int], text: Message | None, now: dt.datetime
) -> dict[tuple[int, int], list[tuple[str, dt.datetime]]]:
    asked = {found.contact for found in rows if found.contact and found.standing.asked_lately}
    return known.requests(asked, lines, text, now) if asked else {}


def _of_the_line(line: Line, state: LineState, purpose: Purpose, now: dt.datetime) -> gate.Facts:
    """What is the same for every number, so that it need not be said ten thousand times."""
    return gate.Facts(
        now=now,
        purpose=purpose,
        line_number=line.number,
        line_active=state.is_open,
        line_registered=state.registration in _REGISTERED,
        request_limit=state.request_limit,
        request_pause=state.request_pause,
        required_level=state.required_level,
        marketing=line.category == Category.MARKETING,
    )


def _of_the_standing(shared: gate.Facts, standing: Standing, mode: Mode, hours: Timing) -> gate.Facts:
    status = _STATUSES[standing.status]
    if status is Status.OPTED_OUT:
        of_the_opt_out: dict[str, Any] = {
            "opted_out_at": standing.opted_out_at,
            "opted_out_by": _how_opted_out(standing.opt_out_rule or "", standing.source or ""),
            "last_way_back_at": standing.way_back_at,
        }
    else:
        of_the_opt_out = {}
    return shared.but(
        mode=mode,
        status=status,
        do_not_contact=standing.do_not_contact,
        unsettled=standing.unsettled,
        unreachable=standing.unreachable or "",
        blocked_at_provider=bool(standing.blocked_at_provider),
        under_review=standing.under_review,
        request_open=standing.request_open,
        level=standing.level or "",
        consent_until=standing.consent_until,
        listed_on=_listed_on(standing),
        **hours._asdict(),
        **of_the_opt_out,
    )


def _of_the_requests(asked: Sequence[tuple[str, dt.datetime]], limit: int) -> dict[str, Any]:
    """``asked``: kind and time of the requests that count, newest first."""
    times = [left_at for _, left_at in asked]
    return {
        "last_request_at": times[0] if times else None,
        "limiting_request_at": times[limit - 1] if limit and len(times) >= limit else None,
        "last_theirs_at": next((left_at for kind, left_at in asked if kind == RequestKind.THEIRS), None),
    }


def _listed_on(standing: Standing) -> frozenset[str]:
    named = {
        NumberList.DO_NOT_CALL: standing.in_do_not_call_registry,
        NumberList.LITIGATOR: standing.known_litigator,
    }
    return frozenset(each for each, listed in named.items() if listed)


def told_or_being_told(line: Line, contact: Contact) -> bool:
    """True where a disclaimer reached the contact on this line, or one is on its way."""
    on_its_way = [S.QUEUED, S.DEFERRED, S.SENDING, S.UNKNOWN, S.SENT, S.DELIVERED]
    return (
        contact.consents.filter(line=line).exclude(told_at=None).exists()
        or _texts(contact.pk, line.pk).filter(purpose__in=gate.DISCLAIMERS, status__in=on_its_way).exists()
    )


def help_replies(contact: Contact, line: Line, now: dt.datetime) -> int:
    """How many help replies the contact got on this line in the last 24 hours, or is about to get."""
    return _help_replies(contact.pk, line.pk, now, None)


def _help_replies(contact: int, line: int, now: dt.datetime, but: Message | None) -> int:
    replies = _texts(contact, line).filter(purpose=Purpose.HELP_REPLY, created__gt=now - DAY)
    return replies.exclude(status__in=[S.REFUSED, S.CANCELLED, S.FAILED]).exclude(pk=but.pk if but else None).count()


def _texts(contact: int, line: int) -> MessageQuerySet:
    return Message.objects.outgoing().filter(conversation__contact=contact, conversation__line=line)


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
