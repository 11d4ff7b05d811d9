"""The 17 flows of PRODUCT.md, one test each: what arrives on the phone, what the agent sees, what state it ends in."""

import pytest

from consent.models import LedgerEntry, Line, User
from consent.vocabulary import EntryKind, Mode
from messaging import outbound
from messaging.models import Message, Receipt
from messaging.models.message import MessageStatus
from tests.make import JANE, make_agent, make_line, make_officer
from tests.world import Clock, Phone, notices_seen, standing, sweep, text_in, texts_seen, work, write

pytestmark = pytest.mark.django_db

NOT_ASKED = ("not_defined", "not_sent")
ASKED = ("pending", "sent")
BOTH_MODES = pytest.mark.parametrize("mode", [Mode.CONSENT, Mode.DISCLAIMER])


@pytest.fixture
def line() -> Line:
    return make_line(name="Orders", mode=Mode.CONSENT)


@pytest.fixture
def told_line() -> Line:
    """A line that only tells how to stop."""
    return make_line("+12065550101", name="Deliveries", mode=Mode.DISCLAIMER)


@pytest.fixture
def ann(line: Line, told_line: Line) -> User:
    return make_agent(line, told_line, shown_name="Ann")


@pytest.fixture
def ben(line: Line, told_line: Line) -> User:
    return make_agent(line, told_line, shown_name="Ben")


def told(line: Line) -> bool:
    return line.consents.filter(contact__number=JANE).exclude(told_at=None).exists()


def entries() -> list[str]:
    return list(LedgerEntry.objects.order_by("seq").values_list("kind", flat=True))


# ---- with consent, we write first -----------------------------------------------------------------------------------


def test_flow_1_the_request_goes_first_and_the_text_is_held(line: Line, ann: User, jane: Phone) -> None:
    text = write(ann, line, "Your order is ready")
    assert jane.news() == ["request_ours"]
    assert "Ann" in jane.last_words()
    assert texts_seen(ann, line) == [("Your order is ready", "held")]
    assert notices_seen(ann, line) == ["asked"]
    assert standing(line) == ASKED
    assert (text.status, text.reason) == ("held", "consent_missing")


def test_flow_2_a_second_text_is_held_without_a_second_request(line: Line, ann: User, ben: User, jane: Phone) -> None:
    write(ann, line, "Your order is ready")
    jane.news()
    write(ann, line, "It is at the counter")
    write(ben, line, "Ben here")
    assert jane.news() == []
    held = [("Your order is ready", "held"), ("It is at the counter", "held"), ("Ben here", "held")]
    assert texts_seen(ben, line) == texts_seen(ann, line) == held
    assert standing(line) == ASKED


@pytest.mark.parametrize("answer", ["YES", "yes!", "START", "Unstop"])
def test_flow_3_yes_lets_the_held_texts_go_in_the_order_written(
    line: Line, ann: User, ben: User, jane: Phone, answer: str
) -> None:
    for author, words in ((ann, "one"), (ben, "two"), (ann, "three")):
        write(author, line, words)
    jane.news()
    jane.texts(line, answer)
    assert jane.news() == ["opt_in_confirmation", "ordinary", "ordinary", "ordinary"]
    assert [words.split("\n")[0] for words in jane.provider.to(JANE)[-3:]] == ["one", "two", "three"]
    assert texts_seen(ann, line) == [("one", "sent"), ("two", "sent"), ("three", "sent")]
    assert notices_seen(ann, line) == ["asked", "opted_in"]
    assert notices_seen(ben, line)[-1] == "opted_in"
    assert standing(line) == ("opted_in", "accepted")


def test_flow_3_each_held_text_passes_the_gate_again(line: Line, ann: User, jane: Phone) -> None:
    write(ann, line)
    jane.news()
    text_in(JANE, line, "YES")
    text_in(JANE, line, "STOP")
    work()
    assert "ordinary" not in jane.news()
    assert texts_seen(ann, line) == [("Your order is ready", "cancelled")]


@pytest.mark.parametrize("answer", ["STOP", "NO", "no.", "unsubscribe"])
def test_flow_4_no_cancels_the_held_texts_and_is_confirmed_once(
    line: Line, ann: User, jane: Phone, answer: str
) -> None:
    text = write(ann, line)
    jane.news()
    jane.texts(line, answer)
    assert jane.news() == ["opt_out_confirmation"]
    assert texts_seen(ann, line) == [("Your order is ready", "cancelled")]
    text.refresh_from_db()
    assert text.reason == "opted_out" and text.reason_text
    assert notices_seen(ann, line) == ["asked", "opted_out"]
    assert standing(line) == ("opted_out", "rejected")


def test_flow_5_an_unanswered_request_expires(line: Line, ann: User, ben: User, jane: Phone, clock: Clock) -> None:
    write(ann, line)
    write(ben, line, "Ben here")
    jane.texts(line, "who is this?")
    jane.news()
    clock.passes(days=7, minutes=-1)
    sweep()
    assert standing(line) == ASKED
    clock.passes(minutes=2)
    sweep()
    assert jane.news() == []
    assert texts_seen(ann, line) == [("Your order is ready", "cancelled"), ("Ben here", "cancelled")]
    assert notices_seen(ann, line)[-1] == notices_seen(ben, line)[-1] == "expired"
    assert standing(line) == ("not_defined", "expired")
    assert Message.objects.get(body="who is this?").status == MessageStatus.HELD_BACK


def test_flow_5_falls_back_to_opted_out_where_it_was_that(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    jane.texts(line, "STOP")
    clock.passes(hours=25)
    jane.texts(line, "are you there?")
    assert standing(line) == ("opted_out", "sent")
    clock.passes(days=8)
    sweep()
    assert standing(line) == ("opted_out", "expired")


# ---- with consent, they write first ---------------------------------------------------------------------------------


def test_flow_6_their_text_is_held_back_and_they_are_asked(line: Line, ann: User, jane: Phone) -> None:
    jane.texts(line, "Is my order ready?")
    assert jane.news() == ["request_theirs"]
    assert texts_seen(ann, line) == []
    assert notices_seen(ann, line) == ["wrote_and_asked"]
    assert standing(line) == ASKED


def test_flow_7_yes_shows_what_they_wrote(line: Line, ann: User, jane: Phone) -> None:
    jane.texts(line, "Is my order ready?")
    jane.texts(line, "Number 12")
    jane.news()
    jane.texts(line, "YES")
    assert jane.news() == ["opt_in_confirmation"]
    assert texts_seen(ann, line) == [("Is my order ready?", "received"), ("Number 12", "received")]
    assert notices_seen(ann, line) == ["wrote_and_asked", "opted_in"]
    assert standing(line) == ("opted_in", "accepted")


@pytest.mark.parametrize("answer", ["STOP", "NO"])
def test_flow_8_no_keeps_it_hidden(line: Line, ann: User, jane: Phone, answer: str) -> None:
    jane.texts(line, "Is my order ready?")
    jane.news()
    jane.texts(line, answer)
    assert jane.news() == ["opt_out_confirmation"]
    assert texts_seen(ann, line) == []
    assert notices_seen(ann, line) == ["wrote_and_asked", "opted_out"]
    assert standing(line) == ("opted_out", "rejected")


def test_flow_8_it_stays_hidden_when_they_come_back_later(line: Line, ann: User, jane: Phone) -> None:
    """START of somebody who was not pending shows nothing of what belonged to the request they refused (flow 15)."""
    jane.texts(line, "Is my order ready?")
    jane.texts(line, "STOP")
    jane.texts(line, "START")
    assert standing(line)[0] == "opted_in"
    assert texts_seen(ann, line) == []
    assert Message.objects.get(body="Is my order ready?").status == MessageStatus.HELD_BACK


# ---- disclaimer only ------------------------------------------------------------------------------------------------


def test_flow_9_the_disclaimer_goes_first_then_the_text(told_line: Line, ann: User, ben: User, jane: Phone) -> None:
    write(ann, told_line)
    assert jane.news() == ["disclaimer_ours", "ordinary"]
    assert texts_seen(ann, told_line) == [("Your order is ready", "sent")]
    assert notices_seen(ann, told_line) == []
    assert standing(told_line) == NOT_ASKED and told(told_line)
    write(ben, told_line, "Ben here")
    assert jane.news() == ["ordinary"], "told once is told"


def test_flow_10_their_text_arrives_at_once_and_they_are_told_once(told_line: Line, ann: User, jane: Phone) -> None:
    jane.texts(told_line, "Is my order ready?")
    assert jane.news() == ["disclaimer_theirs"]
    jane.texts(told_line, "Number 12")
    assert jane.news() == []
    assert texts_seen(ann, told_line) == [("Is my order ready?", "received"), ("Number 12", "received")]
    assert standing(told_line) == NOT_ASKED and told(told_line)
    write(ann, told_line, "Yes, it is")
    assert jane.news() == ["ordinary"], "no second disclaimer before our answer"


# ---- both modes -----------------------------------------------------------------------------------------------------


@BOTH_MODES
def test_flow_11_stop_cancels_all_that_waits_on_the_lines_in_scope(mode: Mode, jane: Phone) -> None:
    line = make_line(mode=mode)
    same_category = make_line("+12065550102", mode=mode)
    other_category = make_line("+12065550103", mode=mode, category="informational")
    ann = make_agent(line, same_category, other_category)
    for each in (line, same_category, other_category):
        jane.texts(each, "START")
        write(ann, each, "hello")
    waiting = [
        waiting_text(ann, line, MessageStatus.QUEUED),
        waiting_text(ann, line, MessageStatus.HELD),
        waiting_text(ann, same_category, MessageStatus.DEFERRED),
        waiting_text(ann, other_category, MessageStatus.HELD),
    ]
    jane.news()
    jane.texts(line, "STOP")
    assert jane.news() == ["opt_out_confirmation"]
    after = [Message.objects.get(pk=each.pk).status for each in waiting]
    assert after == ["cancelled", "cancelled", "cancelled", "held"]
    assert standing(line)[0] == standing(same_category)[0] == "opted_out"
    assert standing(other_category)[0] == "opted_in"
    assert notices_seen(ann, line)[-1] == notices_seen(ann, same_category)[-1] == "opted_out"
    assert notices_seen(ann, other_category)[-1] == "opted_in"


def waiting_text(author: User, line: Line, status: MessageStatus) -> Message:
    message = outbound.submit(line=line, to=JANE, body=f"waits {status}", author=author)
    Message.objects.filter(pk=message.pk).update(status=status)
    return message


@BOTH_MODES
def test_flow_11_stop_before_anything_else_was_said(mode: Mode, jane: Phone) -> None:
    line = make_line(mode=mode)
    ann = make_agent(line)
    jane.texts(line, "STOP")
    assert jane.news() == ["opt_out_confirmation"]
    assert notices_seen(ann, line) == ["opted_out"]
    assert standing(line) == ("opted_out", "not_sent")


@BOTH_MODES
def test_flow_12_a_text_to_an_opted_out_contact_is_refused(mode: Mode, jane: Phone) -> None:
    line = make_line(mode=mode)
    ann = make_agent(line)
    jane.texts(line, "STOP")
    jane.news()
    text = write(ann, line)
    assert jane.news() == []
    assert (text.status, text.reason) == ("refused", "opted_out")
    for said in ("01 December 2026", "STOP", f"START to {line.number}"):
        assert said in text.reason_text, "when and how they opted out, and what would undo it"
    assert texts_seen(ann, line) == [("Your order is ready", "refused")]
    assert standing(line)[0] == "opted_out"


def test_flow_13_who_comes_back_by_themselves_is_asked(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    jane.texts(line, "STOP")
    jane.news()
    clock.passes(hours=23, minutes=50)
    jane.texts(line, "hello?")
    assert jane.news() == [], "too soon after the STOP"
    clock.passes(minutes=20)
    jane.texts(line, "Is my order ready?")
    assert jane.news() == ["request_theirs"]
    assert texts_seen(ann, line) == []
    assert notices_seen(ann, line)[-1] == "wrote_and_asked"
    assert standing(line) == ("opted_out", "sent")
    jane.texts(line, "YES")
    assert jane.news() == ["opt_in_confirmation"]
    assert ("Is my order ready?", "received") in texts_seen(ann, line)
    assert standing(line) == ("opted_in", "accepted")


def test_flow_13_once_in_thirty_days(line: Line, jane: Phone, clock: Clock) -> None:
    jane.texts(line, "STOP")
    clock.passes(hours=25)
    jane.texts(line, "hello?")
    jane.news()
    clock.passes(days=8)
    sweep()
    jane.texts(line, "hello??")
    assert jane.news() == [], "asked eight days ago"
    clock.passes(days=23)
    jane.texts(line, "hello???")
    assert jane.news() == ["request_theirs"]
    assert standing(line) == ("opted_out", "sent")


@pytest.mark.parametrize("answer", ["STOP", "NO"])
def test_flow_13_refused_again(line: Line, jane: Phone, clock: Clock, answer: str) -> None:
    jane.texts(line, "STOP")
    clock.passes(hours=25)
    jane.texts(line, "hello?")
    jane.news()
    jane.texts(line, answer)
    assert jane.news() == [], "they were out all the time, and that was confirmed"
    assert standing(line) == ("opted_out", "rejected")


def test_flow_14_the_way_back_is_shown(told_line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    jane.texts(told_line, "STOP")
    jane.news()
    jane.texts(told_line, "one more thing")
    assert jane.news() == [], "silence for a day"
    clock.passes(hours=25)
    jane.texts(told_line, "Is my order ready?")
    assert jane.news() == ["way_back"]
    jane.texts(told_line, "Hello?")
    assert jane.news() == [], "once in 30 days"
    assert texts_seen(ann, told_line)[-2:] == [("Is my order ready?", "received"), ("Hello?", "received")]
    assert Message.objects.get(body="Is my order ready?").marks, "marked"
    assert write(ann, told_line).status == "refused"
    assert standing(told_line)[0] == "opted_out"
    clock.passes(days=31)
    jane.texts(told_line, "Hello again")
    assert jane.news() == ["way_back"]


@BOTH_MODES
@pytest.mark.parametrize("word", ["START", "unstop"])
def test_flow_15_an_opt_in_keyword_opts_in(mode: Mode, word: str, jane: Phone) -> None:
    line = make_line(mode=mode)
    sibling = make_line("+12065550102", mode=mode)
    ann = make_agent(line, sibling)
    jane.texts(line, word)
    assert jane.news() == ["opt_in_confirmation"]
    assert notices_seen(ann, line) == ["opted_in"]
    assert standing(line)[0] == "opted_in"
    assert standing(sibling) == NOT_ASKED, "consent on one line says nothing about another"


@BOTH_MODES
def test_flow_15_an_opt_in_keyword_leads_back(mode: Mode, jane: Phone) -> None:
    line, sibling = make_line(mode=mode), make_line("+12065550102", mode=mode)
    jane.texts(line, "STOP")
    jane.news()
    jane.texts(line, "START")
    assert jane.news() == ["opt_in_confirmation"]
    assert standing(line)[0] == "opted_in"
    assert standing(sibling)[0] == "opted_out", "START lifts it on its own line only"


@BOTH_MODES
def test_flow_15_who_is_in_already_gets_no_second_confirmation(mode: Mode, jane: Phone) -> None:
    line = make_line(mode=mode)
    jane.texts(line, "START")
    jane.news()
    for _ in range(3):
        jane.texts(line, "START")
    assert jane.news() == []
    assert standing(line)[0] == "opted_in"
    assert entries() == [EntryKind.OPTED_IN] * 4, "each is recorded"


HELP_STATES = {
    "never heard of": [],
    "opted in": ["START"],
    "opted out": ["STOP"],
    "asked": ["hello"],
}


@BOTH_MODES
@pytest.mark.parametrize("before", HELP_STATES.values(), ids=HELP_STATES.keys())
def test_flow_16_help_is_answered_whatever_the_status(mode: Mode, before: list[str], jane: Phone) -> None:
    line = make_line(mode=mode)
    ann = make_agent(line)
    for words in before:
        jane.texts(line, words)
    jane.news()
    stood, recorded = standing(line), entries()
    jane.texts(line, "Help!")
    assert jane.news() == ["help_reply"]
    assert "STOP" in jane.last_words()
    assert texts_seen(ann, line)[-1] == ("Help!", "received")
    assert standing(line) == stood and entries() == recorded


@BOTH_MODES
def test_flow_17_stop_again_is_recorded_and_no_more(mode: Mode, jane: Phone) -> None:
    line = make_line(mode=mode)
    ann = make_agent(line)
    jane.texts(line, "STOP")
    jane.news()
    noticed = notices_seen(ann, line)
    jane.texts(line, "stop!!")
    assert jane.news() == []
    assert notices_seen(ann, line) == noticed
    assert entries() == [EntryKind.OPTED_OUT, EntryKind.OPT_OUT_REPEATED]
    assert standing(line)[0] == "opted_out"


# ---- who sees what --------------------------------------------------------------------------------------------------


def test_officers_see_that_a_text_is_held_back_and_agents_do_not(line: Line, ann: User, jane: Phone) -> None:
    jane.texts(line, "Is my order ready?")
    assert [status for _, status in texts_seen(make_officer(), line)] == ["held_back"]
    assert texts_seen(ann, line) == []


def test_every_notice_is_marked_automatic(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    write(ann, line)
    jane.texts(line, "YES")
    jane.texts(line, "STOP")
    conversation = line.conversations.get()
    assert conversation.notices.count() == 3
    assert all("automatic" in notice.text.lower() for notice in conversation.notices.all())


def test_a_closed_conversation_opens_when_either_side_writes(told_line: Line, ann: User, jane: Phone) -> None:
    jane.texts(told_line, "hi")
    told_line.conversations.update(is_open=False)
    jane.texts(told_line, "hi again")
    assert told_line.conversations.get().is_open
    told_line.conversations.update(is_open=False)
    write(ann, told_line)
    assert told_line.conversations.get().is_open


def test_evidence_of_an_opt_in_holds_their_words(line: Line, jane: Phone) -> None:
    from consent.models import Evidence

    jane.texts(line, "Start")
    entry = LedgerEntry.objects.get(kind=EntryKind.OPTED_IN)
    receipt = Receipt.objects.get()
    data = Evidence.objects.get(digest=entry.evidence_digest).data
    assert (data["text"], data["from"], data["to"]) == ("Start", JANE, line.number)
    assert data["provider_id"] == receipt.provider_id
    assert entry.rule == "keyword:START"
