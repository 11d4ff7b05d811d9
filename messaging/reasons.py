"""Why a text leads to what it leads to: the rule, what it means, and the line's rules, in plain English. Pure."""

from collections.abc import Iterator

from consent.vocabulary import Mode, Status
from messaging import explanations
from messaging.keywords import Meaning
from messaging.opt_in import Plan, Situation

_MEANS = {
    Meaning.OPT_OUT: "That is an opt-out. It counts whatever the status is.",
    Meaning.OPT_IN: "That is an opt-in. It counts whatever the status is.",
    Meaning.HELP: "Who asks for help gets it, whatever the status is, three times a day at most.",
    Meaning.REPLY: "A responder answers it; nothing about the consent changes.",
    Meaning.REVIEW: "That may be a wish to get no more texts. When in doubt, sending stops and a person decides.",
    Meaning.POSSIBLE_ACCEPTANCE: "It may be a yes to the open request. A person or the contact's YES settles that.",
    Meaning.REACTION: "It quotes a text of ours, so it says nothing of its own and is no answer.",
}
_SAY_ENOUGH = frozenset({Meaning.HELP, Meaning.REACTION, Meaning.REVIEW, Meaning.POSSIBLE_ACCEPTANCE})


def of(rule: str, situation: Situation, plan: Plan, *, out_today: bool, provider_answers: bool) -> list[str]:
    """The reasons for ``plan``. ``out_today``: opted out less than 24 hours ago."""
    return [explanations.why(rule), *_reasons(situation, plan, out_today, provider_answers)]


def _reasons(situation: Situation, plan: Plan, out_today: bool, provider_answers: bool) -> Iterator[str]:
    meaning = situation.meaning
    if meaning in _MEANS:
        yield _MEANS[meaning]
    if meaning in {Meaning.YES, Meaning.NO}:
        if plan.change:
            yield "It answers the open request." if situation.request_open else "It answers the request that expired."
        else:
            yield "There is no request that it could answer, so it is an ordinary text."
    if situation.answered_by_provider:
        yield "The provider answers such a text on this line itself."
    if plan.change or meaning in _SAY_ENOUGH:
        return
    if situation.under_review:
        yield "A person is reading what the contact wrote before. Until that is decided nothing else is answered."
    elif situation.status is Status.OPTED_OUT and meaning is Meaning.REPLY:
        yield "Who opted out does not get a responder's reply."
    elif meaning is not Meaning.REPLY:
        yield _ordinary(situation, out_today, provider_answers)


def _ordinary(situation: Situation, out_today: bool, provider_answers: bool) -> str:
    """The rule of the line for a text that is no command."""
    consent = situation.mode is Mode.CONSENT
    if situation.status is Status.OPTED_IN:
        return "The contact agreed to texts, so this is part of a conversation."
    if situation.status is Status.OPTED_OUT:
        return _when_out(situation, consent, out_today, provider_answers)
    if not consent:
        if situation.told:
            return "This line works with a disclaimer, and the contact had it."
        return "This line works with a disclaimer: who writes for the first time is told how to stop, once."
    if situation.request_open:
        return "This line works with consent. The contact was asked and has not answered; no second request goes out."
    if not situation.limit_allows:
        return "This line works with consent, and the contact was asked as often as the limits allow."
    return "This line works with consent: who has not agreed is asked first."


def _when_out(situation: Situation, consent: bool, out_today: bool, provider_answers: bool) -> str:
    if out_today:
        return "For 24 hours after an opt-out nothing goes out but its confirmation and help."
    if provider_answers:
        return "They opted out, and the provider blocks texts to them until they text START."
    if not consent:
        return "Who opted out is told how to come back, once in 30 days, a day or longer after the opt-out."
    if situation.may_ask_again and situation.limit_allows and not situation.request_open:
        return "They came back by themselves, a day or longer after their opt-out: they are asked, once in 30 days."
    return "They opted out and were asked as often as the limits allow. They are not asked again so soon."
