"""The gate: the one place that decides whether a text may leave. Pure; the facts are passed in.

It is asked for every text of every origin when it is submitted and again when it is claimed for sending (PRODUCT "The
gate"). The order of the questions is the order of the reasons in that table; the first that applies is the answer.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import TextChoices

from consent.vocabulary import LEVEL_RANK, Level, Mode, NumberList, Status

# PRODUCT "Named exemptions" and "Rules around the flows".
CONFIRMATION_WINDOW = dt.timedelta(minutes=5)  # 47 CFR 64.1200(a)(12)
SILENCE_AFTER_STOP = dt.timedelta(hours=24)
LIMIT_WINDOW = dt.timedelta(days=30)
HELP_REPLIES_A_DAY = 3
FREE_ANSWER = dt.timedelta(minutes=30)
_A_DAY = dt.timedelta(hours=24)


class Verdict(StrEnum):
    SEND = "send"
    HOLD = "hold"
    DEFER = "defer"
    REFUSE = "refuse"


class Reason(StrEnum):
    DO_NOT_CONTACT = "do_not_contact"
    INBOUND_UNSETTLED = "inbound_unsettled"
    LINE_INACTIVE = "line_inactive"
    LINE_UNREGISTERED = "line_unregistered"
    UNREACHABLE = "unreachable"
    OPTED_OUT = "opted_out"
    SCRUB_LIST = "scrub_list"
    UNDER_REVIEW = "under_review"
    REQUEST_LIMIT = "request_limit"
    CONSENT_PENDING = "consent_pending"
    CONSENT_MISSING = "consent_missing"
    CONSENT_EXPIRED = "consent_expired"
    LEVEL_TOO_LOW = "level_too_low"
    QUIET_HOURS = "quiet_hours"
    CONTACT_CAP = "contact_cap"
    LINE_PACE = "line_pace"
    ALLOWED = "allowed"


# The contact has to be asked, and what was to be said waits for the answer; the last one says that they can't be now.
ASKED_FIRST = frozenset({Reason.CONSENT_MISSING, Reason.CONSENT_EXPIRED, Reason.LEVEL_TOO_LOW, Reason.REQUEST_LIMIT})

_PASS_WITH_TIME = frozenset({Reason.QUIET_HOURS, Reason.CONTACT_CAP, Reason.LINE_PACE})


class Purpose(TextChoices):
    """What a text is for. All but the ordinary one are automatic; each exemption belongs to one of them."""

    ORDINARY = "ordinary", "Text"
    REQUEST_OURS = "request_ours", "Opt-in request"
    REQUEST_THEIRS = "request_theirs", "Opt-in request to a contact who wrote"
    CONFIRM_SIGN_UP = "confirm_sign_up", "Confirm sign-up"
    OPT_IN_CONFIRMATION = "opt_in_confirmation", "Opt-in confirmation"
    OPT_OUT_CONFIRMATION = "opt_out_confirmation", "Opt-out confirmation"
    DISCLAIMER_OURS = "disclaimer_ours", "Disclaimer"
    DISCLAIMER_THEIRS = "disclaimer_theirs", "Disclaimer to a contact who wrote"
    HELP_REPLY = "help_reply", "Help reply"
    WAY_BACK = "way_back", "Way back"
    RESPONDER_REPLY = "responder_reply", "Reply to a keyword"


REQUESTS = frozenset({Purpose.REQUEST_OURS, Purpose.REQUEST_THEIRS, Purpose.CONFIRM_SIGN_UP})
DISCLAIMERS = frozenset({Purpose.DISCLAIMER_OURS, Purpose.DISCLAIMER_THEIRS})

# Who passes what. Nobody passes do-not-contact, an unsettled webhook, the line's state or an unreachable number.
_PASSES_QUIET_HOURS = frozenset(
    {
        Purpose.OPT_OUT_CONFIRMATION,
        Purpose.OPT_IN_CONFIRMATION,
        Purpose.HELP_REPLY,
        Purpose.DISCLAIMER_THEIRS,
    }
)
# What answers something that the contact did themselves is no solicitation, whatever registry they are in.
_ANSWERS_THEM = frozenset(
    {
        Purpose.OPT_OUT_CONFIRMATION,
        Purpose.HELP_REPLY,
        Purpose.OPT_IN_CONFIRMATION,
        Purpose.REQUEST_THEIRS,
        Purpose.CONFIRM_SIGN_UP,
        Purpose.DISCLAIMER_THEIRS,
        Purpose.WAY_BACK,
        Purpose.RESPONDER_REPLY,
    }
)
_DUE_TO_ANYBODY = frozenset({Purpose.OPT_OUT_CONFIRMATION, Purpose.HELP_REPLY})
PASSES_CAP_AND_PACE = frozenset({Purpose.OPT_OUT_CONFIRMATION, Purpose.HELP_REPLY})


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the gate needs to know about one text, gathered in one moment (messaging.facts).

    ``now`` and all times are aware. A limit that is None is no limit. Times of requests and way-back texts are of those
    that left, the text in question not counted.
    """

    now: dt.datetime
    purpose: Purpose = Purpose.ORDINARY
    mode: Mode = Mode.CONSENT
    status: Status = Status.NOT_DEFINED
    line_number: str = ""
    do_not_contact: bool = False
    unsettled: bool = False
    line_active: bool = True
    line_registered: bool = True
    unreachable: str = ""
    opted_out_at: dt.datetime | None = None
    opted_out_by: str = ""
    blocked_at_provider: bool = False
    under_review: bool = False
    request_open: bool = False
    request_limit: int | None = None
    request_pause: dt.timedelta = dt.timedelta(0)
    last_request_at: dt.datetime | None = None
    # When the request that used up the limit left: with a limit of two, the second to last within 30 days.
    limiting_request_at: dt.datetime | None = None
    last_theirs_at: dt.datetime | None = None
    last_way_back_at: dt.datetime | None = None
    help_replies_today: int = 0
    level: str = ""
    required_level: str = ""  # empty: no limit set
    consent_until: dt.datetime | None = None
    listed_on: frozenset[str] = frozenset()  # the lists that marketing is scrubbed against and that name them
    quiet_until: dt.datetime | None = None
    wrote_at: dt.datetime | None = None
    marketing: bool = False
    cap_until: dt.datetime | None = None
    cap_hours: int = 24
    zone: str = ""  # where the contact is, or may be
    zone_is_certain: bool = True
    pace_until: dt.datetime | None = None

    def but(self, **known: Any) -> "Facts":
        """These facts with other values. As ``dataclasses.replace``, which takes ten times as long: the gate is asked
        about ten thousand numbers at a time."""
        facts = object.__new__(Facts)
        facts.__dict__.update(self.__dict__, **known)
        return facts


@dataclass(frozen=True)
class Decision:
    """The gate's answer. ``text`` is a sentence for people; ``until`` is when asking again makes sense, where known."""

    verdict: Verdict
    reason: Reason
    text: str
    until: dt.datetime | None = None

    @property
    def may_send(self) -> bool:
        return self.verdict is Verdict.SEND

    @property
    def may_send_in_time(self) -> bool:
        """Nothing but the hour or the pace may keep it waiting."""
        return self.may_send or (self.verdict is Verdict.DEFER and self.reason in _PASS_WITH_TIME)


def decide(facts: Facts) -> Decision:
    """May this text leave now? Always answers, never raises."""
    return (
        _barred(facts)
        or _opted_out(facts)
        or _scrubbed(facts)
        or _consent(facts)
        or _timing(facts)
        or Decision(Verdict.SEND, Reason.ALLOWED, "May be sent.")
    )


def next_request_at(facts: Facts) -> dt.datetime | None:
    """When the request limits next allow to ask; None where they allow it now.

    At most ``request_limit`` in 30 days, ``request_pause`` apart (PRODUCT "Limits").
    """
    if facts.request_limit == 0:
        return facts.now + LIMIT_WINDOW
    earliest = [facts.last_request_at + facts.request_pause] if facts.last_request_at else []
    if facts.limiting_request_at:
        earliest.append(facts.limiting_request_at + LIMIT_WINDOW)
    until = max(earliest, default=None)
    return until if until and until > facts.now else None


def may_ask_again(facts: Facts) -> bool:
    """Flow 13: an opted-out contact who wrote by themselves may be asked, 24 hours after the STOP, once in 30 days.

    Not where the provider blocks the pair: the request could not reach them.
    """
    return (
        facts.opted_out_at is not None
        and not facts.blocked_at_provider
        and facts.now >= facts.opted_out_at + SILENCE_AFTER_STOP
        and (facts.last_theirs_at is None or facts.now >= facts.last_theirs_at + LIMIT_WINDOW)
    )


def may_show_way_back(facts: Facts) -> bool:
    """Flow 14: how to opt in again, 24 hours after the STOP, once in 30 days, not where the provider answers."""
    return (
        facts.opted_out_at is not None
        and not facts.blocked_at_provider
        and facts.now >= facts.opted_out_at + SILENCE_AFTER_STOP
        and (facts.last_way_back_at is None or facts.now >= facts.last_way_back_at + LIMIT_WINDOW)
    )


def _barred(facts: Facts) -> Decision | None:
    if facts.do_not_contact:
        return Decision(
            Verdict.REFUSE, Reason.DO_NOT_CONTACT, "This number is on the do-not-contact list. Nothing may go to it."
        )
    if facts.unsettled:
        return Decision(
            Verdict.DEFER,
            Reason.INBOUND_UNSETTLED,
            "A text from this contact is being read. This waits until its effect is known.",
        )
    if not facts.line_active:
        return Decision(
            Verdict.REFUSE,
            Reason.LINE_INACTIVE,
            "This line is switched off, or is still being prepared. Ask an officer, or use another line.",
        )
    if not facts.line_registered:
        return Decision(
            Verdict.REFUSE,
            Reason.LINE_UNREGISTERED,
            "Carriers have not approved this line yet. An officer can see its registration on the line's page.",
        )
    if facts.unreachable:
        why = {
            "deactivated": "The carrier has deactivated this number.",
            "reassigned": "This number now belongs to somebody else.",
            "not_mobile": "This number can't receive texts.",
        }
        return Decision(
            Verdict.REFUSE, Reason.UNREACHABLE, why.get(facts.unreachable, "This number can't be reached by text.")
        )
    return None


def _opted_out(facts: Facts) -> Decision | None:
    start = f"text START to {facts.line_number}" if facts.line_number else "text START"
    if facts.status != Status.OPTED_OUT:
        if facts.blocked_at_provider:
            return Decision(
                Verdict.REFUSE,
                Reason.OPTED_OUT,
                f"Opted in here, but the provider blocks texts to this contact until they {start}.",
            )
        if facts.purpose in {Purpose.OPT_OUT_CONFIRMATION, Purpose.WAY_BACK}:
            return Decision(Verdict.REFUSE, Reason.OPTED_OUT, "The contact is no longer opted out.")
        return None
    exempt = (
        (facts.purpose is Purpose.OPT_OUT_CONFIRMATION and _within_confirmation_window(facts))
        or (facts.purpose is Purpose.HELP_REPLY and facts.help_replies_today < HELP_REPLIES_A_DAY)
        or (facts.purpose is Purpose.REQUEST_THEIRS and may_ask_again(facts))
        or (facts.purpose is Purpose.WAY_BACK and may_show_way_back(facts))
    )
    if exempt:
        return None
    when = f" on {facts.opted_out_at.astimezone(dt.UTC):%d %B %Y at %H:%M} UTC" if facts.opted_out_at else ""
    how = f" ({facts.opted_out_by})" if facts.opted_out_by else ""
    return Decision(
        Verdict.REFUSE,
        Reason.OPTED_OUT,
        f"The contact opted out{when}{how}. Only they can undo it: they can {start}. "
        "An officer can lift it with a reason and evidence.",
    )


def _within_confirmation_window(facts: Facts) -> bool:
    return facts.opted_out_at is not None and facts.now <= facts.opted_out_at + CONFIRMATION_WINDOW


def _scrubbed(facts: Facts) -> Decision | None:
    """The policy for lists that marketing texts are scrubbed against. It concerns marketing lines alone.

    Known litigators get nothing but the answer to their own STOP or HELP, whatever they consented to: that list is the
    organisation's own caution. The national do-not-call registry is overridden by written consent on the line (47 CFR
    64.1200(c)(2)(ii) wants "prior express invitation or permission" in a signed, written agreement), not by a mere YES;
    what answers the contact's own act is no solicitation. A number that no list names is not held back.
    """
    if not facts.marketing:
        return None
    if NumberList.LITIGATOR in facts.listed_on and facts.purpose not in _DUE_TO_ANYBODY:
        return Decision(
            Verdict.REFUSE,
            Reason.SCRUB_LIST,
            "This number is on the list of known litigators. Marketing lines don't text it, whatever was agreed.",
        )
    written = facts.status == Status.OPTED_IN and facts.level == Level.WRITTEN and not has_ended(facts)
    if NumberList.DO_NOT_CALL in facts.listed_on and facts.purpose not in _ANSWERS_THEM and not written:
        return Decision(
            Verdict.REFUSE,
            Reason.SCRUB_LIST,
            "This number is in the national do-not-call registry. A marketing line may text it only with the contact's "
            "written consent to texts from this line.",
        )
    return None


def has_ended(facts: Facts) -> bool:
    """The contact is opted in, but that consent was given for a time which is over."""
    return facts.status == Status.OPTED_IN and facts.consent_until is not None and facts.now >= facts.consent_until


def must_be_renewed(facts: Facts) -> bool:
    """The contact is opted in, but has to be asked again: the consent has ended, or is too low for the line."""
    return facts.status == Status.OPTED_IN and _lacking(facts) is not None


def _consent(facts: Facts) -> Decision | None:
    if facts.purpose is Purpose.HELP_REPLY and facts.help_replies_today < HELP_REPLIES_A_DAY:
        return None
    if facts.purpose is Purpose.OPT_OUT_CONFIRMATION:
        return None  # reached only inside its window
    if facts.under_review:
        return Decision(
            Verdict.HOLD,
            Reason.UNDER_REVIEW,
            "The contact may have asked us to stop. An officer is reading their words; this waits for the decision.",
        )
    if facts.purpose is Purpose.WAY_BACK:
        return None
    lacking = _lacking(facts)
    asks = facts.purpose in REQUESTS
    if (asks or (lacking and not facts.request_open and facts.purpose is Purpose.ORDINARY)) and (
        until := next_request_at(facts)
    ):
        return Decision(
            Verdict.REFUSE,
            Reason.REQUEST_LIMIT,
            f"{_why_asked(facts)} and was asked as often as the rules allow. "
            f"They can be asked again from {until.astimezone(dt.UTC):%d %B %Y, %H:%M} UTC.",
            until,
        )
    if asks or lacking is None or _passes_missing_consent(facts):
        return None
    return lacking


def _passes_missing_consent(facts: Facts) -> bool:
    if facts.status == Status.NOT_DEFINED and facts.purpose is Purpose.DISCLAIMER_THEIRS:
        return True
    if facts.status == Status.OPTED_IN and facts.purpose is Purpose.OPT_IN_CONFIRMATION:
        return True  # who opts in is told so, also where the line needs a firmer consent for everything else
    return facts.purpose is Purpose.RESPONDER_REPLY


def _why_asked(facts: Facts) -> str:
    if has_ended(facts):
        return "The contact agreed to texts for a time that is over"
    if facts.status == Status.OPTED_IN:
        return "The contact has not given the firmer consent that this line needs"
    return "The contact has not agreed to texts"


def _lacking(facts: Facts) -> Decision | None:
    """What the contact's consent lacks for an ordinary text, or None. In disclaimer mode nobody needs to consent, so
    that consent which has ended can't make it worse."""
    if facts.mode == Mode.DISCLAIMER:
        return None
    if facts.status == Status.OPTED_IN:
        asked = "They were asked and have not answered; this is held until they say YES." if facts.request_open else ""
        if has_ended(facts):
            return Decision(
                Verdict.HOLD,
                Reason.CONSENT_EXPIRED,
                f"The contact's consent has ended. {asked or 'They are asked again first.'}",
            )
        if LEVEL_RANK[facts.level] < LEVEL_RANK[facts.required_level]:
            return Decision(
                Verdict.HOLD,
                Reason.LEVEL_TOO_LOW,
                f"This line needs a firmer consent than the contact gave. {asked or 'They are asked for it first.'}",
            )
        return None
    if facts.status == Status.PENDING or facts.request_open:
        return Decision(
            Verdict.HOLD,
            Reason.CONSENT_PENDING,
            "The contact was asked for consent and has not answered. This is held until they say YES.",
        )
    return Decision(
        Verdict.HOLD,
        Reason.CONSENT_MISSING,
        "The contact has not agreed to texts from this line. They are asked first; this is held until they say YES.",
    )


def _timing(facts: Facts) -> Decision | None:
    answering = not facts.marketing and facts.wrote_at is not None and facts.now <= facts.wrote_at + FREE_ANSWER
    if _ahead(facts, facts.quiet_until) and facts.purpose not in _PASSES_QUIET_HOURS and not answering:
        return Decision(
            Verdict.DEFER,
            Reason.QUIET_HOURS,
            _quiet_words(facts),
            facts.quiet_until,
        )
    if facts.purpose is Purpose.HELP_REPLY and facts.help_replies_today >= HELP_REPLIES_A_DAY:
        return Decision(Verdict.REFUSE, Reason.CONTACT_CAP, "The contact already had the help reply three times today.")
    if facts.purpose in PASSES_CAP_AND_PACE:
        return None
    if _ahead(facts, facts.cap_until):
        return Decision(
            Verdict.DEFER,
            Reason.CONTACT_CAP,
            f"This contact has had as many texts in {facts.cap_hours} hours as the law allows.{_leaves(facts)}",
            facts.cap_until,
        )
    if _ahead(facts, facts.pace_until):
        return Decision(
            Verdict.DEFER, Reason.LINE_PACE, "This line sends as fast as it may. This waits its turn.", facts.pace_until
        )
    return None


def _ahead(facts: Facts, moment: dt.datetime | None) -> bool:
    return moment is not None and moment > facts.now


def _quiet_words(facts: Facts) -> str:
    if not facts.zone or facts.quiet_until is None:
        return "It is outside the hours in which this contact may be texted."
    local = facts.now.astimezone(ZoneInfo(facts.zone))
    now = f"{local:%A, %H:%M}" if facts.quiet_until - facts.now >= _A_DAY else f"{local:%H:%M}"
    return (
        f"It is {now} where the contact {_is(facts)} ({facts.zone}). "
        f"It leaves {_hour(facts, facts.quiet_until)} there, unless they opt out."
    )


def _leaves(facts: Facts) -> str:
    """When what the cap holds back leaves, as a sentence behind another."""
    if not facts.zone or facts.cap_until is None:
        return ""
    hour = _hour(facts, facts.cap_until)
    return f" It leaves {hour} where the contact {_is(facts)} ({facts.zone}), unless they opt out."


def _is(facts: Facts) -> str:
    return "is" if facts.zone_is_certain else "may be"


def _hour(facts: Facts, moment: dt.datetime) -> str:
    """A moment on the contact's clock, with its day where the hour alone could be misread."""
    local = moment.astimezone(ZoneInfo(facts.zone))
    day = f"on {local:%A}, {local.day} {local:%B} " if moment - facts.now >= _A_DAY else ""
    return f"{day}at {local:%H:%M}"
