"""How the dashboard says what was counted, in plain English. Refusals are in the gate's own words."""

import datetime as dt
from collections.abc import Iterator

from consent import gate
from consent.gate import Facts, Purpose, Reason
from consent.models import Line
from consent.vocabulary import Language, Level, LineKind, NumberList, Registration, RequestOutcome, Status
from messaging import explanations
from messaging.wordings import Kind
from reporting import figures

STATUSES = {
    Status.OPTED_IN: "may be texted",
    Status.PENDING: "asked, no answer yet",
    Status.OPTED_OUT: "may not be texted",
    Status.NOT_DEFINED: "neither in nor out was ever recorded",
}

OUTCOMES = {
    RequestOutcome.ACCEPTED: "accepted",
    RequestOutcome.REJECTED: "refused by the contact",
    RequestOutcome.EXPIRED: "expired without an answer",
    RequestOutcome.OPEN: "still open",
    RequestOutcome.FAILED: "could not be delivered",
    RequestOutcome.WITHDRAWN: "settled otherwise",
}

# What came before an opt-out where it was no wording that has versions.
LEFT_AFTER = {
    "own": "Own words of an agent or another system",
    "reply": "A keyword responder's own reply",
    "long ago": f"Nothing in the {figures.REMEMBERED.days} days before",
    "nothing": "Nothing: we had never texted them on that line",
}

_NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
# For each reason a text that the gate refuses for it, so that its own sentence can be shown.
_REFUSED_FOR = {
    Reason.DO_NOT_CONTACT: Facts(now=_NOW, do_not_contact=True),
    Reason.INBOUND_UNSETTLED: Facts(now=_NOW, unsettled=True),
    Reason.LINE_INACTIVE: Facts(now=_NOW, line_active=False),
    Reason.LINE_UNREGISTERED: Facts(now=_NOW, line_registered=False),
    Reason.UNREACHABLE: Facts(now=_NOW, unreachable="?"),
    Reason.OPTED_OUT: Facts(now=_NOW, status=Status.OPTED_OUT),
    Reason.SCRUB_LIST: Facts(now=_NOW, marketing=True, listed_on=frozenset({NumberList.DO_NOT_CALL})),
    Reason.UNDER_REVIEW: Facts(now=_NOW, under_review=True),
    Reason.REQUEST_LIMIT: Facts(now=_NOW, request_limit=0),
    Reason.CONSENT_PENDING: Facts(now=_NOW, request_open=True),
    Reason.CONSENT_MISSING: Facts(now=_NOW),
    Reason.CONSENT_EXPIRED: Facts(now=_NOW, status=Status.OPTED_IN, consent_until=_NOW),
    Reason.LEVEL_TOO_LOW: Facts(now=_NOW, status=Status.OPTED_IN, required_level=Level.WRITTEN),
    Reason.CONTACT_CAP: Facts(
        now=_NOW, status=Status.OPTED_IN, purpose=Purpose.HELP_REPLY, help_replies_today=gate.HELP_REPLIES_A_DAY
    ),
}
_REFUSED_LATER = {
    "request_failed": "The opt-in request before it could not be delivered",
    "disclaimer_failed": "The disclaimer before it could not be delivered",
}


def counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def refusal(reason: str) -> str:
    """The first sentence the gate gives for a reason; the rest of it is about one contact."""
    if reason in _REFUSED_LATER:
        return _REFUSED_LATER[reason]
    facts = _REFUSED_FOR.get(Reason(reason)) if reason in set(Reason) else None
    if facts is None:
        return reason.replace("_", " ").capitalize() or "No reason is on record"
    return gate.decide(facts).text.partition(". ")[0].rstrip(".")


def opt_out(rule: str) -> str:
    """How an opt-out came: the word, or the way."""
    kind, _, word = rule.partition(":")
    match kind:
        case "":
            return "Without words, or by hand"
        case "keyword" | "reserved":
            return f"“{word}”"
        case "route":
            return f"Recorded by hand: {word.replace('_', ' ')}"
        case "provider":
            return "Reported by the provider"
        case "reaches later lines":
            return "Reached a line that was added later"
    return explanations.why(rule).rstrip(".")


def version(model: str, number: int, name: str, line: str | None, language: str) -> str:
    """Which version of which wording, and for whom where it is not for everybody. A template's name is its kind."""
    if model == "savedtext":
        return f"Saved text “{name}”, version {number}"
    only = [words for words in (line, Language(language).label if language != Language.ENGLISH else "") if words]
    whom = f" ({', '.join(only)})" if only else ""
    return f"{Kind(name).label}, version {number}{whom}"


def line(found: Line) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a line: the words, what follows from it, the tone."""
    if not found.active:
        yield "switched off", "Nothing leaves from it.", "info"
    elif found.opened_at is None:
        yield "being prepared", "The opt-outs that reach it are being written on it. It opens by itself.", "info"
    if found.registration == Registration.REJECTED:
        yield (
            "rejected by the carriers",
            "Texts from it are refused. Correct its registration at the provider.",
            "danger",
        )
    elif found.registration == Registration.PENDING:
        yield "waits for the carriers' approval", "Texts from it are refused until then.", "warning"
    if found.kind == LineKind.TOLL_FREE and not found.opt_outs_answered_by_provider:
        detail = "On toll-free numbers the network answers STOP too. Tick “the provider answers STOP”."
        yield "contacts would get two answers to a STOP", detail, "danger"
    if found.disclaims_too_little():
        detail = "Choose “Opt-in with consent”. The gate asks first anyway."
        yield "marketing texts to US numbers on a disclaimer only", detail, "danger"
