"""What would become of an ordinary text if it were sent now: what the gate would say, and how long it would be.

Nothing is decided and nothing stored here: the gate is asked again when the text is submitted, and when it leaves.
"""

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone

from consent import gate
from consent.gate import Decision, Verdict
from consent.models import Contact, Line, User
from consent.vocabulary import Mode, Status
from messaging import facts, footer, opt_in, outbound
from messaging.models import Conversation, FooterCountry


@dataclass(frozen=True)
class Outlook:
    """The gate's answer now. With ``asks_first`` an opt-in request goes before the text, with ``tells_first`` a
    disclaimer."""

    decision: Decision
    asks_first: bool
    tells_first: bool

    @property
    def refused(self) -> bool:
        return self.decision.verdict is Verdict.REFUSE


def of(line: Line, number: str, contact: Contact | None) -> Outlook:
    """For a text from ``line`` to ``number`` (E.164). ``contact`` is None for a number never seen."""
    found = facts.gather(line, number)
    decision = gate.decide(found)
    if contact:
        decision = opt_in.foreseen(decision, found, line, contact)
    unasked = found.mode is Mode.DISCLAIMER and (found.status == Status.NOT_DEFINED or gate.has_ended(found))
    leaves = decision.verdict in {Verdict.SEND, Verdict.DEFER}
    return Outlook(
        decision,
        asks_first=decision.verdict is Verdict.HOLD and decision.reason in gate.ASKED_FIRST and not found.request_open,
        tells_first=leaves and unasked and not (contact and facts.told_or_being_told(line, contact)),
    )


def as_it_would_leave(conversation: Conversation, body: str, author: User) -> str:
    """``body`` with its footer, where it would end with one now. The conversation need not be stored yet."""
    return outbound.with_footer(conversation, body, author)[0] if _ends_with_footer(conversation) else body


def _ends_with_footer(conversation: Conversation) -> bool:
    now: dt.datetime = timezone.now()
    if conversation.pk:
        return footer.due(conversation, now)
    line, number = conversation.line, conversation.contact.number
    return footer.is_due(line.footer_frequency, line.footer_days, [], now) or FooterCountry.objects.demands(number)
