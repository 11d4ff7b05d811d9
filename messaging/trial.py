"""What a text would lead to, without sending or storing anything: "Try a text" (PRODUCT "Keyword responders").

Asks the same functions that settling a text asks: ``hearing`` what it means, ``opt_in.answer`` what follows, the gate
what may leave, ``automatic`` for the words. The contact is imagined; line, policies, responders and wordings are real.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from django.db.models import TextChoices
from django.utils import timezone

from consent import gate
from consent.gate import Facts, Purpose
from consent.models import Contact, Line, Organisation
from consent.vocabulary import Category, Level, LineKind, Mode, Registration, Scope, Status
from messaging import automatic, hearing, opt_in, reasons, rendering, review, segments
from messaging.keywords import Reading
from messaging.models import KeywordResponder, TemplateVersion
from messaging.models.review import Doubt
from messaging.opt_in import Change, Plan, Show, Situation
from messaging.provider import OptOutWord
from messaging.reading import RULES_VERSION
from messaging.text import printable
from messaging.wordings import Kind

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


class Standing(TextChoices):
    """Where the imagined contact stands on the line they text."""

    NOT_DEFINED = "not_defined", "Not Defined: never asked"
    EXPIRED = "expired", "Not Defined: asked last week, the request expired"
    PENDING = "pending", "Opt-in requested: a request is open"
    OPTED_IN = "opted_in", "Opted in"
    ASKED_AGAIN = "asked_again", "Opted in, asked again: a request is open"
    OUT_TODAY = "out_today", "Opted out an hour ago"
    OUT = "out", "Opted out a month and a half ago"
    OUT_ASKED = "out_asked", "Opted out, wrote again and was asked: a request is open"
    OUT_EXPIRED = "out_expired", "Opted out, wrote again and was asked: the request expired"

    @property
    def status(self) -> Status:
        return _STATUS[self]

    @property
    def asked(self) -> dt.timedelta | None:
        """How long ago the last request left; None: never asked."""
        if self.request_open:
            return 2 * DAY
        return 8 * DAY if self in {self.EXPIRED, self.OUT_EXPIRED} else None

    @property
    def request_open(self) -> bool:
        return self in {self.PENDING, self.ASKED_AGAIN, self.OUT_ASKED}

    @property
    def out_for(self) -> dt.timedelta | None:
        """How long ago they opted out; None: they are not out."""
        if self.status is not Status.OPTED_OUT:
            return None
        return HOUR if self is self.OUT_TODAY else 45 * DAY


_STATUS = {
    Standing.NOT_DEFINED: Status.NOT_DEFINED,
    Standing.EXPIRED: Status.NOT_DEFINED,
    Standing.PENDING: Status.PENDING,
    Standing.OPTED_IN: Status.OPTED_IN,
    Standing.ASKED_AGAIN: Status.OPTED_IN,
    **dict.fromkeys([Standing.OUT_TODAY, Standing.OUT, Standing.OUT_ASKED, Standing.OUT_EXPIRED], Status.OPTED_OUT),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is tried. Who is out already can't be under review. ``told`` counts for disclaimers."""

    text: str
    line: Line
    standing: Standing = Standing.NOT_DEFINED
    under_review: bool = False
    told: bool = False
    provider_said: OptOutWord | None = None


@dataclass(frozen=True)
class Reply:
    """One text to the contact: the exact words, and the gate's answer. ``version`` is None for a responder's own."""

    purpose: Purpose
    words: str
    version: TemplateVersion | None
    decision: gate.Decision

    @property
    def size(self) -> segments.Size:
        return segments.measure(self.words)

    @property
    def leaves(self) -> bool:
        return self.decision.may_send


@dataclass(frozen=True)
class Step:
    """One thing that happens, in order, as a sentence; with the words that the contact or the agents read, if any."""

    sentence: str
    reply: Reply | None = None
    notice: str = ""


@dataclass
class Trial:
    """What would happen, and why."""

    case: Case
    reading: Reading
    situation: Situation
    plan: Plan
    responder: KeywordResponder | None
    rules_version: str = RULES_VERSION
    # Once the workers have settled the text, and once the provider has taken the replies.
    status_after: Status = Status.NOT_DEFINED
    status_then: Status = Status.NOT_DEFINED
    told_then: bool = False
    under_review_after: bool = False
    reach: list[Line] = field(default_factory=list)  # the lines an opt-out is valid for, this one first
    replies: list[Reply] = field(default_factory=list)
    notices: list[Kind] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def reasons(self) -> list[str]:
        """Why, for people: the rule that reads the text, what that means here, and the rules of the line."""
        return reasons.of(
            self.reading.rule,
            self.situation,
            self.plan,
            out_today=self.case.standing is Standing.OUT_TODAY,
            provider_answers=self.case.line.opt_outs_answered_by_provider,
        )


def attempt(case: Case, now: dt.datetime | None = None) -> Trial:
    """What ``case`` would lead to at ``now``. Writes nothing, and is the same however often it is asked."""
    return _Attempt(case, now or timezone.now()).trial


class _Attempt:
    def __init__(self, case: Case, now: dt.datetime) -> None:
        self.case, self.line, self.now = case, case.line, now
        self.policy = Organisation.objects.current()
        self.contact = Contact()
        body = printable(case.text)
        standing, said = case.standing, case.provider_said
        reading = hearing.hear(body, self.line, provider_said=said, request_open=standing.request_open)
        self.facts = self._facts()
        situation = hearing.situation(
            self.facts,
            self.line,
            body,
            reading,
            provider_said=said,
            can_accept=standing.asked is not None,
            can_refuse=standing.request_open,
            told=case.told,
            help_replies=0,
        )
        responder = KeywordResponder.objects.select_related("tag").filter(pk=reading.responder or 0).first()
        self.trial = Trial(case, reading, situation, opt_in.answer(situation), responder)
        self.trial.status_after = self.trial.status_then = standing.status
        self.trial.told_then, self.trial.under_review_after = case.told, case.under_review
        self.trial.steps.extend(self._steps())
        if self.trial.status_after is not standing.status:
            self.trial.status_then = self.trial.status_after

    def _facts(self) -> Facts:
        line, standing = self.line, self.case.standing
        limit = self.policy.request_limit if line.request_limit is None else line.request_limit
        pause = self.policy.request_pause if line.request_pause is None else line.request_pause
        asked_at = self.now - standing.asked if standing.asked else None
        out = standing.out_for
        return Facts(
            now=self.now,
            mode=line.mode_towards(line.number, self.policy.mode),
            status=standing.status,
            line_number=line.number,
            line_active=line.is_open,
            line_registered=line.registration in {Registration.NOT_NEEDED, Registration.VERIFIED},
            opted_out_at=self.now - out if out else None,
            # Where the provider answers STOP it blocks the pair, too.
            blocked_at_provider=out is not None and line.opt_outs_answered_by_provider,
            under_review=self.case.under_review,
            request_open=standing.request_open,
            request_limit=limit,
            request_pause=pause,
            last_request_at=asked_at,
            limiting_request_at=asked_at if limit == 1 else None,
            # Who is out can only have been asked because they wrote.
            last_theirs_at=asked_at if out else None,
            level=Level.EXPRESS if standing.status is Status.OPTED_IN else "",
            marketing=line.category == Category.MARKETING,
        )

    # ---- what happens, in order -------------------------------------------------------------------------------------

    def _steps(self) -> Iterator[Step]:
        plan, reading = self.trial.plan, self.trial.reading
        if reading.tag and self.trial.responder and self.trial.responder.tag:
            yield Step(f"The contact gets the tag “{self.trial.responder.tag}”.")
        yield self._shown()
        if plan.review:
            yield from self._review(plan.review)
        if self._lifts_block():
            yield Step("The provider lifts its own block of this contact on this line.")
            self.facts = replace(self.facts, blocked_at_provider=False)
        if plan.change is Change.OPT_IN:
            yield from self._opts_in()
        elif plan.change:
            yield from self._opts_out()
        elif plan.reply is Purpose.REQUEST_THEIRS:
            yield from self._asks()
        else:
            yield from self._answers()

    def _shown(self) -> Step:
        plan = self.trial.plan
        if plan.show is Show.KEYWORD:
            return Step("Agents see the text, marked as a keyword: it is a command, not something to answer.")
        if plan.show is Show.HELD_BACK:
            return Step("The text is held back: until the contact agrees, agents see only that something was written.")
        mark = f", marked “{plan.mark}”" if plan.mark else ""
        return Step(f"Agents see the text in the conversation{mark}.")

    def _review(self, doubt: Doubt) -> Iterator[Step]:
        if doubt == Doubt.ACCEPTANCE:
            yield Step(
                "It goes to a person as a possible acceptance. Nothing is suspended and no clock runs; the request "
                "stays open for their YES."
            )
        elif self.case.under_review:
            yield Step("It belongs to the review that is open already; its clock runs on.")
        else:
            until = review.last_day(timezone.localdate(self.now))
            yield Step(
                "It goes to the review queue, and nothing is sent to the contact on this line until a person decides. "
                f"There are ten business days for it, until {until.day} {until:%B %Y}; undecided, it is an opt-out."
            )
            yield self._notice(Kind.NOTICE_UNDER_REVIEW)
            self.trial.under_review_after = True
            self.facts = replace(self.facts, under_review=True)

    def _opts_in(self) -> Iterator[Step]:
        standing = self.case.standing
        was_in, answers_request = standing.status is Status.OPTED_IN, standing.asked is not None
        self.trial.status_after, self.trial.under_review_after = Status.OPTED_IN, False
        if was_in:
            yield Step("The contact was opted in already and stays so. The text is recorded as evidence.")
        else:
            yield Step(f"The contact is opted in on {self.line.name}. No other line changes.")
        if answers_request:
            late = "" if standing.request_open else ", though it had expired"
            yield Step(f"The opt-in request counts as accepted{late}.")
        if self.case.under_review:
            yield Step("The review is closed: the contact settled it themselves.")
        self.facts = replace(
            self.facts,
            status=Status.OPTED_IN,
            opted_out_at=None,
            under_review=False,
            request_open=False,
            level=Level.EXPRESS,
        )
        if self.trial.situation.answered_by_provider:
            yield Step("Optline confirms nothing: the provider answered the contact itself.")
        elif answers_request or not was_in:
            yield self._reply(Purpose.OPT_IN_CONFIRMATION)
        else:
            yield Step("No confirmation is sent: there is one per opt-in, and they had it.")
        if not was_in or standing.request_open:
            yield Step(
                "Texts of agents that waited for this leave in the order written, each through the gate again, and "
                "texts of the contact that were held back appear."
            )
        yield self._notice(Kind.NOTICE_OPTED_IN)

    def _opts_out(self) -> Iterator[Step]:
        standing, reading = self.case.standing, self.trial.reading
        was_out = standing.status is Status.OPTED_OUT
        self.trial.status_after, self.trial.under_review_after = Status.OPTED_OUT, False
        scope = self.policy.scope_at(self.now)
        if self.trial.plan.change is Change.REFUSE:
            scope = Scope.LINE
        elif reading.every_line:
            scope = Scope.ALL
        others = [line for line in Line.objects.in_scope(scope, self.line) if line.pk != self.line.pk]
        self.trial.reach = [self.line, *others]
        if was_out:
            yield Step("The contact was opted out already and stays so. The text is recorded.")
        else:
            yield Step(f"The contact is opted out on {self.line.name}.")
        yield self._reaches(scope, others)
        if standing.request_open:
            yield Step("The opt-in request counts as rejected.")
        if self.case.under_review:
            yield Step("The review is closed: the contact settled it themselves.")
        yield Step("Whatever waits to be sent to them there is cancelled. Texts that were held back stay hidden.")
        if not was_out:
            yield self._notice(Kind.NOTICE_OPTED_OUT)
        self.facts = replace(
            self.facts,
            status=Status.OPTED_OUT,
            opted_out_at=self.now,
            under_review=False,
            request_open=False,
            level="",
        )
        if self.trial.situation.answered_by_provider:
            yield Step("Optline confirms nothing: the network answers the contact itself, in words of its own.")
            if not was_out:
                yield self._notice(Kind.NOTICE_NETWORK_ANSWERED)
        elif was_out:
            yield Step("No confirmation is sent: there is one per opt-out, and they had it.")
        else:
            disclaimer = self.facts.mode is Mode.DISCLAIMER
            kind = Kind.OPT_OUT_CONFIRMATION_DISCLAIMER if disclaimer else Kind.OPT_OUT_CONFIRMATION
            yield self._reply(Purpose.OPT_OUT_CONFIRMATION, kind)

    def _reaches(self, scope: Scope, others: list[Line]) -> Step:
        if self.trial.plan.change is Change.REFUSE:
            return Step("It is valid on this line only: NO refuses this line's request.")
        if self.trial.reading.every_line:
            why = "STOPALL always means every line."
        else:
            policy = {
                Scope.LINE: "on its own line only",
                Scope.CATEGORY: f"on every line of its category ({self.line.get_category_display().lower()})",
                Scope.ALL: "on every line",
            }[scope]
            why = f"By today's policy an opt-out is valid {policy}."
        if not others:
            return Step(f"No other line is concerned. {why}")
        return Step(f"It is valid on {', '.join(line.name for line in others)}, too. {why}")

    def _asks(self) -> Iterator[Step]:
        self.facts = replace(self.facts, request_open=True)
        step = self._reply(Purpose.REQUEST_THEIRS)
        yield step
        if step.reply and not step.reply.leaves:
            return
        if self.case.standing.status is Status.OPTED_OUT:
            yield Step("The contact stays opted out until they answer YES or text START.")
        else:
            self.trial.status_then = Status.PENDING
            yield Step("Once the provider has taken the request, the contact is Opt-in requested.")
        if self.trial.plan.notice:
            yield self._notice(self.trial.plan.notice)

    def _answers(self) -> Iterator[Step]:
        plan = self.trial.plan
        if plan.reply:
            kind = Kind.HELP_REPLY if plan.reply is Purpose.RESPONDER_REPLY else Kind(plan.reply.value)
            step = self._reply(plan.reply, kind)
            yield step
            if plan.reply is Purpose.DISCLAIMER_THEIRS and step.reply and step.reply.leaves:
                self.trial.told_then = True
        elif self.trial.situation.answered_by_provider:
            yield Step("Optline answers nothing: the network answers the contact itself.")
        else:
            yield Step("The contact receives nothing.")
        if plan.notice:
            yield self._notice(plan.notice)
        yield Step(f"The consent status stays {self.case.standing.status.label}.")

    def _lifts_block(self) -> bool:
        """As the provider does it (FACTS "Opt-outs on Twilio's side")."""
        word = self.trial.reading.rule.partition(":")[2]
        lifting = {"START", "UNSTOP"} if self.line.kind == LineKind.TOLL_FREE else {"START", "UNSTOP", "YES"}
        return self.facts.blocked_at_provider and word in lifting

    # ---- words ------------------------------------------------------------------------------------------------------

    def _reply(self, purpose: Purpose, kind: Kind | None = None) -> Step:
        kind = kind or Kind(purpose.value)
        asks = purpose is Purpose.REQUEST_THEIRS  # which no responder does
        own, language = ("", "") if asks else (self.trial.reading.reply, self.trial.reading.language)
        version = None if own else automatic.wording(kind, self.line, self.contact, language)
        if version:
            own, language = version.body, version.template.language
        words = rendering.render(own, kind, automatic.values(self.line, self.contact), language)
        reply = Reply(purpose, words, version, gate.decide(replace(self.facts, purpose=purpose)))
        self.trial.replies.append(reply)
        if reply.leaves:
            return Step(f"The contact receives the {_NAMES[purpose]}:", reply=reply)
        return Step(f"The {_NAMES[purpose]} would not leave. {reply.decision.text}", reply=reply)

    def _notice(self, kind: Kind) -> Step:
        self.trial.notices.append(kind)
        version = automatic.wording(kind, self.line)
        words = rendering.render(
            version.body, kind, automatic.values(self.line, self.contact), version.template.language
        )
        words = " ".join(words.split())
        return Step("Agents read this notice:", notice=words)


_NAMES = {
    Purpose.REQUEST_THEIRS: "opt-in request",
    Purpose.OPT_IN_CONFIRMATION: "opt-in confirmation",
    Purpose.OPT_OUT_CONFIRMATION: "opt-out confirmation",
    Purpose.DISCLAIMER_THEIRS: "disclaimer",
    Purpose.HELP_REPLY: "help reply",
    Purpose.WAY_BACK: "text that tells the way back",
    Purpose.RESPONDER_REPLY: "responder's reply",
}
