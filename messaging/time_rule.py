"""The time rule of PRODUCT.md, applied again once the provider's clock is known: who texted START and STOP is where the
later of the two leaves them, whichever reached us first.

The provider's times are whole seconds. Within one second nobody knows which was said last: a tie is out, in whatever
order the texts reached us.
Everything here runs under the contact's lock.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from consent import ledger
from consent.gate import Purpose
from consent.ledger import REVOCATIONS, Authority, Proof
from consent.models import Contact, Evidence, LedgerEntry, Line, OptInRequest
from consent.vocabulary import Channel, EntryKind, RequestOutcome, Scope
from messaging import bell, capture, opt_in, provider
from messaging.keywords import Meaning
from messaging.models import Conversation, Message, Receipt
from messaging.models.message import Direction, MessageStatus

_DECIDES = {EntryKind.OPTED_IN, EntryKind.OPTED_OUT, EntryKind.OPT_OUT_REPEATED}


@dataclass(frozen=True)
class Said:
    """An opt-in or opt-out on record. ``receipt``: of the text that said it, where one did."""

    entry: LedgerEntry
    evidence: dict[str, Any]
    receipt: Receipt | None

    @property
    def at(self) -> dt.datetime:
        return self.receipt.at if self.receipt else self.entry.occurred_at

    def proof(self) -> Proof:
        evidence = {**self.evidence, "said_at": self.at.isoformat()}
        return Proof(self.entry.channel, evidence, self.entry.actor, self.entry.rule, self.entry.wording)


def apply_again(contact: Contact) -> None:
    """On every line on which the contact opted in by a word of their own; everywhere else an opt-out holds anyway."""
    own = Message.objects.filter(conversation__contact=contact, direction=Direction.IN, meaning=Meaning.OPT_IN)
    for conversation in Conversation.objects.filter(messages__in=own).distinct().select_related("line"):
        conversation.contact = contact
        _on(conversation, set(own.filter(conversation=conversation).values_list("receipt", flat=True)))
    bell.ring_send()


def _on(conversation: Conversation, receipts: set[int | None]) -> None:
    contact, line = conversation.contact, conversation.line
    said = _said(contact, line)
    starts = [each for each in said if each.receipt and each.receipt.pk in receipts]
    outs = [each for each in said if each.entry.kind in REVOCATIONS]
    decided = next((each for each in reversed(said) if each.entry.kind in _DECIDES), None)
    if not starts or decided is None:
        return
    start = max(starts, key=lambda each: (each.at, each.entry.seq))
    ledger.opted_in_earlier(contact, line, max([start.at, *_questions_accepted(contact, line)]))
    if not outs:
        return
    out = max(outs, key=lambda each: (each.at, each.entry.seq))
    if decided in starts and out.at >= start.at:
        _opt_out(conversation, out)
    elif decided in outs and decided.receipt and start.at > out.at:
        _opt_in(conversation, start, out.at)


def _said(contact: Contact, line: Line) -> list[Said]:
    """In the order in which it was recorded."""
    kinds = [EntryKind.OPTED_IN, EntryKind.OPT_IN_TOO_LATE, *REVOCATIONS]
    entries = list(LedgerEntry.objects.filter(contact=contact, line=line, kind__in=kinds).order_by("seq"))
    kept = Evidence.objects.filter(digest__in={entry.evidence_digest for entry in entries if entry.evidence_digest})
    evidence = {row.digest: row.data for row in kept}
    ids = {str(data["provider_id"]) for data in evidence.values() if data.get("provider_id")}
    texts = Receipt.objects.filter(kind=Receipt.Kind.INBOUND, number=contact.number, provider_id__in=ids)
    receipts = {receipt.provider_id: receipt for receipt in texts}
    found = []
    for entry in entries:
        data = evidence.get(entry.evidence_digest, {})
        found.append(Said(entry, data, receipts.get(str(data.get("provider_id", "")))))
    return found


def _questions_accepted(contact: Contact, line: Line) -> Iterable[dt.datetime]:
    """A YES counts from the request that it answers."""
    accepted = OptInRequest.objects.filter(contact=contact, line=line, outcome=RequestOutcome.ACCEPTED)
    return accepted.values_list("created", flat=True)


def _opt_out(conversation: Conversation, out: Said) -> None:
    """The START was read last, but the opt-out was said last. Other lines hold it already, or see for themselves."""
    contact, line = conversation.contact, conversation.line
    by_text_here = out.receipt is not None and out.evidence.get("to") == line.number
    answered = by_text_here and (out.entry.channel == Channel.PROVIDER or line.opt_outs_answered_by_provider)
    confirmed = out.receipt is not None and _answered(out.receipt, Purpose.OPT_OUT_CONFIRMATION)
    capture.revoke(
        contact,
        line,
        out.proof(),
        occurred_at=out.at,
        scope=Scope.LINE,
        confirm=by_text_here and not answered and not confirmed,
    )
    if answered:
        ledger.set_blocked_at_provider(contact, line, True)


def _opt_in(conversation: Conversation, start: Said, opted_out_at: dt.datetime) -> None:
    """The opt-out was read last, but the START was said last."""
    assert start.receipt is not None
    answered = provider.parse_inbound(provider.form(bytes(start.receipt.raw))).answered_by_provider
    if start.entry.rule.partition(":")[2] in {"START", "UNSTOP"}:
        ledger.set_blocked_at_provider(conversation.contact, conversation.line, False)
    opt_in.accept(
        conversation,
        start.proof(),
        occurred_at=start.at,
        authority=Authority.CONTACT,
        opted_out_at=opted_out_at,
        confirm=not answered and not _answered(start.receipt, Purpose.OPT_IN_CONFIRMATION),
    )


def _answered(receipt: Receipt, purpose: Purpose) -> bool:
    """True where the text had this answer, or it is on its way."""
    return receipt.messages.filter(purpose=purpose).exclude(status=MessageStatus.CANCELLED).exists()
