"""Where a contact stands on every line, what the gate says there, and what this user may do about it.

Read in about as many statements for ten lines as for one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from consent import gate
from consent.admin.standing import status_badge
from consent.gate import Decision, Facts, Purpose
from consent.models import Consent, Contact, Line, User
from consent.vocabulary import Level, Mode, Status
from messaging import capture, facts, opt_in, review
from messaging.models import Conversation, Review

RECORD, REVOKE, LIFT, ASK, TALK = "record", "revoke", "lift", "ask", "talk"
NEEDS = {
    RECORD: "consent.record_consent",
    REVOKE: "consent.record_revocation",
    LIFT: "consent.lift_opt_out",
    ASK: "messaging.send_text",
    TALK: "messaging.view_conversation",
}


@dataclass(frozen=True)
class Action:
    """Something this user may do on a line. ``why_not`` says why it is of no use now."""

    verb: str
    label: str
    url: str
    why_not: str = ""
    posts: bool = False


@dataclass(frozen=True)
class Standing:
    """One line of the consent modal."""

    line: Line
    own: bool
    consent: Consent
    facts: Facts
    decision: Decision | None
    days_left: int | None
    conversation: int | None
    actions: tuple[Action, ...]

    @property
    def badge(self) -> SafeString:
        return status_badge(self.consent.status, told=self.consent.told_at is not None)

    @property
    def answer(self) -> str:
        """The gate's verdict as the answer to "can I text them now?"."""
        return {"send": "Yes.", "hold": "Not yet.", "defer": "Later.", "refuse": "No."}[self.decision.verdict]  # type: ignore[union-attr]

    def action(self, verb: str) -> Action | None:
        return next((action for action in self.actions if action.verb == verb), None)


def may_skip_double_opt_in(user: User) -> bool:
    """Who may take consent without the contact's own YES: officers, or agents could release their own held texts."""
    return user.has_perm("consent.lift_opt_out")


def allowed(user: User, verb: str, line: Line) -> bool:
    """May this user do this here at all? Whether it makes sense now, the verbs themselves decide."""
    return user.has_perm(NEEDS[verb]) and user.may_use(line)


def shown_lines(contact: Contact) -> list[Line]:
    """Every active line, and those switched off on which something is on record."""
    known = Line.objects.filter(consents__contact=contact.pk).values("pk")
    return list(Line.objects.filter(Q(active=True) | Q(pk__in=known)))


def standings(contact: Contact, number: str, user: User, lines: Iterable[Line]) -> list[Standing]:
    """Where ``contact`` stands on each of ``lines``. ``number`` is the full one: the contact's may be masked."""
    lines = list(lines)
    own = _own(user, lines)
    consents = {each.line_id: each for each in Consent.objects.filter(contact=contact.pk, line__in=lines)}
    gathered = facts.gather_for(lines, number)
    talks = dict(Conversation.objects.filter(contact=contact.pk).values_list("line", "pk"))
    left = _days_left(contact) if any(each.under_review for each in gathered.values()) else {}
    checks = user.has_perm("messaging.check_consent")
    found = []
    for line in lines:
        standing = Standing(
            line=line,
            own=line.pk in own,
            consent=consents.get(line.pk) or Consent(line=line, contact=contact),
            facts=gathered[line.pk],
            decision=opt_in.foreseen(gate.decide(gathered[line.pk]), gathered[line.pk], line, contact)
            if checks
            else None,
            days_left=left.get(line.pk),
            conversation=talks.get(line.pk),
            actions=(),
        )
        found.append(replace(standing, actions=tuple(_actions(standing, contact, user))))
    return found


def _own(user: User, lines: list[Line]) -> set[int]:
    if user.has_perm("consent.use_every_line"):
        return {line.pk for line in lines}
    return set(user.usable_lines().values_list("pk", flat=True))


def _days_left(contact: Contact) -> dict[int, int]:
    """Per line, the business days on which its open review can still be decided."""
    today = timezone.localdate()
    due = Review.objects.open().revocations().filter(conversation__contact=contact.pk).select_related("conversation")
    return {each.conversation.line_id: review.days_left(each, today) for each in due}


def _actions(standing: Standing, contact: Contact, user: User) -> Iterable[Action]:
    if not standing.own:
        return
    may = {verb for verb, permission in NEEDS.items() if user.has_perm(permission)}
    to = partial(_address, contact, standing.line)
    status = standing.consent.status
    if TALK in may and standing.conversation:
        yield Action(
            TALK, "Open conversation", reverse("admin:messaging_conversation_change", args=[standing.conversation])
        )
    elif TALK in may and user.has_perm("messaging.send_text"):
        yield Action(TALK, "Start conversation", to(TALK), posts=True)
    again = gate.must_be_renewed(standing.facts)
    if ASK in may and (status != Status.OPTED_IN or again) and standing.facts.mode == Mode.CONSENT:
        yield Action(ASK, "Ask for consent", to(ASK), capture.not_to_be_asked(standing.facts))
    lasts = standing.consent.level == Level.WRITTEN and standing.consent.until is None
    if RECORD in may and status != Status.OPTED_OUT and not lasts:
        yield Action(RECORD, "Record consent", to(RECORD), _why_not_record(standing, user))
    if REVOKE in may:
        yield Action(REVOKE, "Record a revocation", to(REVOKE))
    if LIFT in may and status == Status.OPTED_OUT:
        yield Action(LIFT, "Lift the opt-out", to(LIFT))


def _address(contact: Contact, line: Line, verb: str) -> str:
    return reverse("admin:consent_contact_consent_verb", args=[contact.pk, line.pk, verb])


def _why_not_record(standing: Standing, user: User) -> str:
    if standing.facts.under_review:
        return "The contact may have asked us to stop. An officer has to decide that first."
    if may_skip_double_opt_in(user):
        return ""
    if standing.facts.request_open:
        return "The contact is being asked already. Wait for their answer."
    decision = gate.decide(replace(standing.facts, purpose=Purpose.CONFIRM_SIGN_UP))
    return "" if decision.may_send_in_time else decision.text
