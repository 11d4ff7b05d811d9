"""YES and NO: what they answer, how long they count, what they are out of the blue (PRODUCT "Rules …")."""

import pytest

from consent.models import Line, OptInRequest, User
from messaging import inbound, outbound
from messaging.models import Message, Template
from messaging.provider import ProviderError
from tests.make import JANE, make_agent, make_line, make_opted_in
from tests.world import Clock, Phone, notices_seen, standing, sweep, text_in, texts_seen, work, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Line:
    return make_line(name="Orders")


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


@pytest.fixture
def expired(line: Line, ann: User, jane: Phone, clock: Clock) -> OptInRequest:
    """Jane was asked, did not answer, and the request has just expired."""
    write(ann, line)
    clock.passes(days=7, minutes=1)
    sweep()
    jane.news()
    return OptInRequest.objects.get(outcome="expired")


def test_a_late_yes_accepts_within_thirty_days(
    line: Line, ann: User, jane: Phone, clock: Clock, expired: OptInRequest
) -> None:
    clock.passes(days=29, hours=23)
    jane.texts(line, "yes")
    assert jane.news() == ["opt_in_confirmation"], "texts cancelled meanwhile stay cancelled"
    assert standing(line) == ("opted_in", "accepted")
    assert texts_seen(ann, line) == [("Your order is ready", "cancelled")]
    assert notices_seen(ann, line)[-1] == "opted_in"


def test_a_late_yes_shows_what_was_held_back(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    jane.texts(line, "Is my order ready?")
    clock.passes(days=8)
    sweep()
    jane.texts(line, "YES")
    assert texts_seen(ann, line) == [("Is my order ready?", "received")]


def test_after_thirty_days_yes_is_an_ordinary_text(
    line: Line, jane: Phone, clock: Clock, expired: OptInRequest
) -> None:
    clock.passes(days=30, minutes=1)
    jane.texts(line, "YES")
    assert jane.news() == ["request_theirs"], "flow 6"
    assert standing(line) == ("pending", "sent")


def test_a_stop_in_between_ends_the_late_yes(line: Line, jane: Phone, clock: Clock, expired: OptInRequest) -> None:
    clock.passes(hours=1)
    jane.texts(line, "STOP")
    jane.news()
    clock.passes(hours=1)
    jane.texts(line, "YES")
    assert standing(line)[0] == "opted_out"
    assert jane.news() == []


def test_a_stop_on_another_line_in_scope_ends_it_too(
    line: Line, jane: Phone, clock: Clock, expired: OptInRequest
) -> None:
    sibling = make_line("+12065550102")
    clock.passes(hours=1)
    jane.texts(sibling, "STOP")
    clock.passes(hours=1)
    jane.texts(line, "YES")
    assert standing(line)[0] == "opted_out"


@pytest.mark.parametrize("word", ["YES", "NO"])
def test_out_of_the_blue_they_are_ordinary_text(line: Line, ann: User, jane: Phone, word: str) -> None:
    jane.texts(line, word)
    assert jane.news() == ["request_theirs"], "flow 6"
    assert standing(line) == ("pending", "sent")
    assert texts_seen(ann, line) == []
    assert Message.objects.get(body=word).status == "held_back"


@pytest.mark.parametrize("word", ["YES", "NO"])
def test_to_somebody_opted_in_they_are_conversation(line: Line, ann: User, jane: Phone, word: str) -> None:
    make_opted_in(line)
    jane.texts(line, word)
    assert jane.news() == []
    assert texts_seen(ann, line) == [(word, "received")]
    assert standing(line)[0] == "opted_in"


@pytest.mark.parametrize("word", ["YES", "NO"])
def test_on_a_disclaimer_line_they_are_conversation(jane: Phone, word: str) -> None:
    line = make_line("+12065550101", mode="disclaimer")
    jane.texts(line, word)
    assert jane.news() == ["disclaimer_theirs"]
    assert texts_seen(make_agent(line), line) == [(word, "received")]
    assert standing(line)[0] == "not_defined"


def test_yes_to_the_line_that_was_texted_only(line: Line, ann: User, jane: Phone) -> None:
    other = make_line("+12065550102")
    write(ann, line)
    jane.texts(other, "YES")
    assert standing(line) == ("pending", "sent")
    assert standing(other) == ("pending", "sent"), "on the other line YES was an ordinary text (flow 6)"


def test_no_refuses_the_open_request_on_this_line_only(line: Line, ann: User, jane: Phone) -> None:
    sibling = make_line("+12065550102")
    jane.texts(sibling, "START")
    write(ann, line)
    jane.texts(line, "NO")
    assert standing(line) == ("opted_out", "rejected")
    assert standing(sibling)[0] == "opted_in"


def test_no_after_the_request_has_closed_is_an_ordinary_text(
    line: Line, jane: Phone, clock: Clock, expired: OptInRequest
) -> None:
    jane.texts(line, "NO")
    assert standing(line) == ("pending", "sent")
    assert jane.news() == ["request_theirs"]


def test_yes_after_no_does_not_lead_back(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    write(ann, line)
    jane.texts(line, "NO")
    jane.news()
    clock.passes(minutes=1)
    jane.texts(line, "YES")
    assert standing(line) == ("opted_out", "rejected")
    assert jane.news() == []


def test_yes_before_the_request_has_left_is_an_ordinary_text(line: Line, ann: User, jane: Phone) -> None:
    """Nobody can have read a request that waits in the queue."""
    outbound.submit(line=line, to=JANE, body="hello", author=ann)
    text_in(JANE, line, "YES")
    inbound.settle_number(JANE)
    assert standing(line)[0] != "opted_in"


def test_start_withdraws_a_request_that_has_not_left(line: Line, ann: User, jane: Phone) -> None:
    outbound.submit(line=line, to=JANE, body="hello", author=ann)
    text_in(JANE, line, "START")
    inbound.settle_number(JANE)
    work()
    assert jane.news() == ["opt_in_confirmation", "ordinary"], "no question that has answered itself"
    assert standing(line)[0] == "opted_in"


@pytest.mark.parametrize("word", ["START", "YES"])
def test_a_request_turned_away_while_they_opted_in_is_cancelled(
    line: Line, ann: User, jane: Phone, clock: Clock, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """The provider was busy, so it would be tried again; but its question has answered itself meanwhile."""

    def busy_while_they_text(**fields: str) -> str:
        monkeypatch.setattr("messaging.provider.send", jane.provider.send)
        text_in(JANE, line, word)
        inbound.settle_number(JANE)
        raise ProviderError("20429", "slow down", permanent=False, may_have_left=False)

    monkeypatch.setattr("messaging.provider.send", busy_while_they_text)
    write(ann, line)
    clock.passes(seconds=5)
    work()
    assert jane.news() == ["opt_in_confirmation", "ordinary"]
    assert Message.objects.get(purpose="request_ours").status == "cancelled"
    assert standing(line)[0] == "opted_in"


def test_a_request_given_back_after_they_opted_in_is_cancelled(line: Line, ann: User, jane: Phone) -> None:
    text = outbound.submit(line=line, to=JANE, body="hello", author=ann)
    claimed = outbound.claim(text.conversation_id)
    assert claimed
    text_in(JANE, line, "START")
    inbound.settle_number(JANE)
    outbound.give_back(claimed.message)
    work()
    assert jane.news() == ["opt_in_confirmation", "ordinary"]
    assert Message.objects.get(purpose="request_ours").status == "cancelled"


def test_yes_twice_is_confirmed_once(line: Line, ann: User, jane: Phone) -> None:
    write(ann, line)
    jane.texts(line, "YES")
    jane.news()
    jane.texts(line, "YES")
    assert jane.news() == []
    assert standing(line) == ("opted_in", "accepted")


def test_the_wording_says_what_level_a_yes_gives(line: Line, ann: User, jane: Phone) -> None:
    Template.objects.get(kind="request_ours", line=None).say("{agent_name}: sign? YES or STOP", level="written")
    write(ann, line)
    jane.texts(line, "YES")
    assert line.consents.get().level == "written"
