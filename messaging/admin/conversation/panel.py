"""Where a contact stands on a line, in words: beside the thread, and before a text is sent. Plain data."""

from typing import Any

from django.utils import timezone

from consent.gate import Verdict
from consent.models import Consent
from consent.vocabulary import Status
from messaging import review
from messaging.admin.conversation.entries import clock, day_name
from messaging.models import Conversation
from messaging.outlook import Outlook


def standing(conversation: Conversation) -> dict[str, Any]:
    """Status, request state and what else is on record for the two."""
    consent = Consent.objects.filter(contact=conversation.contact_id, line=conversation.line_id).first() or Consent()
    facts = [("Opt-in request", consent.get_request_state_display())]
    for label, moment in (("Since", consent.since), ("Told how to stop", consent.told_at)):
        if moment:
            facts.append((label, clock(moment)))
    if consent.source:
        facts.append(("Source", consent.get_source_display()))
    if consent.level:
        facts.append(("Level", consent.get_level_display()))
    if consent.until:
        over = "Suspended since" if consent.suspended_at else "Ended" if consent.is_over else "Valid until"
        facts.append((over, clock(consent.until)))
    return {
        "status": consent.status,
        "told": consent.told_at is not None,
        "facts": facts,
        "review": _review(conversation) if consent.review_since else "",
        "blocked": f"Opted in, blocked at the provider until they text START to {conversation.line.number}."
        if consent.status == Status.OPTED_IN and consent.blocked_at_provider
        else "",
    }


def _review(conversation: Conversation) -> str:
    """Until when an officer decides what the contact meant."""
    opened = conversation.reviews.open().revocations().first()
    if opened is None or opened.last_day is None:
        return "Under review. An officer reads what they wrote, and nothing is sent until then."
    left = review.days_left(opened, timezone.localdate())
    days = f"{left} business day{'' if left == 1 else 's'} left" if left else "the last day has come"
    return (
        f"Under review, {days}. An officer reads what they wrote, and nothing is sent until then. "
        f"Undecided, they are opted out on {day_name(opened.last_day)}."
    )


def verdict(outlook: Outlook) -> dict[str, Any]:
    """The gate's answer: to “can I text them now?”, and as what will become of a text that is being written."""
    decision = outlook.decision
    until = clock(decision.until) if decision.until else ""
    forecast, answer = {
        Verdict.SEND: ("This will be sent.", "Yes."),
        Verdict.HOLD: (
            "This will be held, and they are asked first." if outlook.asks_first else "This will be held.",
            "Not yet.",
        ),
        Verdict.DEFER: (
            (f"This will wait until {until}.", f"Not before {until}.")
            if until
            else ("This will wait a moment.", "Not yet.")
        ),
        Verdict.REFUSE: ("Nothing can be sent.", "No."),
    }[decision.verdict]
    return {
        "verdict": decision.verdict.value,
        "forecast": forecast,
        "answer": answer,
        "text": "" if decision.may_send else decision.text,
        "first": "A disclaimer goes before it: they have not been told yet how to stop." if outlook.tells_first else "",
        "asks_first": outlook.asks_first,
        "refused": outlook.refused,
    }
