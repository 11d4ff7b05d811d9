"""What a text from a contact means on its line, and the situation it meets. Reads tables, writes nothing.

Settling a receipt acts on it; "Try a text" shows it without acting.
"""

from consent import gate
from consent.models import Line
from messaging import provider
from messaging.keywords import Meaning, Reading, answered
from messaging.models import KeywordResponder
from messaging.opt_in import Situation
from messaging.provider import OptOutWord
from messaging.reading import read

_MEANING = {OptOutWord.STOP: Meaning.OPT_OUT, OptOutWord.START: Meaning.OPT_IN, OptOutWord.HELP: Meaning.HELP}


def hear(
    body: str, line: Line | None, *, provider_said: OptOutWord | None = None, request_open: bool = False
) -> Reading:
    """What ``body`` means on ``line``, by which rule, and what its responder answers. Without a line: to none of ours.

    ``provider_said`` is how the provider says that it took and answered the text itself.
    """
    own = KeywordResponder.objects.keywords_on(line) if line else []
    found = answered(read(body, own, request_open), own)
    # What the law reads as a revocation stays one, whatever the words are set to at the provider.
    if provider_said and found.meaning not in {Meaning.OPT_OUT, _MEANING[provider_said]}:
        return Reading(_MEANING[provider_said], f"provider:{provider_said}")
    return found


def situation(
    found: gate.Facts,
    line: Line,
    body: str,
    reading: Reading,
    *,
    provider_said: OptOutWord | None,
    can_accept: bool,
    can_refuse: bool,
    told: bool,
    help_replies: int,
) -> Situation:
    """Where the contact of ``found`` stands for this text. ``help_replies`` are those of the last 24 hours."""
    return Situation(
        mode=found.mode,
        status=found.status,
        meaning=reading.meaning,
        answered_by_provider=_answered_by_provider(body, line, reading, provider_said),
        can_accept=can_accept,
        can_refuse=can_refuse,
        request_open=found.request_open,
        limit_allows=gate.next_request_at(found) is None,
        may_ask_again=gate.may_ask_again(found),
        may_show_way_back=gate.may_show_way_back(found) and not line.opt_outs_answered_by_provider,
        told=told,
        under_review=found.under_review,
        help_left=reading.meaning is not Meaning.HELP or help_replies < gate.HELP_REPLIES_A_DAY,
    )


def _answered_by_provider(body: str, line: Line, reading: Reading, provider_said: OptOutWord | None) -> bool:
    """True where the provider says it answered this text, or answers such a text on this line without saying so."""
    if provider_said:
        return True
    known = reading.meaning is Meaning.OPT_OUT and body.strip().upper() in provider.OPT_OUT_WORDS
    return known and line.opt_outs_answered_by_provider
