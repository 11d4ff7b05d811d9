"""Lines whose opt-outs the provider answers: toll-free always, others where set (PRODUCT "Rules around the flows")."""

import pytest
from django.core.exceptions import ValidationError

from consent.models import Contact, LedgerEntry, Line
from messaging import capture
from messaging.api import check
from messaging.keywords import normalise
from messaging.models import KeywordResponder
from tests.make import JANE, make_agent, make_line, make_officer, make_opted_in, make_toll_free
from tests.world import Clock, Phone, notices_seen, standing, texts_seen, write

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["toll-free", "long code"])
def line(request: pytest.FixtureRequest) -> Line:
    if request.param == "toll-free":
        return make_toll_free()
    return make_line(opt_outs_answered_by_provider=True)


def test_a_toll_free_line_cannot_answer_opt_outs_itself() -> None:
    with pytest.raises(ValidationError, match="toll-free"):
        make_line("+18005550199", opt_outs_answered_by_provider=False)


def test_stop_is_not_confirmed_by_us(line: Line, jane: Phone) -> None:
    ann = make_agent(line)
    jane.texts(line, "STOP")
    assert jane.news() == []
    assert standing(line)[0] == "opted_out"
    assert sorted(notices_seen(ann, line)) == ["network_answered", "opted_out"]


def test_no_way_back_is_shown(jane: Phone, clock: Clock) -> None:
    line = make_toll_free(mode="disclaimer")
    jane.texts(line, "STOP")
    clock.passes(days=2)
    jane.texts(line, "hello?")
    assert jane.news() == []
    assert texts_seen(make_agent(line), line) == [("hello?", "received")]


def test_who_comes_back_is_not_asked_where_it_cannot_reach_them(line: Line, jane: Phone, clock: Clock) -> None:
    jane.texts(line, "STOP")
    clock.passes(days=2)
    jane.texts(line, "hello?")
    assert jane.news() == []


@pytest.mark.parametrize("word", ["BASTA", "enough now"])
def test_an_opt_out_word_of_our_own_is_confirmed_by_us(line: Line, jane: Phone, word: str) -> None:
    """Twilio does not know it, so it neither answers nor blocks."""
    KeywordResponder.objects.create(keyword=normalise(word), action="opt_out")
    make_opted_in(line)
    jane.texts(line, word)
    assert standing(line)[0] == "opted_out"
    assert jane.news() == ["opt_out_confirmation"]
    assert not line.consents.get().blocked_at_provider
    assert notices_seen(make_agent(line), line) == ["opted_out"]


def test_no_to_a_request_is_confirmed_by_us(line: Line, jane: Phone) -> None:
    write(make_agent(line), line)
    jane.news()
    jane.texts(line, "NO")
    assert standing(line) == ("opted_out", "rejected")
    assert jane.news() == ["opt_out_confirmation"]
    assert not line.consents.get().blocked_at_provider


def test_the_wording_says_start(line: Line, jane: Phone) -> None:
    write(make_agent(line), line)
    assert "START" in jane.last_words() and "YES" not in jane.last_words()
    jane.texts(line, "START")
    assert standing(line) == ("opted_in", "accepted")


def test_other_lines_say_yes(jane: Phone) -> None:
    line = make_line()
    write(make_agent(line), line)
    assert "YES" in jane.last_words() and "START" not in jane.last_words()


def test_start_lifts_the_block(line: Line, jane: Phone) -> None:
    jane.texts(line, "STOP")
    assert line.consents.get().blocked_at_provider
    jane.texts(line, "START")
    assert not line.consents.get().blocked_at_provider
    assert standing(line)[0] == "opted_in"
    assert write(make_agent(line), line).status == "sent"


def test_opted_in_by_another_route_but_blocked(line: Line, jane: Phone, clock: Clock) -> None:
    jane.texts(line, "STOP")
    clock.passes(minutes=1)
    contact = Contact.objects.lock(JANE)
    capture.lift_opt_out(contact, line, by=make_officer(), reason="they asked", evidence={"letter": "7"})
    assert standing(line)[0] == "opted_in"
    assert line.consents.get().blocked_at_provider
    decision = check(line, JANE)
    assert decision.verdict == "refuse"
    assert "START" in decision.text and "provider" in decision.text
    assert write(make_agent(line), line).status == "refused"
    assert jane.news() == []
    jane.texts(line, "START")
    assert check(line, JANE).verdict == "send"


def test_a_stop_here_reaches_lines_that_answer_themselves(line: Line, jane: Phone) -> None:
    other = make_line("+12065550105")
    jane.texts(line, "STOP")
    assert standing(other)[0] == "opted_out"
    assert not other.consents.get().blocked_at_provider
    assert jane.news() == []


# ---- OptOutType: Twilio says what it read and answered --------------------------------------------------------------


def test_opt_out_type_stop(jane: Phone) -> None:
    line = make_line()
    ann = make_agent(line)
    jane.texts(line, "please leave me alone", OptOutType="STOP")
    assert standing(line)[0] == "opted_out"
    assert jane.news() == [], "the network has answered"
    assert "network_answered" in notices_seen(ann, line)
    assert LedgerEntry.objects.get().channel == "provider"
    assert line.consents.get().source == "provider"


def test_opt_out_type_start(jane: Phone) -> None:
    line = make_line()
    jane.texts(line, "STOP", OptOutType="STOP")
    jane.texts(line, "START", OptOutType="START")
    assert standing(line)[0] == "opted_in"
    assert not line.consents.get().blocked_at_provider
    assert jane.news() == []


def test_opt_out_type_help(jane: Phone) -> None:
    line = make_line()
    ann = make_agent(line)
    jane.texts(line, "HELP", OptOutType="HELP")
    assert jane.news() == []
    assert notices_seen(ann, line) == ["network_answered"]
    assert texts_seen(ann, line) == [("HELP", "received")]


@pytest.mark.parametrize("answered", ["HELP", "START"])
@pytest.mark.parametrize("words", ["STOP", "End.", "unsubscribe"])
def test_no_opt_out_type_turns_a_stop_around(jane: Phone, answered: str, words: str) -> None:
    """Words can be set to anything at Twilio; what law reads as a revocation stays one (47 CFR 64.1200(a)(10))."""
    line = make_line()
    make_opted_in(line)
    jane.texts(line, words, OptOutType=answered)
    assert standing(line)[0] == "opted_out"


@pytest.mark.parametrize("words", ["STOPALL", "stop all"])
def test_stopall_means_every_line_whoever_answered_it(jane: Phone, words: str) -> None:
    line, far = make_line(), make_line("+12065550106", category="informational")
    jane.texts(line, words, OptOutType="STOP")
    assert standing(line)[0] == "opted_out"
    assert standing(far)[0] == "opted_out"


def test_an_unknown_opt_out_type_is_read_over(jane: Phone) -> None:
    line = make_line()
    jane.texts(line, "STOP", OptOutType="PAUSE")
    assert standing(line)[0] == "opted_out"
    assert jane.news() == ["opt_out_confirmation"]
