"""Texts that a person has to read: opening a review, deciding it, and what happens when nobody does.

A text that may be a revocation suspends sending until it is decided, at the latest on the tenth business day after it
(47 CFR 64.1200(a)(10)): undecided then, it counts as the opt-out that it may have been. A text that may be an
acceptance suspends nothing and has no clock. All this runs under the contact's lock; the decisions take it themselves.
"""

import datetime as dt
import logging
from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from consent import gate, holidays, ledger
from consent.gate import Purpose, Reason
from consent.ledger import Authority, ConsentError, Proof
from consent.models import Contact, Holiday, OptInRequest, User
from consent.vocabulary import Channel, Level, RequestKind
from messaging import automatic, bell, capture, facts, opt_in
from messaging.models import Conversation, HeldBackRead, Message, Receipt, Review
from messaging.models.message import MessageStatus
from messaging.models.review import Doubt, Outcome
from messaging.wordings import Kind

log = logging.getLogger(__name__)

BUSINESS_DAYS = 10


def last_day(opened: dt.date) -> dt.date:
    """The day on which an undecided review becomes an opt-out: the tenth business day after the text."""
    return holidays.business_days_after(opened, BUSINESS_DAYS, Holiday.objects.days(holidays.CLOCK_COUNTRY))


def days_left(review: Review, today: dt.date) -> int:
    """Of the ten business days, how many are left; 0 when the last one has come."""
    assert review.last_day is not None  # only revocations have a clock
    return holidays.business_days_left(today, review.last_day, Holiday.objects.days(holidays.CLOCK_COUNTRY))


def open_for(message: Message, doubt: Doubt, *, at: dt.datetime, receipt: Receipt | None = None) -> None:
    """Queue a text for a person. A second one of its kind in a conversation belongs to the review that is open."""
    conversation = message.conversation
    if conversation.reviews.open().filter(doubt=doubt).exists():
        return
    consent = ledger.consent_of(conversation.contact, conversation.line)
    if doubt == Doubt.REVOCATION and consent.own_opt_in_at and consent.own_opt_in_at > at:
        return  # found late: the contact has opted in since
    clock = last_day(timezone.localdate(at)) if doubt == Doubt.REVOCATION else None
    Review.objects.create(
        conversation=conversation, message=message, doubt=doubt, opened_at=timezone.now(), last_day=clock
    )
    if doubt == Doubt.REVOCATION:
        ledger.open_review(conversation.contact, conversation.line, _proof(message), at=at)
        automatic.notify(conversation, Kind.NOTICE_UNDER_REVIEW, receipt=receipt)


def read_in_a_pack(texts: Iterable[int], reader: User, reason: str) -> None:
    """Note that somebody was given the words of held-back texts (flow 8: reading them is logged)."""
    HeldBackRead.objects.bulk_create(HeldBackRead(message_id=pk, reader=reader, reason=reason) for pk in texts)


# ---- decisions ------------------------------------------------------------------------------------------------------


def it_was_an_opt_out(review: Review, *, by: User, reason: str, seen: int | None = None) -> None:
    """The contact asked us to stop, at the time of their text, with the scope that the policy had then.

    ``seen`` is the id of the last text in question that whoever decides has read. This and the other decisions raise
    ConsentError where another came since, and where the review was settled already.
    """
    with transaction.atomic():
        review = _locked(review, seen)
        _settle(review, Outcome.OPT_OUT, by, reason)
        _opt_out(review, by, reason)


def it_was_no_opt_out(review: Review, *, by: User, reason: str, seen: int | None = None) -> None:
    """What was held because of the review goes on, each text through the gate again.

    A contact who had never agreed is asked now, as their text would have led to had nobody doubted it (flow 6).
    """
    with transaction.atomic():
        review = _locked(review, seen)
        _settle(review, Outcome.NOT_AN_OPT_OUT, by, reason)
        conversation = review.conversation
        proof = _proof(review.message, by, reason)
        ledger.close_review(conversation.contact, conversation.line, proof, at=timezone.now())
        done = _let_go_on(conversation)
        _ask_whom_the_review_kept_from_being_asked(review)
        whose = "its author's" if len(done.late) == 1 else "their authors'"
        detail = opt_in.in_words(done, one="goes on", many="go on", whose=whose)
        automatic.notify(conversation, Kind.NOTICE_REVIEW_CLOSED, detail=detail)
        bell.ring_send()


def they_agreed(review: Review, *, by: User, reason: str, seen: int | None = None) -> None:
    """What the contact wrote was a yes to the request they had got.

    Raises ConsentError where they opted out since or may have, and where a YES would not be accepted any more either.
    """
    with transaction.atomic():
        review = _locked(review, seen)
        conversation, at = review.conversation, review.message.said_at
        if conversation.reviews.open().revocations().exists():
            raise ConsentError("They also wrote what may be an opt-out. Decide that first, in the review queue.")
        request = OptInRequest.objects.acceptable(conversation.contact, conversation.line, timezone.now())
        if request is None or request.left_at is None or request.left_at > at:
            raise ConsentError("The request they answered is no longer open. Ask them again.")
        _settle(review, Outcome.AGREED, by, reason)
        opt_in.accept(
            conversation,
            _proof(review.message, by, reason),
            occurred_at=at,
            authority=Authority.OFFICER,
            level=request.level or Level.EXPRESS,
            until=request.consent_until,
            request=request,
            stands_alone=False,
        )
        bell.ring_send()


def they_did_not_agree(review: Review, *, by: User, reason: str, seen: int | None = None) -> None:
    """It was no answer. The request stays open for their YES."""
    with transaction.atomic():
        _settle(_locked(review, seen), Outcome.NOT_AGREED, by, reason)


def opt_out_undecided(today: dt.date) -> None:
    """Turn reviews that nobody decided into opt-outs. One that fails keeps no other; the next sweep tries it again."""
    for pk in list(Review.objects.due(today).values_list("pk", flat=True)):
        try:
            with transaction.atomic(durable=True):
                review = _locked(Review.objects.get(pk=pk))
                _settle(review, Outcome.UNDECIDED, None, "")
                _opt_out(review, None, "Nobody decided within ten business days.")
        except ConsentError:
            pass  # decided between the list and the lock
        except Exception:  # whatever it is, the log says which one, and the next sweep tries again
            log.exception("review %s can't be ended", pk)


def _locked(review: Review, seen: int | None = None) -> Review:
    """The review as it is now, under the contact's lock."""
    contact = Contact.objects.lock_pk(review.conversation.contact_id)
    fresh = Review.objects.select_related("conversation__line", "message__receipt").get(pk=review.pk)
    if fresh.outcome != Outcome.OPEN:
        who = f" by {fresh.decided_by}" if fresh.decided_by else ""
        raise ConsentError(f"This was settled already{who}: {fresh.get_outcome_display()}.")
    newest = fresh.texts().last()
    if seen is not None and newest and newest.pk != seen:
        raise ConsentError("They wrote again meanwhile. Read that too, then decide.")
    fresh.conversation.contact = contact
    return fresh


def _settle(review: Review, outcome: Outcome, by: User | None, reason: str) -> None:
    review.outcome, review.decided_at, review.decided_by, review.reason = outcome, timezone.now(), by, reason
    review.save(update_fields=["outcome", "decided_at", "decided_by", "reason"])


def _opt_out(review: Review, by: User | None, reason: str) -> None:
    conversation, message = review.conversation, review.message
    capture.revoke(
        conversation.contact,
        conversation.line,
        _proof(message, by, reason),
        occurred_at=message.said_at,
        confirm=not conversation.line.opt_outs_answered_by_provider,
    )
    bell.ring_send()


def _let_go_on(conversation: Conversation) -> opt_in.LetGo:
    """Let go what was held because of the review."""
    waiting = Message.objects.waiting().filter(conversation=conversation, status=MessageStatus.HELD)
    return opt_in.let_go(conversation, waiting.filter(reason=Reason.UNDER_REVIEW).select_related("author"))


def _ask_whom_the_review_kept_from_being_asked(review: Review) -> None:
    conversation = review.conversation
    found = facts.gather(conversation.line, conversation.contact.number, purpose=Purpose.REQUEST_THEIRS)
    unasked = review.message.status == MessageStatus.HELD_BACK and not found.request_open
    if unasked and gate.next_request_at(found) is None and gate.decide(found).may_send_in_time:
        receipt = review.message.receipt
        if opt_in.ask(conversation, RequestKind.THEIRS, channel=Channel.KEYWORD, receipt=receipt):
            automatic.notify(conversation, Kind.NOTICE_WROTE_AND_ASKED, receipt=receipt)


def _proof(message: Message, by: User | None = None, reason: str = "") -> Proof:
    """The contact's words, and who decided what they mean."""
    conversation = message.conversation
    evidence = {
        "text": message.body,
        "from": conversation.contact.number,
        "to": conversation.line.number,
        "provider_id": message.provider_id or "",
        "said_at": message.said_at.isoformat(),
    }
    return Proof(
        Channel.KEYWORD, {**evidence, "decided_because": reason} if reason else evidence, actor=by, rule=message.rule
    )
