"""A text of unknown fate is looked up at the provider (ARCHITECTURE "The way out" 4), and never sent again."""

import datetime as dt
import itertools

import pytest
from django.db import connection
from django.utils import timezone

from consent.models import Line, OptInRequest, User
from messaging import look_up, outbound, outcomes, tasks
from messaging.models import Message, Receipt
from messaging.models.message import MessageStatus
from messaging.provider import ProviderError
from tests.fake_provider import FakeProvider, Sent
from tests.make import JANE, OMAR, make_agent, make_line, make_opted_in
from tests.messaging.test_races import together
from tests.world import Clock, Phone, callback, notices_seen, standing, sweep, texts_seen, work, write

pytestmark = pytest.mark.django_db

NO_ANSWER = ProviderError("", "no answer", permanent=False, may_have_left=True)


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


@pytest.fixture
def jane_in(jane: Phone, line: Line) -> Phone:
    make_opted_in(line)
    return jane


def lost(jane: Phone, ann: User, line: Line, body: str = "Your order is ready") -> Message:
    """A text whose call was not answered, and which the provider took all the same."""
    jane.provider.errors.append(NO_ANSWER)
    text = write(ann, line, body)
    assert Message.objects.filter(status="unknown").exists()
    return text


def never_left(jane: Phone) -> Sent:
    """The call that was not answered did not get through either."""
    return jane.provider.sent.pop()


def look() -> None:
    tasks.look_up_unknown()
    work()


def state(text: Message) -> str:
    text.refresh_from_db()
    return text.status


# ---- found exactly once ---------------------------------------------------------------------------------------------


def test_found_once_it_has_its_id_and_its_state(line: Line, ann: User, jane_in: Phone, clock: Clock) -> None:
    text = lost(jane_in, ann, line)
    [sent] = jane_in.provider.sent
    clock.passes(minutes=1)
    look()
    assert state(text) == "sent"
    assert (text.provider_id, text.reason, text.reason_text) == (sent.provider_id, "", "")
    assert text.sent_at == sent.at.replace(microsecond=0), "by the provider's clock"
    assert len(jane_in.provider.sent) == 1


@pytest.mark.parametrize("fate", ["sent", "delivered", "undelivered", "failed"])
def test_its_state_there_becomes_its_state_here(line: Line, ann: User, jane_in: Phone, fate: str) -> None:
    text = lost(jane_in, ann, line)
    jane_in.provider.fates[jane_in.provider.sent[0].provider_id] = (MessageStatus(fate), "30008")
    look()
    assert (state(text), text.error_code) == (fate, "30008")
    callback(text, "delivered")
    assert state(text) == ("delivered" if fate in {"sent", "delivered"} else fate), "as after any callback"


def test_a_sender_that_died_is_looked_into(line: Line, ann: User, jane_in: Phone, clock: Clock) -> None:
    text = outbound.submit(line=line, to=JANE, body="hello", author=ann)
    claimed = outbound.claim(text.conversation_id)
    assert claimed
    jane_in.provider.send(line=line.number, to=JANE, body=claimed.message.sent_body, callback_url="")
    clock.passes(seconds=31)
    sweep()
    look()
    assert state(text) == "sent"


@pytest.mark.parametrize("fate", ["sent", "delivered", "undelivered"])
def test_a_request_that_left_is_asked_from_then_on(line: Line, ann: User, jane: Phone, clock: Clock, fate: str) -> None:
    lost(jane, ann, line)
    jane.provider.fates[jane.provider.sent[0].provider_id] = (MessageStatus(fate), "")
    asked_at = jane.provider.sent[0].at.replace(microsecond=0)
    clock.passes(hours=1)
    look()
    if fate == "undelivered":
        assert standing(line) == ("not_defined", "not_sent")
        assert texts_seen(ann, line) == [("Your order is ready", "refused")]
        return
    assert standing(line) == ("pending", "sent")
    request = OptInRequest.objects.get()
    assert request.sent_at == asked_at
    assert request.expires_at == asked_at + dt.timedelta(days=7), "from when the provider took it"
    jane.news()
    jane.texts(line, "YES")
    assert jane.news() == ["opt_in_confirmation", "ordinary"]


def test_what_waits_behind_a_disclaimer_leaves(jane: Phone) -> None:
    line = make_line(mode="disclaimer")
    ann = make_agent(line)
    jane.provider.errors.append(NO_ANSWER)
    text = write(ann, line, "hello")
    assert (text.status, jane.news()) == ("queued", ["disclaimer_ours"])
    look()
    assert (state(text), jane.news()) == ("sent", ["ordinary"])
    assert line.consents.get().told_at


def test_what_waits_behind_a_disclaimer_that_failed_is_refused(jane: Phone) -> None:
    line = make_line(mode="disclaimer")
    ann = make_agent(line)
    jane.provider.errors.append(NO_ANSWER)
    text = write(ann, line, "hello")
    jane.provider.fates[jane.provider.sent[0].provider_id] = (MessageStatus.FAILED, "30008")
    look()
    assert (state(text), text.reason) == ("refused", "disclaimer_failed")
    assert len(jane.provider.sent) == 1
    assert notices_seen(ann, line) == ["request_failed"]


def test_what_waits_behind_a_confirmation_leaves(line: Line, ann: User, jane: Phone) -> None:
    write(ann, line, "hello")
    jane.provider.errors.append(NO_ANSWER)
    jane.texts(line, "YES")
    assert jane.news() == ["request_ours", "opt_in_confirmation"]
    look()
    assert jane.news() == ["ordinary"]


def test_a_block_that_is_found_is_an_opt_out(line: Line, ann: User, jane_in: Phone) -> None:
    lost(jane_in, ann, line)
    jane_in.provider.fates[jane_in.provider.sent[0].provider_id] = (MessageStatus.UNDELIVERED, "21610")
    look()
    assert standing(line)[0] == "opted_out"
    assert Receipt.objects.get(kind="status").settled_at


# ---- not found ------------------------------------------------------------------------------------------------------


def test_not_found_it_stays_unknown_and_says_so_after_a_while(
    line: Line, ann: User, jane_in: Phone, clock: Clock
) -> None:
    text = lost(jane_in, ann, line)
    never_left(jane_in)
    look()
    assert (state(text), text.reason_text) == ("unknown", outcomes.UNKNOWN_FATE), "the list lags behind"
    for _ in range(30):
        clock.passes(minutes=1)
        look()
    assert (state(text), text.reason, text.reason_text) == ("unknown", "unknown", look_up.NOT_FOUND)
    assert jane_in.provider.sent == [], "it is never sent again"


def test_it_is_found_when_the_list_has_caught_up(line: Line, ann: User, jane_in: Phone, clock: Clock) -> None:
    text = lost(jane_in, ann, line)
    jane_in.provider.unlisted.add(jane_in.provider.sent[0].provider_id)
    clock.passes(minutes=16)
    look()
    assert text.pk and state(text) == "unknown"
    jane_in.provider.unlisted.clear()
    clock.passes(minutes=16)
    look()
    assert (state(text), text.reason_text) == ("sent", "")


def test_it_is_asked_about_ever_more_rarely_and_for_a_day(line: Line, ann: User, jane_in: Phone, clock: Clock) -> None:
    text = lost(jane_in, ann, line)
    never_left(jane_in)
    asked_after = []
    for minute in range(24 * 60 + 120):
        before = jane_in.provider.questions
        tasks.look_up_unknown()
        if jane_in.provider.questions > before:
            asked_after.append(minute)
        clock.passes(minutes=1)
    assert asked_after[:5] == [0, 1, 2, 6, 22]
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked_after[4:])]
    assert set(gaps) == {60}
    assert asked_after[-1] < 24 * 60
    assert state(text) == "unknown"


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_same_words_at_another_time_are_another_text(
    line: Line, ann: User, jane_in: Phone, clock: Clock, sign: int
) -> None:
    text = lost(jane_in, ann, line)
    sent = never_left(jane_in)
    another = Sent(sent.line, sent.to, sent.body, "", "SMx", sent.at + sign * dt.timedelta(minutes=10))
    jane_in.provider.sent.append(another)
    clock.passes(minutes=30)
    look()
    assert (state(text), text.provider_id) == ("unknown", None)


@pytest.mark.parametrize("change", [{"body": "Other words"}, {"to": OMAR}, {"line": "+12065550199"}])
def test_every_part_has_to_fit(line: Line, ann: User, jane_in: Phone, change: dict[str, str]) -> None:
    text = lost(jane_in, ann, line)
    sent = never_left(jane_in)
    parts = {"line": sent.line, "to": sent.to, "body": sent.body} | change
    jane_in.provider.sent.append(Sent(**parts, callback_url="", provider_id="SMx", at=sent.at))
    look()
    assert state(text) == "unknown"


def test_white_space_may_come_back_changed(line: Line, ann: User, jane_in: Phone) -> None:
    text = lost(jane_in, ann, line, "Your order\n is ready")
    sent = never_left(jane_in)
    jane_in.provider.sent.append(
        Sent(sent.line, sent.to, f" {sent.body.replace(chr(10), chr(13) + chr(10))}", "", "SMx", sent.at)
    )
    look()
    assert state(text) == "sent"


# ---- found more than once -------------------------------------------------------------------------------------------


def test_of_two_that_fit_neither_is_taken(line: Line, ann: User, jane_in: Phone) -> None:
    text = lost(jane_in, ann, line)
    sent = jane_in.provider.sent[0]
    jane_in.provider.sent.append(Sent(sent.line, sent.to, sent.body, "", "SMx", sent.at))
    look()
    assert (state(text), text.provider_id, text.reason_text) == ("unknown", None, look_up.NOT_CLEAR)


def test_one_that_is_another_text_of_ours_is_not_taken(line: Line, ann: User, jane_in: Phone) -> None:
    first = write(ann, line)
    text = lost(jane_in, ann, line)
    never_left(jane_in)
    look()
    assert state(text) == "unknown"
    assert (state(first), first.provider_id) == ("sent", jane_in.provider.sent[0].provider_id)


def test_beside_a_linked_one_the_other_is_taken(line: Line, ann: User, jane_in: Phone) -> None:
    first = write(ann, line)
    text = lost(jane_in, ann, line)
    look()
    assert state(text) == "sent"
    assert text.provider_id == jane_in.provider.sent[1].provider_id != Message.objects.get(pk=first.pk).provider_id


def test_two_of_ours_with_the_same_words_wait_for_a_person(line: Line, ann: User, jane_in: Phone) -> None:
    """One of them may be on its way to the list: it must not get the other's id."""
    texts = [lost(jane_in, ann, line) for _ in range(2)]
    jane_in.provider.unlisted.add(jane_in.provider.sent[0].provider_id)
    look()
    assert [state(text) for text in texts] == ["unknown", "unknown"]
    assert {text.reason_text for text in texts} == {look_up.NOT_CLEAR}


def test_a_list_with_more_pages_than_are_turned_decides_nothing(line: Line, ann: User, jane_in: Phone) -> None:
    write(ann, line, "earlier")
    text = lost(jane_in, ann, line)
    jane_in.provider.page = 1
    look()
    assert (state(text), text.reason_text) == ("unknown", look_up.NOT_CLEAR)
    jane_in.provider.page = 2
    Message.objects.update(look_up_after=None)
    look()
    assert state(text) == "sent"


# ---- the run --------------------------------------------------------------------------------------------------------


def test_the_sweep_rings_for_it(
    line: Line, ann: User, jane_in: Phone, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr("messaging.bell.ring", rung.append)
    sweep()
    assert "messaging.tasks.look_up_unknown" not in rung
    lost(jane_in, ann, line)
    sweep()
    assert "messaging.tasks.look_up_unknown" in rung


def test_a_silent_provider_is_asked_once_a_run(
    line: Line, ann: User, jane_in: Phone, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [lost(jane_in, ann, line, body) for body in ("one", "two", "three")]
    jane_in.provider.silent = True
    look()
    assert jane_in.provider.questions == 1
    assert {state(text) for text in texts} == {"unknown"}
    assert JANE not in caplog.text
    jane_in.provider.silent = False
    look()
    assert sorted(state(text) for text in texts) == ["sent", "sent", "unknown"]
    clock.passes(seconds=15)
    look()
    assert {state(text) for text in texts} == {"sent"}


def test_a_run_is_bounded_and_the_next_goes_on(
    line: Line, ann: User, jane_in: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [lost(jane_in, ann, line, body) for body in ("one", "two", "three")]
    monkeypatch.setattr(look_up, "A_RUN", 2)
    look()
    assert [state(text) for text in texts] == ["sent", "sent", "unknown"]
    look()
    assert state(texts[2]) == "sent"


def test_the_provider_is_called_under_no_lock(
    line: Line, ann: User, jane_in: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = lost(jane_in, ann, line)

    def answers_first(**query: object) -> object:
        callback(text, "delivered")
        return FakeProvider.list_sent(jane_in.provider, **query)  # type: ignore[arg-type]

    monkeypatch.setattr("messaging.provider.list_sent", answers_first)
    look()
    assert state(text) == "delivered", "what is known by now is not undone"


@pytest.mark.parametrize("left", [True, False])
def test_what_a_person_said_meanwhile_stands(
    line: Line, ann: User, jane_in: Phone, monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    text = lost(jane_in, ann, line)
    jane_in.provider.fates[jane_in.provider.sent[0].provider_id] = (MessageStatus.FAILED, "30008")

    def decides_first(**query: object) -> object:
        outbound.settle_unknown(Message.objects.get(pk=text.pk), left=left)
        return FakeProvider.list_sent(jane_in.provider, **query)  # type: ignore[arg-type]

    monkeypatch.setattr("messaging.provider.list_sent", decides_first)
    look()
    assert state(text) == ("sent" if left else "failed")


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
@pytest.mark.skipif(connection.vendor != "postgresql", reason="row locks and READ COMMITTED exist on PostgreSQL only")
def test_callback_answer_and_look_ups_at_the_same_moment(provider: FakeProvider) -> None:
    line = make_line(mode="disclaimer")
    ann = make_agent(line)
    for index in range(12):
        number = f"+1206555{index:04}"
        provider.errors.append(NO_ANSWER)
        text = outbound.submit(line=line, to=number, body="hello", author=ann)
        outbound.send_conversation(text.conversation_id)
        request = Message.objects.get(conversation=text.conversation_id, purpose="disclaimer_ours")
        assert request.status == "unknown"
        sid = provider.sent[-1].provider_id
        raised = together(
            look_up.ask_what_became_of_texts,
            lambda pk=request.pk: look_up.look_up(pk),
            lambda request=request: callback(request, "delivered"),
            lambda request=request, sid=sid: outcomes.record_success(request, sid),
        )
        assert not raised
        request.refresh_from_db()
        assert (request.status, request.reason) == ("delivered", "")
        assert line.consents.get(contact__number=number).told_at
        assert line.entries.filter(contact__number=number, kind="told").count() == 1
        Message.objects.filter(pk=text.pk).update(created=timezone.now())
        work()
        assert state(text) == "sent"
