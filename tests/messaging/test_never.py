"""What must never happen, against random histories.

Contacts, agents, officers, a slow network and a failing provider act in any order through the public ways in; after
every step, and for every single text at the moment it leaves, the rules of PRODUCT "What must never happen" are held
against a ledger of the test's own: what the contacts texted, and when.
"""

import datetime as dt
import os
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from consent import ledger
from consent.gate import Purpose
from consent.ledger import Proof
from consent.models import Consent, Contact, Line
from consent.verification import verify
from consent.vocabulary import Channel, Mode, Status
from messaging import capture, inbound, outbound, review
from messaging.models import Message, Receipt, Review
from messaging.models.message import MessageStatus
from messaging.models.review import Doubt
from messaging.opt_in import AUTHOR_CONFIRMS
from messaging.provider import ProviderError
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_agent, make_line, make_officer
from tests.world import callback, inbound_fields, now_in_sql, post_webhook, work

CONSENT_LINE, DISCLAIMER_LINE = "+12065550100", "+12065550101"
NUMBERS = st.sampled_from([JANE, OMAR])
LINES = st.sampled_from([CONSENT_LINE, DISCLAIMER_LINE])
STOPS = {"STOP", "stop!", "STOPALL", "Unsubscribe"}
STARTS = {"START", "unstop"}
WORDS = st.sampled_from(
    [*sorted(STOPS | STARTS), "YES", "NO", "HELP", "hello", "please stop by at five", "👍", "wrong number"]
)
# The suite plays the same few each time; `make soak` plays many new ones.
FEW = 40
HISTORIES = int(os.environ.get("HISTORIES", FEW))
THEN = st.sampled_from(["nothing", "settle", "send", "work", "work"])
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
ERRORS = [
    ProviderError("20429", "slow down", permanent=False, may_have_left=False),
    ProviderError("", "no answer", permanent=False, may_have_left=True),
    ProviderError("21610", "blocked", permanent=True, may_have_left=False),
    ProviderError("30007", "filtered", permanent=True, may_have_left=False),
]


@dataclass
class Known:
    """What the test itself knows of one contact on one line. Times are the contact's, whenever they were read."""

    outs: list[dt.datetime] = field(default_factory=list)
    ins: list[dt.datetime] = field(default_factory=list)
    # When they said YES, and which questions they had got by then.
    yeses: list[tuple[dt.datetime, list[dt.datetime]]] = field(default_factory=list)
    asked: list[dt.datetime] = field(default_factory=list)
    confirmations: int = 0

    def last_out(self) -> dt.datetime | None:
        return max(self.outs, default=None)

    def is_out(self) -> bool:
        """A tie is out."""
        return bool(self.outs) and max(self.outs) >= max(self.opt_ins(), default=dt.datetime.min.replace(tzinfo=dt.UTC))

    def opt_ins(self) -> list[dt.datetime]:
        """A YES counts unless a STOP came between it and each question that it may answer, whichever was read first."""
        return self.ins + [
            said
            for said, asked in self.yeses
            if any(not any(question <= out <= said for out in self.outs) for question in asked)
        ]

    def agreed(self) -> bool:
        return bool(self.opt_ins()) and not self.is_out()


class Witness(FakeProvider):
    """The provider's side of the wire: judges each text at the moment it leaves."""

    world: "Histories"

    def send(self, *, line: str, to: str, body: str, callback_url: str) -> str:
        self.world.judge(line, to, callback_url.rpartition("m=")[2])
        return super().send(line=line, to=to, body=body, callback_url=callback_url)


class Histories(RuleBasedStateMachine):
    @initialize()
    def install(self) -> None:
        self.provider = Witness()
        self.provider.world = self
        self.patches = pytest.MonkeyPatch()
        self.patches.setattr("messaging.provider.send", self.provider.send)
        self.patches.setattr("consent.clock.database_now", timezone.now)
        self.patches.setattr("consent.clock.now_in_sql", now_in_sql)
        self.traveller = time_machine.travel(dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC), tick=False)
        self.clock = self.traveller.start()
        self.savepoint = transaction.atomic()
        self.savepoint._from_testcase = True  # so that "durable" blocks may run inside
        self.savepoint.__enter__()
        self.lines = {
            CONSENT_LINE: make_line(CONSENT_LINE, mode=Mode.CONSENT),
            DISCLAIMER_LINE: make_line(DISCLAIMER_LINE, mode=Mode.DISCLAIMER),
        }
        self.agents = [make_agent(*self.lines.values()), make_agent(*self.lines.values())]
        self.officer = make_officer()
        self.known: dict[tuple[str, str], Known] = defaultdict(Known)
        self.barred: set[str] = set()
        self.posted: list[dict[str, str]] = []
        self.wait_for_authors: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "savepoint"):
            transaction.set_rollback(True)
            self.savepoint.__exit__(None, None, None)
            self.traveller.stop()
            self.patches.undo()

    # ---- what may happen ------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 30, 240, 400, 3600, 90_000, 8 * 86_400, 31 * 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.clock.shift(dt.timedelta(seconds=seconds))

    @rule(to=NUMBERS, line=LINES, agent=st.integers(0, 1), error=st.sampled_from([None, None, *ERRORS]), then=THEN)
    def agent_texts(self, to: str, line: str, agent: int, error: ProviderError | None, then: str) -> None:
        outbound.submit(line=self.lines[line], to=to, body="Your order is ready", author=self.agents[agent])
        if error:
            self.provider.errors.append(error)
        self._then(then, to)

    @rule(to=NUMBERS)
    def agent_withdraws(self, to: str) -> None:
        text = Message.objects.waiting().filter(conversation__contact__number=to, purpose=Purpose.ORDINARY).last()
        if text and text.author:
            outbound.withdraw(text, text.author)

    @rule(to=NUMBERS)
    def author_confirms(self, to: str) -> None:
        late = Message.objects.filter(conversation__contact__number=to, reason=AUTHOR_CONFIRMS, status="held").last()
        if late and late.author:
            self.wait_for_authors.discard(str(late.uuid))
            outbound.confirm(late, late.author)

    @rule(
        sender=NUMBERS,
        line=LINES,
        words=st.lists(st.tuples(WORDS, st.sampled_from([0, 0, 60, 4000])), min_size=1, max_size=4),
        then=THEN,
    )
    def contact_texts(self, sender: str, line: str, words: list[tuple[str, int]], then: str) -> None:
        """Each word with how late its webhook is, in seconds; the provider's own time says so."""
        for word, late in words:
            self.clock.shift(dt.timedelta(seconds=1))
            self._text(sender, line, word, timezone.now() - dt.timedelta(seconds=late))
        self._then(then, sender)

    def _then(self, then: str, number: str) -> None:
        if then == "settle":
            inbound.settle_number(number)
        elif then == "send":
            self.senders_send()
        elif then == "work":
            work()

    def _text(self, sender: str, line: str, word: str, at: dt.datetime) -> None:
        fields = inbound_fields(sender, self.lines[line], word)
        assert post_webhook("/twilio/inbound/", fields).status_code == 200
        Receipt.objects.filter(provider_id=fields["MessageSid"]).update(occurred_at=at)
        self.posted.append(fields)
        if word in STOPS:
            for known in (self.known[sender, number] for number in self.lines):  # both lines are of one category
                known.outs.append(at)
        elif word in STARTS:
            self.known[sender, line].ins.append(at)
        elif word == "YES":
            known = self.known[sender, line]
            known.yeses.append((at, list(known.asked)))

    @rule(data=st.data())
    def webhook_repeats(self, data: st.DataObject) -> None:
        if self.posted:
            assert post_webhook("/twilio/inbound/", data.draw(st.sampled_from(self.posted))).status_code == 200

    @rule(data=st.data(), status=st.sampled_from(["sent", "delivered", "undelivered", "failed", "queued"]))
    def callback_comes(self, data: st.DataObject, status: str) -> None:
        left = Message.objects.outgoing().exclude(claimed_at=None).order_by("pk")
        if left:
            message = data.draw(st.sampled_from(list(left)))
            assert callback(message, status).status_code == 200

    @rule()
    def workers_work(self) -> None:
        work()

    @rule()
    def senders_send(self) -> None:
        """Without settling first: what came in meanwhile must fence itself off."""
        for conversation in sorted(set(Message.objects.due(timezone.now()).values_list("conversation", flat=True))):
            outbound.send_conversation(conversation)

    @rule()
    def sweeps_run(self) -> None:
        inbound.expire_requests()
        outbound.mark_lost(timezone.now())
        outbound.drop_late(timezone.now())
        for undecided in Review.objects.due(timezone.localdate()):
            self._revoked(undecided)
        review.opt_out_undecided(timezone.localdate())

    @rule(number=NUMBERS, line=LINES)
    def officer_lifts(self, number: str, line: str) -> None:
        self.clock.shift(dt.timedelta(seconds=1))
        contact = Contact.objects.lock(number)
        state = Consent.objects.filter(contact=contact, line=self.lines[line]).first()
        if state and state.status == Status.OPTED_OUT:
            capture.lift_opt_out(contact, self.lines[line], by=self.officer, reason="mistake", evidence={"call": "7"})
            self.known[number, line].ins.append(timezone.now())

    @rule(number=NUMBERS, line=LINES)
    def agent_records_a_revocation(self, number: str, line: str) -> None:
        now = timezone.now()
        capture.record_revocation(
            number, self.lines[line], by=self.agents[0], route="call", words="no more", occurred_at=now
        )
        for each in self.lines:
            known = self.known[number, each]
            if not any(own > now for own in known.ins):
                known.outs.append(now)

    @rule(number=NUMBERS, line=LINES, then=THEN)
    def officer_bars_or_unbars(self, number: str, line: str, then: str) -> None:
        outbound.submit(line=self.lines[line], to=number, body="One moment", author=self.agents[0])
        contact, proof = Contact.objects.lock(number), Proof(Channel.AGENT, {"reason": "asked"}, actor=self.officer)
        if number in self.barred:
            ledger.lift_do_not_contact(contact, proof)
            self.barred.discard(number)
        else:
            ledger.add_do_not_contact(contact, proof, reason="asked")
            self.barred.add(number)
        self._then(then, number)

    @rule(number=NUMBERS, line=LINES, against=st.booleans(), then=THEN)
    def officer_decides(self, number: str, line: str, against: bool, then: str) -> None:
        outbound.submit(line=self.lines[line], to=number, body="Shall we?", author=self.agents[1])
        doubted = Review.objects.open().filter(
            conversation__contact__number=number, conversation__line=self.lines[line]
        )
        for found in doubted:
            if found.doubt == Doubt.ACCEPTANCE and against:
                review.they_did_not_agree(found, by=self.officer, reason="no")
            elif found.doubt == Doubt.ACCEPTANCE:
                review.they_agreed(found, by=self.officer, reason="yes")
                self.known[number, line].ins.append(found.message.said_at)
            elif against:
                review.it_was_an_opt_out(found, by=self.officer, reason="yes")
                self._revoked(found)
                break  # which settles the other one too
            else:
                review.it_was_no_opt_out(found, by=self.officer, reason="no")
        self._then(then, number)

    def _revoked(self, found: Review) -> None:
        for each in self.lines:
            self.known[found.conversation.contact.number, each].outs.append(found.message.said_at)

    # ---- what must hold -------------------------------------------------------------------------------------------

    def judge(self, line: str, to: str, uuid: str) -> None:
        message = Message.objects.get(uuid=uuid)
        known, purpose, now = self.known[to, line], Purpose(message.purpose), timezone.now()
        state = Consent.objects.filter(contact__number=to, line__number=line).first()
        assert uuid not in [sent.callback_url.rpartition("m=")[2] for sent in self.provider.sent], "sent twice"
        assert uuid not in self.wait_for_authors, "a text of long ago without its author's word"
        assert to not in self.barred, "a text to a number on the do-not-contact list"
        assert not Receipt.objects.unsettled().filter(number=to).exists(), "a text overtook an unread webhook"
        if known.is_out():
            last_out = known.last_out()
            assert last_out
            since = now - last_out
            assert purpose in {
                Purpose.OPT_OUT_CONFIRMATION,
                Purpose.HELP_REPLY,
                Purpose.REQUEST_THEIRS,
                Purpose.WAY_BACK,
            }, f"{purpose} to somebody who opted out"
            if purpose in {Purpose.REQUEST_THEIRS, Purpose.WAY_BACK}:
                assert since >= DAY, "not silent for a day after the STOP"
        if purpose is Purpose.ORDINARY and self.lines[line].mode == Mode.CONSENT:
            assert known.agreed(), "an ordinary text without consent"
        if state and state.review_since and purpose not in {Purpose.OPT_OUT_CONFIRMATION, Purpose.HELP_REPLY}:
            raise AssertionError(f"{purpose} to somebody under review")
        if purpose is Purpose.OPT_OUT_CONFIRMATION:
            assert any(dt.timedelta(0) <= now - out <= 5 * MINUTE for out in known.outs), "a late confirmation"
            known.confirmations += 1
            assert known.confirmations <= len(set(known.outs)), "two confirmations for one STOP"
        if message.request_id:
            known.asked.append(now)
            recent = [asked for asked in known.asked if asked > now - 30 * DAY]
            assert len(recent) <= 2 + self.failed_requests(message), "asked more often than the limit"
        next_error = self.provider.errors[0] if self.provider.errors else None
        if next_error and next_error.code == "21610" and not (state and state.status == Status.OPTED_OUT):
            for each in self.lines:  # an opt-out at the time of the claim, for the category
                self.known[to, each].outs.append(message.claimed_at or now)

    def failed_requests(self, message: Message) -> int:
        """Requests that failed don't count against the limit."""
        return (
            Message.objects.filter(conversation=message.conversation_id)
            .exclude(request=None)
            .exclude(request__outcome__in=["", "accepted", "rejected", "expired"])
            .count()
        )

    @invariant()
    def who_is_out_is_recorded_as_out(self) -> None:
        for (number, line), known in getattr(self, "known", {}).items():
            if Receipt.objects.unsettled().filter(number=number).exists():
                continue
            state = Consent.objects.filter(contact__number=number, line__number=line).first()
            if known.is_out():
                assert state and state.status == Status.OPTED_OUT, f"a STOP of {number} on {line} was lost"

    @invariant()
    def the_ledger_holds(self) -> None:
        if hasattr(self, "known"):
            assert list(verify()) == []

    @invariant()
    def a_review_is_open_exactly_where_sending_is_suspended(self) -> None:
        if hasattr(self, "known"):
            doubted = Review.objects.open().filter(doubt=Doubt.REVOCATION)
            suspended = Consent.objects.exclude(review_since=None)
            assert set(doubted.values_list("conversation__contact", "conversation__line")) == set(
                suspended.values_list("contact", "line")
            )

    @invariant()
    def nobody_waits_behind_an_opt_out(self) -> None:
        if hasattr(self, "known"):
            stuck = Message.objects.waiting().filter(purpose=Purpose.ORDINARY, status=MessageStatus.HELD)
            for text in stuck.select_related("conversation"):
                pair = text.conversation
                state = Consent.objects.filter(contact=pair.contact_id, line=pair.line_id).first()
                if state is None:
                    continue  # asked, but the provider has not taken the request yet
                assert state.status != Status.OPTED_OUT, "a held text survived an opt-out"
                if text.reason == AUTHOR_CONFIRMS:
                    assert timezone.now() - text.created > DAY
                    self.wait_for_authors.add(str(text.uuid))
                else:
                    assert state.status != Status.OPTED_IN or state.review_since, "a held text was forgotten"


@pytest.mark.django_db
def test_no_history_breaks_the_rules() -> None:
    assert Line.objects.count() == 0
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=20,
            deadline=None,
            derandomize=HISTORIES == FEW,
            suppress_health_check=list(HealthCheck),
        ),
    )
