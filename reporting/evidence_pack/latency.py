"""How long after each opt-out the last text left (PRODUCT "What must never happen")."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from consent.gate import Purpose
from consent.models import LedgerEntry
from consent.vocabulary import EntryKind
from messaging.models import Message
from messaging.models.message import Direction

# What PRODUCT's named exemptions let through to somebody who is out: answers to what they do themselves.
ANSWERS = frozenset({Purpose.OPT_OUT_CONFIRMATION, Purpose.HELP_REPLY, Purpose.REQUEST_THEIRS, Purpose.WAY_BACK})


@dataclass(frozen=True)
class AfterStop:
    """An opt-out on one line, and what left there between it and the next opt-in (or now).

    ``seconds`` is from the opt-out to the last text that is not an answer; None where none left. What had been handed
    to the provider before the opt-out counts as before, even where the provider said so later.
    """

    line: str
    said_at: dt.datetime
    recorded_at: dt.datetime
    left_before: dt.datetime | None
    answers: int
    others: int
    last_other: dt.datetime | None

    @property
    def seconds(self) -> float | None:
        return (self.last_other - self.said_at).total_seconds() if self.last_other else None


def after_stops(entries: Iterable[LedgerEntry], texts: Iterable[Message]) -> list[AfterStop]:
    """One for each entry that ended a consent or came before any, in their order."""
    entries = [entry for entry in entries if entry.line]
    left = [(moment, text) for text in texts if (moment := _left(text))]
    found = []
    for entry in entries:
        if entry.kind != EntryKind.OPTED_OUT:
            continue
        back = [
            each.occurred_at
            for each in entries
            if each.line_id == entry.line_id and each.seq > entry.seq and each.kind == EntryKind.OPTED_IN
        ]
        here = [(at, text) for at, text in left if text.conversation.line_id == entry.line_id]
        before = [at for at, _ in here if at < entry.occurred_at]
        after = [(at, text) for at, text in here if at >= entry.occurred_at and (not back or at < min(back))]
        others = [at for at, text in after if text.purpose not in ANSWERS]
        found.append(
            AfterStop(
                entry.line.number,
                entry.occurred_at,
                entry.recorded_at,
                max(before, default=None),
                len(after) - len(others),
                len(others),
                max(others, default=None),
            )
        )
    return found


def _left(text: Message) -> dt.datetime | None:
    """When the call to the provider began, for a text that left or may have left."""
    return (text.claimed_at or text.sent_at) if text.direction == Direction.OUT and _may_have_left(text) else None


def _may_have_left(text: Message) -> bool:
    return text.sent_at is not None or text.status in {"sending", "unknown"}
