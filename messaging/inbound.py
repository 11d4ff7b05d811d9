"""The way in: settle receipts (ARCHITECTURE "The way in").

One transaction per receipt: lock the contact, re-read the oldest unsettled, write all its effects, mark it settled. So
nothing is applied twice, by whichever worker or sweep, and nothing is half applied.
"""

import datetime as dt
import logging
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from django.db import DatabaseError, OperationalError, connections, transaction
from django.db.models.functions import Now

from consent import clock, gate, ledger, phones, remembered
from consent.gate import Purpose
from consent.ledger import Authority, Proof
from consent.models import Contact, Line, OptInRequest
from consent.remembered import Memory
from consent.vocabulary import Channel, Level, LineKind, Mode, RequestKind, Scope, Status
from messaging import automatic, bell, capture, erasure, facts, hearing, opt_in, provider, review, sign_ups, turns
from messaging.keywords import Meaning, Reading
from messaging.models import Conversation, Message, Receipt
from messaging.models.message import Direction, MessageStatus
from messaging.opt_in import Change, Plan, Show, Situation
from messaging.provider import Inbound, Trouble
from messaging.reading import RULES_VERSION
from messaging.text import printable
from messaging.wordings import Kind

log = logging.getLogger(__name__)
S = MessageStatus
# How many numbers are looked up together.
PAGE = 500

_SIGN_UPS: dict[str, Callable[[Receipt, Contact], None]] = {
    Receipt.Kind.WEB_FORM: sign_ups.settle_web_form,
    Receipt.Kind.VOICE: sign_ups.settle_call,
}

# What lifts the provider's own block: everywhere, and on long codes only (FACTS "Opt-outs on Twilio's side").
_LIFTS = {"START", "UNSTOP"}
_LIFTS_LONG_CODES = {*_LIFTS, "YES"}


# Who texts us has a number that works. Whose it is now, a text does not tell.
_DISPROVED_BY_A_TEXT = {Contact.Unreachable.DEACTIVATED, Contact.Unreachable.NOT_MOBILE}


# ---- receipts, one after the other ----------------------------------------------------------------------------------


def settle_number(number: str) -> None:
    """Settle the receipts of one number, oldest first, until none is left or one raises.

    What raises keeps its number fenced and is tried again by the sweeps; an opt-out among the later ones is applied at
    once all the same.
    """
    _settle_all(number, Memory())
    bell.ring_send()


def _settle_all(number: str, memory: Memory) -> None:
    more = True
    while more:
        try:
            more = _settle_oldest(number, memory)
        except _Stuck as stuck:
            if stuck.__cause__:
                _note(stuck.receipt, stuck.__cause__)
            for later in _opt_outs_behind(stuck.receipt):
                _settle_or_note(later)
            return


class _Stuck(Exception):
    """The oldest receipt of a number can't be settled now: because of what it raised, or it is not its turn yet."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt


def _settle_oldest(number: str, memory: Memory) -> bool:
    """Settle the number's oldest receipt, in one transaction. True where more of them wait behind it."""
    receipt = None
    try:
        with transaction.atomic(durable=True):
            contact = Contact.objects.lock(number)
            unsettled = Receipt.objects.select_for_update().unsettled().filter(number=number)
            receipts = list(unsettled.annotate(now=Now()).order_by("pk")[:2])
            if not receipts:
                return False
            receipt, *behind = receipts
            if not receipt.is_due(clock.database_now()):
                raise _Stuck(receipt)
            # The time of the statement that found it: whatever is looked up now is looked up later.
            with memory.serving(received_at=receipt.received_at, now=receipt.now):
                _apply(receipt, contact)
            if not behind:
                _let_go(contact)
    except _Stuck:
        raise
    except Exception as error:  # also what only the commit finds
        if receipt is None:
            raise
        raise _Stuck(receipt) from error
    return bool(behind)


def _settle_or_note(receipt: Receipt) -> bool:
    """True where the receipt is settled, by us or meanwhile by somebody else."""
    try:
        _settle_next(receipt)
    except Exception as error:  # kept on the receipt, for whoever tries it again or reads it
        _note(receipt, error)
        return False
    return True


def _note(receipt: Receipt, error: BaseException) -> None:
    """Whatever it is: the text must not be lost, others must not wait for it, and a person must hear of it."""
    # The trace may hold numbers and words, so it stays on the row and out of the log.
    log.error("receipt %s can't be settled: %s", receipt.pk, type(error).__name__)
    with transaction.atomic(durable=True):
        still = Receipt.objects.select_for_update().unsettled().filter(pk=receipt.pk).first()
        if still:
            still.failed(
                "".join(traceback.format_exception(error)),
                clock.database_now(),
                for_want_of_the_database=isinstance(error, OperationalError),
            )


def _settle_next(receipt: Receipt) -> None:
    """Settle this receipt under the contact's lock, in one transaction. A settled one is left as it is."""
    with transaction.atomic(durable=True):
        contact = Contact.objects.lock(receipt.number) if receipt.number else None
        fresh = Receipt.objects.select_for_update().unsettled().filter(pk=receipt.pk).first()
        if fresh is None:
            return
        _apply(fresh, contact)
        if contact and not Receipt.objects.unsettled().filter(number=contact.number).exists():
            _let_go(contact)


def _apply(receipt: Receipt, contact: Contact | None) -> None:
    """All effects of a receipt, under the contact's lock."""
    # Settled first, so that it does not fence off its own answers; if anything below raises, it never was.
    now = receipt.settled_at = clock.database_now()
    receipt.outcome = Receipt.Outcome.SETTLED
    receipt.error = ""
    receipt.needs_person = False
    receipt.save(update_fields=["settled_at", "outcome", "error", "needs_person"])
    if contact and erasure.is_erased(contact.number):
        erasure.forget(receipt, contact)
    elif receipt.kind == Receipt.Kind.STATUS:
        _settle_delivery(receipt)
    elif receipt.kind in _SIGN_UPS:
        assert contact is not None  # none is stored without a number that can be read
        _SIGN_UPS[receipt.kind](receipt, contact)
    else:
        _settle_inbound(receipt, contact, now)


def _let_go(contact: Contact) -> None:
    """The number's last receipt is settled: what was deferred for that reason is due."""
    if contact.pk is None:
        return  # it was made for a text from an erased number alone, and forgotten with it
    Message.objects.waiting().filter(
        conversation__contact=contact, status=S.DEFERRED, reason=gate.Reason.INBOUND_UNSETTLED
    ).update(status=S.QUEUED, not_before=None, reason="", reason_text="")


def _opt_outs_behind(receipt: Receipt) -> list[Receipt]:
    behind = (
        Receipt.objects.unsettled()
        .filter(number=receipt.number, pk__gt=receipt.pk)
        .exclude(kind__in=[Receipt.Kind.STATUS, Receipt.Kind.WEB_FORM])
    )
    return [later for later in behind.order_by("pk") if _is_opt_out(later)]


def _is_opt_out(receipt: Receipt) -> bool:
    if receipt.kind == Receipt.Kind.VOICE:
        return sign_ups.is_revocation(receipt)
    inbound = provider.parse_inbound(provider.form(bytes(receipt.raw)))
    line = line_of(inbound.recipient)
    return _hear(inbound, line).meaning is Meaning.OPT_OUT


# ---- a text from a contact ------------------------------------------------------------------------------------------


def line_of(recipient: str) -> Line | None:
    """Our line that was texted, or None where the number is no line of ours."""
    try:
        number = phones.normalise_line(recipient)
    except phones.PhoneError:
        return None
    return remembered.recall(("line", number), lambda: Line.objects.filter(number=number).first())


def _hear(inbound: Inbound, line: Line | None, request_open: bool = False) -> Reading:
    return hearing.hear(inbound.body, line, provider_said=inbound.answered_by_provider, request_open=request_open)


def _settle_inbound(receipt: Receipt, contact: Contact | None, now: dt.datetime) -> None:
    inbound = provider.parse_inbound(provider.form(bytes(receipt.raw)))
    line = line_of(inbound.recipient)
    if contact is None or line is None:
        _unroutable(receipt, contact, inbound, _hear(inbound, line))
        return
    found = facts.gather(line, contact.number, now=now)
    reading = _hear(inbound, line, found.request_open)
    if contact.unreachable in _DISPROVED_BY_A_TEXT:
        ledger.reachable(contact, replace(_proof(receipt, inbound, reading), evidence={}), rule="wrote")
    conversation = Conversation.objects.between(contact, line)
    situation = _situation(receipt, conversation, inbound, reading, found)
    plan = opt_in.answer(situation)
    message = _keep(receipt, conversation, inbound, reading, plan, now)
    if plan.review:
        review.open_for(message, plan.review, at=receipt.at, receipt=receipt)
    _act(receipt, conversation, inbound, reading, situation, plan)


def _unroutable(receipt: Receipt, contact: Contact | None, inbound: Inbound, reading: Reading) -> None:
    """Not from a readable number, or to no line of ours: kept and shown. An opt-out among them acts on every line."""
    receipt.outcome = Receipt.Outcome.UNROUTABLE
    receipt.save(update_fields=["outcome"])
    if contact and reading.meaning is Meaning.OPT_OUT:
        capture.revoke(
            contact, None, _proof(receipt, inbound, reading), occurred_at=receipt.at, scope=Scope.ALL, receipt=receipt
        )


def _situation(
    receipt: Receipt, conversation: Conversation, inbound: Inbound, reading: Reading, found: gate.Facts
) -> Situation:
    """Looks up only what matters to such a text of such a contact."""
    line, contact = conversation.line, conversation.contact
    answers = reading.meaning in {Meaning.YES, Meaning.NO}
    request = OptInRequest.objects.acceptable(contact, line, receipt.at) if answers else None
    may_be_told = found.mode is Mode.DISCLAIMER and found.status is Status.NOT_DEFINED
    return hearing.situation(
        found,
        line,
        inbound.body,
        reading,
        provider_said=inbound.answered_by_provider,
        can_accept=request is not None,
        can_refuse=request is not None and request.outcome == "",
        told=may_be_told and facts.told_or_being_told(line, contact),
        help_replies=facts.help_replies(contact, line, found.now) if reading.meaning is Meaning.HELP else 0,
    )


def _keep(
    receipt: Receipt, conversation: Conversation, inbound: Inbound, reading: Reading, plan: Plan, now: dt.datetime
) -> Message:
    status = {Show.RECEIVED: S.RECEIVED, Show.HELD_BACK: S.HELD_BACK, Show.KEYWORD: S.KEYWORD}[plan.show]
    message = Message.objects.create(
        conversation=conversation,
        direction=Direction.IN,
        body=printable(inbound.body),
        status=status,
        provider_id=printable(inbound.provider_id)[:64] or None,
        receipt=receipt,
        marks=[plan.mark] if plan.mark else [],
        meaning=reading.meaning,
        rule=reading.rule,
        rules_version=RULES_VERSION,
        media_count=inbound.media_count,
        created=now,
    )
    conversation.is_open = True
    if plan.show is Show.RECEIVED:
        conversation.unread_since = conversation.unread_since or message.created
    conversation.save(update_fields=["is_open", "unread_since", "last_activity"])
    return message


def _act(
    receipt: Receipt,
    conversation: Conversation,
    inbound: Inbound,
    reading: Reading,
    situation: Situation,
    plan: Plan,
) -> None:
    line, contact = conversation.line, conversation.contact
    proof = _proof(receipt, inbound, reading)
    if reading.tag:
        contact.tags.add(reading.tag)
    word = reading.rule.partition(":")[2]
    if word in (_LIFTS if line.kind == LineKind.TOLL_FREE else _LIFTS_LONG_CODES):
        ledger.set_blocked_at_provider(contact, line, False)
    if plan.change is Change.OPT_IN:
        request = OptInRequest.objects.acceptable(contact, line, receipt.at)
        opt_in.accept(
            conversation,
            proof,
            occurred_at=receipt.at,
            authority=Authority.CONTACT,
            # START and other keywords answer no wording; a YES gives what the wording it answers declares.
            level=request.level if request else Level.EXPRESS,
            until=request.consent_until if request else None,
            request=request,
            receipt=receipt,
            words=reading.reply,
            language=reading.language,
            confirm=not situation.answered_by_provider,
            stands_alone=reading.meaning is not Meaning.YES,
        )
    elif plan.change is not None:
        _opt_out(receipt, conversation, reading, situation, plan, proof)
    elif plan.reply is Purpose.REQUEST_THEIRS:
        asked = opt_in.ask(conversation, RequestKind.THEIRS, channel=Channel.KEYWORD, receipt=receipt)
        if asked and plan.notice:
            automatic.notify(conversation, plan.notice, receipt=receipt)
    else:
        if plan.reply:
            automatic.say(
                conversation,
                plan.reply,
                kind=_template(plan.reply),
                receipt=receipt,
                words=reading.reply,
                language=reading.language,
            )
        if plan.notice:
            automatic.notify(conversation, plan.notice, receipt=receipt)


def _template(purpose: Purpose) -> Kind:
    """A responder's own reply follows the rules of the help reply for its variables."""
    return Kind.HELP_REPLY if purpose is Purpose.RESPONDER_REPLY else Kind(purpose.value)


def _opt_out(
    receipt: Receipt,
    conversation: Conversation,
    reading: Reading,
    situation: Situation,
    plan: Plan,
    proof: Proof,
) -> None:
    line, contact = conversation.line, conversation.contact
    scope = Scope.LINE if plan.change is Change.REFUSE else Scope.ALL if reading.every_line else None
    revoked = capture.revoke(
        contact,
        line,
        proof,
        occurred_at=receipt.at,
        scope=scope,
        receipt=receipt,
        confirm=not situation.answered_by_provider,
        words=reading.reply,
        language=reading.language,
    )
    if situation.answered_by_provider and line not in revoked.kept:
        ledger.set_blocked_at_provider(contact, line, True)
    if situation.answered_by_provider and line in revoked.ended:
        automatic.notify(conversation, Kind.NOTICE_NETWORK_ANSWERED, receipt=receipt)


def _proof(receipt: Receipt, inbound: Inbound, reading: Reading) -> Proof:
    return Proof(
        channel=Channel.PROVIDER
        if inbound.answered_by_provider and reading.meaning is Meaning.OPT_OUT
        else Channel.KEYWORD,
        evidence={
            "text": printable(inbound.body),
            "from": printable(inbound.sender),
            "to": printable(inbound.recipient),
            "provider_id": printable(inbound.provider_id),
            "received_at": receipt.received_at.isoformat(),
        },
        rule=reading.rule,
    )


# ---- what became of a text of ours ----------------------------------------------------------------------------------

_UNREACHABLE = {
    Trouble.NOT_MOBILE: Contact.Unreachable.NOT_MOBILE,
    Trouble.DEACTIVATED: Contact.Unreachable.DEACTIVATED,
}


def _settle_delivery(receipt: Receipt) -> None:
    """A delivery that failed in a way that changes consent, reachability or what waits behind it."""
    delivery = provider.parse_delivery(provider.form(bytes(receipt.raw)))
    message = Message.objects.select_related("conversation__contact", "conversation__line", "request").get(
        uuid=receipt.provider_id
    )
    conversation = message.conversation
    trouble = provider.TROUBLE.get(delivery.error_code)
    reason = f"The provider's code is {delivery.error_code}." if delivery.error_code else ""
    opt_in.could_not_be_sent(message, message.reason_text or reason, receipt)
    if trouble is Trouble.OPTED_OUT and _is_out(conversation):
        # Nothing new; and it must not look as if they had opted out again today.
        ledger.set_blocked_at_provider(conversation.contact, conversation.line, True)
    elif trouble is Trouble.OPTED_OUT:
        evidence = {
            "code": delivery.error_code,
            "message": str(message.uuid),
            "provider_id": message.provider_id or "",
            "to": conversation.contact.number,
            "line": conversation.line.number,
        }
        revoked = capture.revoke(
            conversation.contact,
            conversation.line,
            Proof(Channel.PROVIDER, evidence, rule=f"provider:{delivery.error_code}"),
            occurred_at=message.claimed_at or receipt.at,
            receipt=receipt,
        )
        if conversation.line not in revoked.kept:
            ledger.set_blocked_at_provider(conversation.contact, conversation.line, True)
    elif trouble:
        ledger.unreachable(
            conversation.contact,
            _UNREACHABLE[trouble],
            Proof(Channel.PROVIDER, {"code": delivery.error_code, "message": str(message.uuid)}),
            by=Contact.FoundBy.DELIVERY,
            at=receipt.at,
        )


def _is_out(conversation: Conversation) -> bool:
    return conversation.contact.consents.filter(line=conversation.line, status=Status.OPTED_OUT).exists()


# ---- sweeps ---------------------------------------------------------------------------------------------------------


def settle_waiting(threads: int = 1) -> None:
    """Settle every receipt that is due, number by number. A number that fails does not stop the others.

    With several threads each has a database connection of its own.
    """
    for receipt in Receipt.objects.to_try(clock.database_now()).filter(number="").order_by("pk").iterator():
        _settle_or_note(receipt)
    last = ""
    with ThreadPoolExecutor(threads, thread_name_prefix="settler") as pool:
        while page := _numbers_after(last):
            last = page[-1]
            waiting = deque(page)
            if threads == 1:
                _settle_each(waiting)
            else:
                for done in [pool.submit(_settle_in_thread, waiting) for _ in range(threads)]:
                    done.result()
            if turns.ending.is_set():
                return
            bell.ring_send()


def _settle_each(waiting: deque[str]) -> None:
    """Until none waits; several threads may take from the same numbers."""
    memory = Memory()
    while waiting and not turns.ending.is_set():
        try:
            number = waiting.popleft()
        except IndexError:  # another thread took the last one
            return
        try:
            _settle_all(number, memory)
        except DatabaseError as error:  # not even its receipt could be read, or the failure noted: the sweep comes back
            log.error("a number can't be settled: %s", type(error).__name__)


def _settle_in_thread(waiting: deque[str]) -> None:
    try:
        _settle_each(waiting)
    finally:
        connections.close_all()


def _numbers_after(last: str) -> list[str]:
    """Page by page, so that numbers behind which nothing can move hide none behind them."""
    due = Receipt.objects.to_try(clock.database_now()).filter(number__gt=last)
    return list(due.order_by("number").values_list("number", flat=True).distinct()[:PAGE])


def expire_requests() -> None:
    """End the requests that nobody answered (flow 5). One that can't be ended does not keep the others.

    Numbers with unsettled receipts are skipped: an expiry must not beat a YES that is already in the house.
    """
    for pk, number in list(OptInRequest.objects.due(clock.database_now()).values_list("pk", "contact__number")):
        try:
            _expire(pk, number)
        except Exception:  # the next sweep tries it again; until then the log says which one it is
            log.exception("request %s can't be ended", pk)


def _expire(pk: int, number: str) -> None:
    with transaction.atomic(durable=True):
        Contact.objects.lock(number)
        if Receipt.objects.unsettled().filter(number=number).exists():
            return
        now = clock.database_now()
        request = OptInRequest.objects.due(now).filter(pk=pk).select_related("line", "contact").first()
        if request:
            opt_in.expire(request, now)
