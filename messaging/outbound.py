"""The way out: submit, claim, call (ARCHITECTURE "The way out"); ``outcomes`` records what became of it, ``sending``
does it for all that is due.

The gate decides twice: when a text is submitted, and when it is claimed, immediately before the call to the provider,
with facts read after the contact's lock was taken. A call is made once: what may have left is never sent again.
"""

import datetime as dt
import logging
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from consent import clock, gate
from consent.gate import Purpose, Reason, Verdict
from consent.models import Contact, Line, User
from consent.vocabulary import Channel, Mode, RequestKind, RequestOutcome, Status
from messaging import (
    automatic,
    bell,
    departure,
    facts,
    footer,
    opt_in,
    outcomes,
    pace,
    provider,
    rendering,
    text,
    turns,
)
from messaging.automatic import STATUS_FOR
from messaging.models import Conversation, Message, SavedTextVersion, TemplateVersion
from messaging.models.message import DOES_NOT_WAIT, Direction, MessageQuerySet, MessageStatus
from messaging.provider import ProviderError
from messaging.wordings import Kind

log = logging.getLogger(__name__)
S = MessageStatus

TOO_LATE = "It could not leave in time and would only confuse now."

# Of whom so many texts are queued on a line already, sends to many, whether they say so or not.
MANY = 100
# Twilio takes no more.
LONGEST_TEXT = rendering.LONGEST_TEXT


class TextError(Exception):
    """Something can't be done with a text. The message tells people why."""


# ---- submit ---------------------------------------------------------------------------------------------------------


def submit(
    *,
    line: Line,
    to: str,
    body: str,
    author: User,
    basis: str = "",
    saved_text: SavedTextVersion | None = None,
    bulk: bool = False,
) -> Message:
    """Take one ordinary text for ``to`` (E.164) and let the gate decide: queued, held, deferred or refused.

    A Not Defined contact is asked first on a line with consent (flow 1), told first on a disclaimer line (flow 9).
    ``basis`` is why the author thinks they may be asked; ``saved_text`` where the words come from. ``bulk``: it is one
    of many, which leave after those that somebody waits for; so is every text of an author who has many waiting.
    Every text is kept, refused ones with their reason. Raises TextError for one that is too long to be sent.
    """
    with transaction.atomic():
        contact = Contact.objects.lock(to)
        conversation = Conversation.objects.between(contact, line)
        # Whether it will end with the footer is known only when it leaves.
        if len(with_footer(conversation, body, author)[0]) > LONGEST_TEXT:
            raise TextError(f"Together with its footer this text is longer than {LONGEST_TEXT} characters. Shorten it.")
        bulk = bulk or _sends_to_many(line, author)
        decision = _decide(conversation, author, basis, bulk)
        message = Message.objects.create(
            conversation=conversation,
            line=line,
            bulk=bulk,
            direction=Direction.OUT,
            purpose=Purpose.ORDINARY,
            body=body,
            **_what_becomes_of_it(decision),
            place=conversation.next_place(),
            author=author,
            saved_text=saved_text,
            created=clock.database_now(),
        )
        conversation.is_open = True
        conversation.save(update_fields=["is_open", "last_activity"])
        bell.ring_send(bulk=bulk)
    return message


def _sends_to_many(line: Line, author: User) -> bool:
    """True for an author of whom many texts wait to leave from this line: nobody else's single text waits for them."""
    waiting = Message.objects.filter(line=line, author=author, status=S.QUEUED, bulk=False).order_by()
    paced = Message.objects.paced().filter(line=line, author=author, bulk=False).order_by()
    return waiting[:MANY].count() >= MANY or (line.has_a_pace and paced[:MANY].count() >= MANY)


def _decide(conversation: Conversation, author: User, basis: str = "", bulk: bool = False) -> gate.Decision:
    """The gate's answer to an ordinary text. What has to go before it is put on its way: a request, or a disclaimer."""
    line = conversation.line
    found = facts.gather(line, conversation.contact.number, now=clock.database_now())
    if bulk and line.has_a_pace:
        found = found.but(pace_until=pace.until(line, found.now, bulk=True))
    decision = gate.decide(found)
    if decision.reason in gate.ASKED_FIRST:
        decision = _ask_first(conversation, found, decision, author, basis, bulk)
    elif decision.verdict in {Verdict.SEND, Verdict.DEFER} and _must_be_told(found, conversation):
        automatic.say(conversation, Purpose.DISCLAIMER_OURS, author=author, bulk=bulk)
    return decision


def _what_becomes_of_it(decision: gate.Decision) -> dict[str, Any]:
    """The fields of an ordinary text that the gate's answer decides."""
    return {
        "status": STATUS_FOR[decision.verdict],
        "reason": "" if decision.may_send else decision.reason,
        "reason_text": "" if decision.may_send else decision.text,
        "not_before": decision.until if decision.verdict is Verdict.DEFER else None,
    }


def _ask_first(
    conversation: Conversation,
    found: gate.Facts,
    decision: gate.Decision,
    author: User | None,
    basis: str = "",
    bulk: bool = False,
) -> gate.Decision:
    """Flow 1: the opt-in request goes out, the author's text is held, and the author is told.

    So too where the contact's consent has ended or is too low, unless they are being asked already. Refused where
    asking is pointless, or not allowed now.
    """
    decision = opt_in.foreseen(decision, found, conversation.line, conversation.contact)
    if found.request_open or decision.verdict is Verdict.REFUSE:
        return decision
    opt_in.ask(conversation, RequestKind.OURS, channel=Channel.AGENT, asked_by=author, basis=basis, bulk=bulk)
    automatic.notify(conversation, Kind.NOTICE_ASKED, to=[author])
    return decision


def _must_be_told(found: gate.Facts, conversation: Conversation) -> bool:
    """Flow 9: the first text on a disclaimer line has a disclaimer before it."""
    return (
        found.mode is Mode.DISCLAIMER
        and (found.status == Status.NOT_DEFINED or gate.has_ended(found))
        and not facts.told_or_being_told(conversation.line, conversation.contact)
    )


def with_footer(conversation: Conversation, body: str, author: User | None) -> tuple[str, TemplateVersion | None]:
    """An ordinary text with the footer, and the footer's wording; without either where it tells how to stop itself."""
    if text.tells_how_to_stop(body):
        return body, None
    line, contact = conversation.line, conversation.contact
    wording = automatic.wording(Kind.FOOTER, line, contact)
    values = automatic.values(line, contact, author)
    words = rendering.render(wording.body, Kind.FOOTER, values, wording.template.language)
    return text.with_footer(body, words), wording


def _as_it_leaves(message: Message, now: dt.datetime) -> tuple[str, TemplateVersion | None]:
    """The words of an ordinary text that leaves now, and the wording of the footer where they end with it."""
    if not footer.due(message.conversation, now):
        return message.body, None
    return with_footer(message.conversation, message.body, message.author)


def withdraw(message: Message, by: User) -> Message:
    """An author takes a text back while it waits. Raises TextError where it is too late or not theirs."""
    with transaction.atomic():
        Contact.objects.lock_pk(message.conversation.contact_id)
        message.refresh_from_db()
        if message.author_id != by.pk or message.purpose != Purpose.ORDINARY:
            raise TextError("Only its author can withdraw a text.")
        if message.status not in {S.QUEUED, S.HELD, S.DEFERRED}:
            raise TextError(f"It is too late to withdraw this text: it is {message.get_status_display().lower()}.")
        message.status, message.reason, message.reason_text = S.CANCELLED, "withdrawn", "Withdrawn by its author."
        message.marks = [*message.marks, "withdrawn"]
        message.save(update_fields=["status", "reason", "reason_text", "marks"])
    return message


def confirm(message: Message, by: User) -> Message:
    """An author stands by a text that was let go more than a day after it was written: through the gate again, and
    behind what was written since. Raises TextError where it does not wait for that, or is not theirs.
    """
    with transaction.atomic():
        contact = Contact.objects.lock_pk(message.conversation.contact_id)
        message.refresh_from_db()
        if message.author_id != by.pk or message.purpose != Purpose.ORDINARY:
            raise TextError("Only its author can confirm a text.")
        if message.status != S.HELD or message.reason != opt_in.AUTHOR_CONFIRMS:
            raise TextError(f"This text does not wait for your word: it is {message.get_status_display().lower()}.")
        conversation = Conversation.objects.select_related("line").get(pk=message.conversation_id)
        conversation.contact = contact
        became = _what_becomes_of_it(_decide(conversation, by, bulk=message.bulk))
        for name, value in became.items():
            setattr(message, name, value)
        message.place = conversation.next_place()
        message.save(update_fields=[*became, "place"])
        bell.ring_send()
    return message


# ---- claim ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """One text that may leave now, and until when its call must have begun (``time.monotonic``)."""

    message: Message
    call_before: float


def claim(conversation_pk: int) -> Claim | None:
    """Take the next text of a conversation for sending, or None where nothing may leave now.

    Claimed at the database's time, under the contact's lock. The facts are read in statements that begin after that
    moment (READ COMMITTED), so a webhook answered before it is seen.
    """
    with transaction.atomic(durable=True):
        conversation = departure.locked(conversation_pk)
        call_before = time.monotonic() + settings.CLAIM_SECONDS
        now = clock.database_now()
        paced = False
        while message := _next(conversation, now, only_urgent=paced):
            found = facts.gather(
                conversation.line,
                conversation.contact.number,
                purpose=Purpose(message.purpose),
                text=message,
                now=now,
            )
            decision = gate.decide(found)
            if message.request and message.request.outcome != RequestOutcome.OPEN:
                _set(message, S.CANCELLED, "answered", "The contact answered before this left.")
            elif message.send_before and now >= message.send_before:
                _set(message, S.CANCELLED, "too_late", TOO_LATE)
            elif decision.may_send and message.purpose == Purpose.ORDINARY and _must_be_told(found, conversation):
                # The line's mode changed since it was submitted: the disclaimer goes first now.
                automatic.say(conversation, Purpose.DISCLAIMER_OURS, author=message.author, bulk=message.bulk)
                _stand_behind(conversation)
            elif decision.may_send and pace.take(conversation.line, now, message):
                _begin(message, now)
                return Claim(message, call_before)
            else:
                if decision.may_send:  # another claim was faster
                    decision = gate.decide(found.but(pace_until=pace.next_chance(message, found.now)))
                paced = decision.reason is Reason.LINE_PACE
                _put_off(message, decision, found)
    return None


def _next(conversation: Conversation, now: dt.datetime, only_urgent: bool = False) -> Message | None:
    """The text with the lowest place that is due or waits for its turn, unless one is being sent, or one before it is
    not through that nothing may overtake: an automatic one, or any that the provider turned away for a moment.

    The opt-out confirmation and the help reply wait for nobody.
    """
    there = departure.candidates(conversation, now)
    if there and there[0].status == S.SENDING:
        return None
    for place, message in enumerate(there):
        message.conversation = conversation
        urgent = message.purpose in DOES_NOT_WAIT
        if (urgent or not only_urgent) and (message.is_due(now) or pace.waits(message)):
            # What somebody waits for takes those along that stand before it.
            message.bulk = message.bulk and all(each.bulk for each in there[place:])
            return message
        if not urgent and (message.is_automatic or message.status == S.QUEUED):
            return None
    return None


def _stand_behind(conversation: Conversation) -> None:
    """Give all ordinary texts that wait new places at the end of the queue, in their order."""
    for text_behind in conversation.messages.waiting().filter(purpose=Purpose.ORDINARY).in_order():
        text_behind.place = conversation.next_place()
        text_behind.save(update_fields=["place"])


def _begin(message: Message, now: dt.datetime) -> None:
    if message.purpose == Purpose.ORDINARY:
        message.sent_body, message.wording = _as_it_leaves(message, now)
    message.status, message.claimed_at = S.SENDING, now
    message.reason = message.reason_text = ""
    message.save(update_fields=["status", "claimed_at", "sent_body", "wording", "reason", "reason_text"])
    opt_in.leaving(message, now)


def _put_off(message: Message, decision: gate.Decision, found: gate.Facts) -> None:
    """The gate's second answer was not "send"."""
    if decision.reason in gate.ASKED_FIRST and not message.is_automatic:
        # When it was submitted, nobody knew yet that they have to be asked.
        decision = _ask_first(message.conversation, found, decision, message.author, bulk=message.bulk)
    status = STATUS_FOR[decision.verdict]
    if status == S.HELD and message.is_automatic:
        status = S.REFUSED
    until = decision.until if status == S.DEFERRED else None
    if decision.reason is Reason.LINE_PACE and pace.waits(message) and message.not_before and until:
        until = max(until, message.not_before)  # it keeps its place among those that wait
    message.not_before = until
    _set(message, status, decision.reason, decision.text)
    if status == S.REFUSED:
        opt_in.could_not_be_sent(message, decision.text)


def _set(message: Message, status: str, reason: str, words: str) -> None:
    message.status, message.reason, message.reason_text = status, reason, words
    message.save(update_fields=["status", "reason", "reason_text", "not_before"])


# ---- send -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a call to the provider came to: an id, an error, or neither where it began too late to be made."""

    provider_id: str = ""
    error: ProviderError | None = None


def send_conversation(conversation_pk: int, most: int | None = None) -> int:
    """Send what is due in one conversation, one text after the other, at most so many. Returns how many calls it made.

    A process that is told to end claims nothing more; what waits is found by the next one.
    """
    calls = 0
    while calls != most and not turns.ending.is_set() and (claimed := claim(conversation_pk)):
        calls += 1
        if not record(claimed, call(claimed)):
            break
    return calls


def call(claimed: Claim) -> Answer:
    """Call the provider for a claimed text, unless the claim grew too old. Touches no database."""
    message = claimed.message
    if time.monotonic() >= claimed.call_before:
        return Answer()
    try:
        provider_id = provider.send(
            line=message.conversation.line.number,
            to=message.conversation.contact.number,
            body=message.sent_body,
            callback_url=f"{settings.PUBLIC_URL}/twilio/status/?m={message.uuid}",
        )
    except ProviderError as error:
        return Answer(error=error)
    return Answer(provider_id)


def record(claimed: Claim, answer: Answer) -> bool:
    """Write down what came of a claim. True if the provider took the text."""
    if answer.error:
        outcomes.record_failure(claimed.message, answer.error)
    elif answer.provider_id:
        outcomes.record_success(claimed.message, answer.provider_id)
    else:
        give_back(claimed.message)
    return bool(answer.provider_id)


def give_back(message: Message) -> None:
    """The claim grew too old before the call began: it was not made, so the text waits again."""
    with transaction.atomic(durable=True):
        Contact.objects.lock_pk(message.conversation.contact_id)
        if Message.objects.filter(pk=message.pk, status=S.SENDING).update(status=S.QUEUED):
            opt_in.given_back(message)


def settle_unknown(message: Message, *, left: bool) -> None:
    """A person knows what became of a text of unknown fate. Raises TextError where it is no longer unknown."""
    with transaction.atomic():
        Contact.objects.lock_pk(message.conversation.contact_id)
        message.refresh_from_db()
        if message.status != S.UNKNOWN:
            raise TextError(f"This text is no longer unknown: it is {message.get_status_display().lower()}.")
        message.status = S.SENT if left else S.FAILED
        message.reason = "" if left else "provider"
        message.reason_text = "" if left else "It never left, as somebody has found out."
        message.sent_at = message.sent_at or (message.claimed_at if left else None)
        message.save(update_fields=["status", "reason", "reason_text", "sent_at"])
        if left:
            opt_in.taken(message)
        else:
            opt_in.could_not_be_sent(message, message.reason_text)
        bell.ring_send()


def is_uuid(text: str) -> bool:
    """Whether a callback names one of our texts in a form we can look up."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


# ---- sweeps ---------------------------------------------------------------------------------------------------------


def mark_lost(now: dt.datetime) -> None:
    """Texts whose sender died during the call: they may have left, so they become unknown and are never sent again."""
    _sweep(Message.objects.lost(now), status=S.UNKNOWN, reason="unknown", reason_text=outcomes.UNKNOWN_FATE)


def drop_late(now: dt.datetime) -> None:
    """Confirmations that could not leave within five minutes of their STOP (47 CFR 64.1200(a)(12)) never do."""
    late = Message.objects.waiting().filter(send_before__lte=now)
    _sweep(late, status=S.CANCELLED, reason="too_late", reason_text=TOO_LATE)


def _sweep(messages: MessageQuerySet, **changes: str) -> None:
    """Change each of ``messages`` that still qualifies once its contact's lock is held."""
    for message_pk, contact_pk in list(messages.values_list("pk", "conversation__contact")):
        with transaction.atomic(durable=True):
            Contact.objects.lock_pk(contact_pk)
            messages.filter(pk=message_pk).update(**changes)
