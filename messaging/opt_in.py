"""The flows of PRODUCT.md: what a text from a contact leads to, as one table, and the verbs that act on it.

The table is pure: a situation in, a plan out, the first row that fits. The verbs run under the contact's lock.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.utils import timezone

from consent import clock, ledger
from consent.gate import ASKED_FIRST, DISCLAIMERS, REQUESTS, Decision, Facts, Purpose, Reason, Verdict
from consent.ledger import Authority, Proof
from consent.models import Contact, Line, OptInRequest, Organisation, User
from consent.vocabulary import LEVEL_RANK, Channel, Level, Mode, RequestKind, RequestOutcome, Status
from messaging import automatic
from messaging.keywords import Meaning
from messaging.models import Conversation, Message, Receipt, Review
from messaging.models.message import MessageStatus
from messaging.models.review import Doubt
from messaging.wordings import Kind

S = MessageStatus

# PRODUCT "Rules around the flows": what was written longer ago than this may be out of date.
FRESH = dt.timedelta(hours=24)
AUTHOR_CONFIRMS = "author_confirms"
WAITS_FOR_ITS_AUTHOR = (
    "It was written more than a day before it could leave, so it may be out of date. "
    "It leaves when its author confirms it."
)


class Show(StrEnum):
    """What becomes of the contact's words: shown to agents, held back from them, or a mere command."""

    RECEIVED = "received"
    HELD_BACK = "held_back"
    KEYWORD = "keyword"


class Change(StrEnum):
    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"
    REFUSE = "refuse"  # NO to a request: out on this line, whatever the organisation's scope


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Where a contact stands on the line they text, at the moment of the text."""

    mode: Mode
    status: Status
    meaning: Meaning
    answered_by_provider: bool = False  # Twilio says it answered this very text itself
    can_accept: bool = False  # a request is open, or expired so lately that a YES still counts
    can_refuse: bool = False  # a request is open and has left
    request_open: bool = False
    limit_allows: bool = True
    may_ask_again: bool = False  # opted out a day ago or longer, not asked for 30 days, not blocked at the provider
    may_show_way_back: bool = False
    told: bool = False
    help_left: bool = True
    under_review: bool = False


@dataclass(frozen=True)
class Plan:
    show: Show
    change: Change | None = None
    reply: Purpose | None = None
    notice: Kind | None = None
    mark: str = ""
    review: Doubt | None = None


@dataclass(frozen=True)
class Row:
    flows: str
    when: Callable[[Situation], bool]
    plan: Plan


def _in_mode(mode: Mode, *statuses: Status) -> Callable[[Situation], bool]:
    return lambda s: s.mode is mode and s.status in statuses


_unasked_by_consent = _in_mode(Mode.CONSENT, Status.NOT_DEFINED, Status.PENDING)
_out_by_consent = _in_mode(Mode.CONSENT, Status.OPTED_OUT)
_out_by_disclaimer = _in_mode(Mode.DISCLAIMER, Status.OPTED_OUT)
_unasked_by_disclaimer = _in_mode(Mode.DISCLAIMER, Status.NOT_DEFINED)


def _brings_no_answer(s: Situation) -> bool:
    """Under review nothing goes out. A reaction to our own text, or what may be a revocation, asks for nothing."""
    return s.under_review or s.meaning in {Meaning.REACTION, Meaning.REVIEW}


ANSWERS: tuple[Row, ...] = (
    # Words that decide, whatever the mode and the status.
    Row("4, 8, 11, 17", lambda s: s.meaning is Meaning.OPT_OUT, Plan(Show.KEYWORD, Change.OPT_OUT)),
    Row("4, 8", lambda s: s.meaning is Meaning.NO and s.can_refuse, Plan(Show.KEYWORD, Change.REFUSE)),
    Row("3, 7, 15", lambda s: s.meaning is Meaning.OPT_IN, Plan(Show.KEYWORD, Change.OPT_IN)),
    Row("3, 7", lambda s: s.meaning is Meaning.YES and s.can_accept, Plan(Show.KEYWORD, Change.OPT_IN)),
    Row(
        "16, answered by the provider",
        lambda s: s.meaning is Meaning.HELP and s.answered_by_provider,
        Plan(Show.RECEIVED, notice=Kind.NOTICE_NETWORK_ANSWERED),
    ),
    Row(
        "16",
        lambda s: s.meaning is Meaning.HELP and s.help_left,
        Plan(Show.RECEIVED, reply=Purpose.HELP_REPLY),
    ),
    Row("16, a fourth time in a day", lambda s: s.meaning is Meaning.HELP, Plan(Show.RECEIVED)),
    Row(
        "a responder's reply",
        lambda s: s.meaning is Meaning.REPLY and not s.under_review,
        Plan(Show.RECEIVED, reply=Purpose.RESPONDER_REPLY),
    ),
    # What is no ordinary text, or comes while nothing may leave: kept like one, and not answered. Who is out already
    # can't be put under review.
    Row("no answer: out, with consent", lambda s: _brings_no_answer(s) and _out_by_consent(s), Plan(Show.HELD_BACK)),
    Row(
        "no answer: out, disclaimer only",
        lambda s: _brings_no_answer(s) and _out_by_disclaimer(s),
        Plan(Show.RECEIVED, mark="opted out"),
    ),
    Row("no answer: unasked", lambda s: _brings_no_answer(s) and _unasked_by_consent(s), Plan(Show.HELD_BACK)),
    Row("no answer", _brings_no_answer, Plan(Show.RECEIVED)),
    # Everything else is an ordinary text. With consent:
    Row(
        "6",
        lambda s: _unasked_by_consent(s) and not s.request_open and s.limit_allows,
        Plan(Show.HELD_BACK, reply=Purpose.REQUEST_THEIRS, notice=Kind.NOTICE_WROTE_AND_ASKED),
    ),
    Row("asked already, or at the limit", _unasked_by_consent, Plan(Show.HELD_BACK)),
    Row(
        "13",
        lambda s: _out_by_consent(s) and not s.request_open and s.limit_allows and s.may_ask_again,
        Plan(Show.HELD_BACK, reply=Purpose.REQUEST_THEIRS, notice=Kind.NOTICE_WROTE_AND_ASKED),
    ),
    Row("13, too soon", _out_by_consent, Plan(Show.HELD_BACK)),
    # Disclaimer only:
    Row(
        "14",
        lambda s: _out_by_disclaimer(s) and s.may_show_way_back,
        Plan(Show.RECEIVED, reply=Purpose.WAY_BACK, mark="opted out"),
    ),
    Row("14, too soon", _out_by_disclaimer, Plan(Show.RECEIVED, mark="opted out")),
    Row(
        "10",
        lambda s: _unasked_by_disclaimer(s) and not s.told,
        Plan(Show.RECEIVED, reply=Purpose.DISCLAIMER_THEIRS),
    ),
    Row("conversation", lambda s: True, Plan(Show.RECEIVED)),
)


def answer(situation: Situation) -> Plan:
    """What a text in this situation leads to. What may be a revocation or an acceptance, a person reads besides."""
    plan = next(row.plan for row in ANSWERS if row.when(situation))
    if situation.meaning is Meaning.REVIEW and situation.status is not Status.OPTED_OUT:
        return replace(plan, review=Doubt.REVOCATION)
    if situation.meaning is Meaning.POSSIBLE_ACCEPTANCE and situation.request_open:
        return replace(plan, review=Doubt.ACCEPTANCE)
    return plan


# ---- asking ---------------------------------------------------------------------------------------------------------

_PURPOSE = {
    RequestKind.OURS: Purpose.REQUEST_OURS,
    RequestKind.THEIRS: Purpose.REQUEST_THEIRS,
    RequestKind.CONFIRM_SIGN_UP: Purpose.CONFIRM_SIGN_UP,
}


def ask(
    conversation: Conversation,
    kind: RequestKind,
    *,
    channel: Channel,
    asked_by: User | None = None,
    receipt: Receipt | None = None,
    basis: str = "",
    level: Level | None = None,
    until: dt.datetime | None = None,
    source: str = "",
    bulk: bool = False,
    batch: str = "",
) -> OptInRequest | None:
    """Send the contact an opt-in request. None, with the refused text kept, where the gate does not let it out.

    ``level`` and ``until`` are of a consent given elsewhere, which a YES confirms. A YES gives what the wording
    declares where nothing was given before, or less. ``bulk``: one of many.
    """
    version = automatic.wording(Kind(_PURPOSE[kind].value), conversation.line, conversation.contact)
    if level is None or LEVEL_RANK[level] < LEVEL_RANK[version.level]:
        level, until = Level(version.level), None
    request = OptInRequest.objects.create(
        contact=conversation.contact,
        line=conversation.line,
        kind=kind,
        channel=channel,
        asked_by=asked_by,
        basis=basis,
        batch=batch,
        level=level,
        consent_until=until,
        wording=version.uuid,
        created=timezone.now(),
    )
    message = automatic.say(
        conversation,
        _PURPOSE[kind],
        receipt=receipt,
        request=request,
        author=asked_by,
        extra={"sign_up_source": source} if source else None,
        bulk=bulk,
    )
    if message.status == S.REFUSED:
        ledger.withdraw_request(request, at=timezone.now())
        return None
    return request


def foreseen(decision: Decision, found: Facts, line: Line, contact: Contact) -> Decision:
    """``decision``, or why nothing can be sent where the contact would have to be asked again and that is pointless."""
    if found.request_open or decision.reason not in ASKED_FIRST or found.status != Status.OPTED_IN:
        return decision
    why = why_pointless(line, contact, found.required_level)
    return Decision(Verdict.REFUSE, Reason.LEVEL_TOO_LOW, why) if why else decision


def why_pointless(line: Line, contact: Contact, required: str) -> str:
    """Why it is of no use to ask a contact who agreed already: a YES to the wording would not be enough either.

    Empty where it would. Without this, such a contact would be asked as often as the limits allow, for ever.
    """
    version = automatic.wording(Kind.REQUEST_OURS, line, contact)
    if LEVEL_RANK[version.level] >= LEVEL_RANK[required]:
        return ""
    needed, given = Level(required).label.lower(), Level(version.level).label.lower()
    return (
        f"This line needs {needed} consent, and a YES to its opt-in request gives no more than {given} consent, so the "
        f"contact is not asked again. An officer can record {needed} consent, or put the wording of the request right."
    )


def expires_after(request: OptInRequest) -> dt.timedelta:
    return request.line.request_expires_after or Organisation.objects.current().request_expires_after


def leaving(message: Message, at: dt.datetime) -> None:
    """A request is about to go out: from now on a YES may answer it. Its expiry is provisional until it is taken."""
    if request := message.request:
        request.left_at, request.expires_at = at, at + expires_after(request)
        request.save(update_fields=["left_at", "expires_at"])


def given_back(message: Message) -> None:
    """It did not go out after all."""
    if request := message.request:
        request.left_at = request.expires_at = None
        request.save(update_fields=["left_at", "expires_at"])


def taken(message: Message) -> None:
    """The provider took an automatic text: the contact is asked, or told. May be called any number of times."""
    at = message.sent_at or timezone.now()
    if message.request_id and message.request:
        ledger.asked(message.request, _proof(message), at=at, expires_after=expires_after(message.request))
    elif message.purpose in DISCLAIMERS:
        ledger.told(message.conversation.contact, message.conversation.line, _proof(message), at=at)


def could_not_be_sent(message: Message, why: str, receipt: Receipt | None = None) -> None:
    """A request or disclaimer failed: what waits for it is refused with that reason, and the agents are told.

    Everything else that fails lets the texts behind it go.
    """
    conversation = message.conversation
    if message.request_id and message.request:
        if message.request.outcome != RequestOutcome.OPEN:
            return
        ledger.request_failed(message.request, _proof(message), at=timezone.now())
        behind = Message.objects.waiting().filter(conversation=conversation, status=S.HELD)
    elif message.purpose in DISCLAIMERS:
        ledger.not_told(conversation.contact, conversation.line, _proof(message), at=timezone.now())
        behind = Message.objects.waiting().filter(
            conversation=conversation, purpose=Purpose.ORDINARY, place__gt=message.place
        )
    else:
        return
    authors = _authors(behind)
    behind.update(
        status=S.REFUSED,
        reason="request_failed" if message.request_id else "disclaimer_failed",
        reason_text=f"The text that had to go before this one could not be delivered. {why}",
    )
    automatic.notify(conversation, Kind.NOTICE_REQUEST_FAILED, to=authors or [None], receipt=receipt, detail=why)


def expire(request: OptInRequest, now: dt.datetime) -> None:
    """Flow 5: nobody answered. Held texts are cancelled, held-back texts stay hidden, the agents are told."""
    message = request.messages.first()
    proof = _proof(message) if message else Proof(request.channel, {})
    # Nobody will ever know; but nothing need wait for it any more.
    request.messages.filter(status=S.UNKNOWN).update(
        status=S.FAILED, reason="request_expired", reason_text="Nobody knows whether it left. It was never answered."
    )
    ledger.request_expired(request, proof, at=now)
    conversation = Conversation.objects.between(request.contact, request.line)
    held = Message.objects.waiting().filter(conversation=conversation, status=S.HELD)
    authors = _authors(held)
    held.update(
        status=S.CANCELLED,
        reason="request_expired",
        reason_text="The contact did not answer the opt-in request before it expired.",
    )
    automatic.notify(conversation, Kind.NOTICE_EXPIRED, to=authors or [None])


# ---- in -------------------------------------------------------------------------------------------------------------


def accept(
    conversation: Conversation,
    proof: Proof,
    *,
    occurred_at: dt.datetime,
    authority: Authority,
    level: str = Level.EXPRESS,
    until: dt.datetime | None = None,
    request: OptInRequest | None = None,
    receipt: Receipt | None = None,
    words: str = "",
    language: str = "",
    confirm: bool = True,
    stands_alone: bool = True,
    opted_out_at: dt.datetime | None = None,
) -> bool:
    """Record an opt-in with all that follows: confirmation, then the held texts, the held-back ones shown, notices.

    False where a later opt-out overrules it; nothing follows then. Raises ledger.ConsentError like ``ledger.opt_in``.
    """
    before = ledger.consent_of(conversation.contact, conversation.line)
    was_in = before.status == Status.OPTED_IN and not before.is_over
    in_doubt = Review.objects.doubted_since(conversation, occurred_at)
    counts = ledger.opt_in(
        conversation.contact,
        conversation.line,
        proof,
        occurred_at=occurred_at,
        level=level,
        until=until,
        authority=authority,
        request=request,
        stands_alone=stands_alone,
        in_doubt=in_doubt,
        opted_out_at=opted_out_at,
    )
    if not counts:
        return False
    settled = Review.objects.acceptances() if in_doubt else Review.objects.all()
    settled.overtake(conversation.contact, [conversation.line], timezone.now())
    if request:
        # Who answers a request has got it, whatever the provider's answer was: nothing waits for it any more.
        request.messages.filter(status=S.UNKNOWN).update(status=S.SENT, reason="", reason_text="")
    # What only an opted-out or unasked contact would get. The confirmation of the STOP that they took back, too.
    Message.objects.waiting().filter(
        conversation=conversation, purpose__in=[*REQUESTS, Purpose.OPT_OUT_CONFIRMATION, Purpose.WAY_BACK]
    ).update(status=S.CANCELLED, reason="opted_in", reason_text="The contact opted in meanwhile.")
    if confirm and (request or not was_in):  # one per opt-in: who is in already, is not told so again
        automatic.say(conversation, Purpose.OPT_IN_CONFIRMATION, receipt=receipt, words=words, language=language)
    release(conversation, receipt)
    return True


@dataclass(frozen=True)
class LetGo:
    """Held texts that were let go, and those too old for that, which wait for their authors."""

    fresh: list[Message]
    late: list[Message]

    def by(self, author: User) -> "LetGo":
        return LetGo(
            [text for text in self.fresh if text.author == author],
            [text for text in self.late if text.author == author],
        )

    def authors(self) -> list[User]:
        return list({text.author.pk: text.author for text in [*self.fresh, *self.late] if text.author}.values())


def let_go(conversation: Conversation, held: Iterable[Message]) -> LetGo:
    """Queue ``held`` in the order written, behind what is queued already; the gate decides again when each is claimed.

    What was written more than 24 hours ago stays held until its author confirms it (``outbound.confirm``).
    """
    now = clock.database_now()
    done = LetGo([], [])
    for message in sorted(held, key=lambda text: (text.created, text.pk)):
        if now - message.created > FRESH:
            message.reason, message.reason_text = AUTHOR_CONFIRMS, WAITS_FOR_ITS_AUTHOR
            done.late.append(message)
        else:
            message.status, message.place = S.QUEUED, conversation.next_place()
            message.reason = message.reason_text = ""
            done.fresh.append(message)
        message.save(update_fields=["status", "place", "reason", "reason_text"])
    return done


def in_words(done: LetGo, *, one: str, many: str, whose: str) -> str:
    """What was let go and what waits for ``whose`` word, for a notice. Empty where nothing was held."""
    fresh, late = len(done.fresh), len(done.late)
    goes = {0: "", 1: f"The text that waited {one}."}.get(fresh, f"{fresh} texts that waited {many}.")
    waits = {0: "", 1: f"1 text is older than a day and waits for {whose} word."}.get(
        late, f"{late} texts are older than a day and wait for {whose} word."
    )
    return f"{goes} {waits}".strip()


def release(conversation: Conversation, receipt: Receipt | None = None) -> None:
    """Let held texts go in the order written, behind what is queued already, and show what was held back.

    Texts that were submitted while the contact's answer was being read stand behind those, not before. What was held
    back before an opt-out stays hidden (flow 8).
    """
    ordinary = Message.objects.waiting().filter(conversation=conversation, purpose=Purpose.ORDINARY)
    held = list(ordinary.filter(status=S.HELD).select_related("author"))
    meanwhile = ordinary.filter(status=S.DEFERRED, reason=Reason.INBOUND_UNSETTLED).order_by("created", "pk")
    done = let_go(conversation, held)
    for message in meanwhile:
        message.place = conversation.next_place()
        message.save(update_fields=["place"])
    for shown in conversation.messages.filter(status=S.HELD_BACK, reason=""):
        shown.status, shown.marks = S.RECEIVED, [*shown.marks, "held back until they agreed"]
        shown.save(update_fields=["status", "marks"])
        conversation.unread_since = conversation.unread_since or timezone.now()
    conversation.save(update_fields=["unread_since", "last_activity"])
    for author in done.authors():
        detail = in_words(done.by(author), one="is on its way", many="are on their way", whose="your")
        automatic.notify(conversation, Kind.NOTICE_OPTED_IN, to=[author], receipt=receipt, detail=detail)
    if not done.authors():
        automatic.notify(conversation, Kind.NOTICE_OPTED_IN, receipt=receipt)


def _authors(messages: Any) -> list[User]:
    return list(User.objects.filter(texts__in=messages).distinct().order_by("pk"))


def _proof(message: Message) -> Proof:
    """The words that left, as evidence of what the contact was asked or told."""
    conversation = message.conversation
    return Proof(
        channel=message.request.channel if message.request else Channel.KEYWORD,
        evidence={
            "text": message.sent_body,
            "to": conversation.contact.number,
            "line": conversation.line.number,
            "message": str(message.uuid),
            "provider_id": message.provider_id or "",
        },
        actor=message.author,
        wording=message.wording.uuid if message.wording else None,
    )
