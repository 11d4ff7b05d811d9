"""Consent that has ended, or is too low for its line: asked again, never for ever (PRODUCT "The gate")."""

import datetime as dt

import pytest
from django.utils import timezone

from consent.ledger import ConsentError
from consent.models import Consent, LedgerEntry, Line, User
from consent.vocabulary import Channel, Level, Status
from messaging import capture, doctor
from messaging.models import Message, Template
from messaging.wordings import Kind
from tests.make import JANE, make_agent, make_line, make_officer, make_opted_in
from tests.world import Clock, Phone, notices_seen, standing, sweep, work, write

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("jane")]

CANADIAN = "+14165550123"


@pytest.fixture
def line(clock: Clock) -> Line:
    return make_line(name="Orders")


@pytest.fixture
def strict(clock: Clock) -> Line:
    """A line that needs more than a START gives."""
    return make_line("+12065550101", name="Offers", required_level=Level.WRITTEN)


@pytest.fixture
def ann(line: Line, strict: Line) -> User:
    return make_agent(line, strict, shown_name="Ann")


def let_a_yes_give(level: Level) -> None:
    template = Template.objects.get(kind=Kind.REQUEST_OURS, line=None, language="en")
    template.say(template.current.body + " Consent is not a condition of purchase.", level=level)


def by_hand(line: Line, *, number: str = JANE, level: Level = Level.EXPRESS, days: float | None = None) -> Consent:
    state = capture.record_consent(
        number,
        line,
        channel=Channel.AGENT,
        evidence={"words": "fine with me"},
        occurred_at=timezone.now(),
        by=make_officer(),
        level=level,
        double=False,
        until=None if days is None else timezone.now() + dt.timedelta(days=days),
    )
    work()
    return state


@pytest.mark.parametrize("lacks", ["consent_expired", "level_too_low"])
def test_they_are_asked_first_and_a_yes_lets_the_text_go(
    line: Line, ann: User, jane: Phone, clock: Clock, lacks: str
) -> None:
    by_hand(line, level=Level.EXPRESS if lacks == "consent_expired" else Level.IMPLIED, days=3)
    clock.passes(days=4 if lacks == "consent_expired" else 1)
    jane.news()
    text = write(ann, line)
    assert (text.status, text.reason) == ("held", lacks)
    assert jane.news() == ["request_ours"]
    assert standing(line) == ("opted_in", "sent")
    assert write(ann, line, "And another").status == "held"
    assert jane.news() == [], "no second request"
    jane.texts(line, "YES")
    assert jane.news() == ["opt_in_confirmation", "ordinary", "ordinary"]
    assert standing(line) == ("opted_in", "accepted")
    state = Consent.objects.get()
    assert (state.level, state.until) == (Level.EXPRESS, None)


def test_no_answer_leaves_everything_as_it_was(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    by_hand(line, level=Level.IMPLIED)
    text = write(ann, line)
    clock.passes(days=8)
    sweep()
    text.refresh_from_db()
    assert text.status == "cancelled"
    assert standing(line) == ("opted_in", "expired")
    assert Consent.objects.get().level == Level.IMPLIED


def test_no_opts_out(line: Line, ann: User, jane: Phone) -> None:
    by_hand(line, level=Level.IMPLIED)
    write(ann, line)
    jane.texts(line, "NO")
    assert standing(line) == ("opted_out", "rejected")


def test_a_start_is_enough_where_express_consent_is(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    by_hand(line, days=3)
    clock.passes(days=4)
    jane.news()
    jane.texts(line, "START")
    assert jane.news() == ["opt_in_confirmation"], "they are told that they are in again"
    assert write(ann, line).status == "sent"


def test_written_consent_is_asked_for_where_the_line_needs_it(strict: Line, ann: User, jane: Phone) -> None:
    let_a_yes_give(Level.WRITTEN)
    jane.texts(strict, "START")
    assert jane.news() == ["opt_in_confirmation"]
    assert write(ann, strict).status == "held"
    jane.texts(strict, "YES")
    assert jane.news() == ["request_ours", "opt_in_confirmation", "ordinary"]
    assert Consent.objects.get().level == Level.WRITTEN


def test_who_agreed_is_not_asked_with_words_that_can_not_help(strict: Line, ann: User, jane: Phone) -> None:
    jane.texts(strict, "START")
    jane.news()
    text = write(ann, strict)
    assert (text.status, text.reason) == ("refused", "level_too_low")
    assert "needs written consent" in text.reason_text
    assert jane.news() == []
    with pytest.raises(ConsentError, match="no more than express"):
        capture.ask(JANE, strict, by=ann, basis="They asked us to")


def test_a_yes_to_words_that_can_not_help_ends_the_asking(strict: Line, ann: User, jane: Phone, clock: Clock) -> None:
    """Nobody asked a first time knows it yet; but after the YES there is no second time, however often we write."""
    text = write(ann, strict)
    jane.texts(strict, "YES")
    text.refresh_from_db()
    assert (text.status, text.reason) == ("refused", "level_too_low")
    for _ in range(4):
        clock.passes(days=31)
        assert write(ann, strict).status == "refused"
    assert jane.news().count("request_ours") == 1


def test_the_limits_hold_for_asking_again(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    by_hand(line, level=Level.IMPLIED)
    for _ in range(3):
        text = write(ann, line)
        clock.passes(days=8)
        sweep()
    text.refresh_from_db()
    assert (text.status, text.reason) == ("refused", "request_limit")
    assert "firmer consent" in text.reason_text
    assert jane.news().count("request_ours") == 2


def test_on_a_disclaimer_line_consent_that_ended_is_no_hindrance(ann: User, jane: Phone, clock: Clock) -> None:
    told = make_line("+12065550102", mode="disclaimer")
    by_hand(told, days=3)
    clock.passes(days=4)
    jane.news()
    assert write(ann, told).status == "sent"
    assert jane.news() == ["disclaimer_ours", "ordinary"]


# ---- the sweep ------------------------------------------------------------------------------------------------------


def test_people_are_told_once_that_consent_ended(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    by_hand(line, days=3)
    write(ann, line)
    clock.passes(days=4)
    jane.news()
    for _ in range(2):
        sweep()
    assert notices_seen(ann, line).count("consent_ended") == 1
    assert LedgerEntry.objects.filter(kind="consent_ended").count() == 1
    assert jane.news() == []
    assert standing(line)[0] == Status.OPTED_IN


# ---- recorded by hand -----------------------------------------------------------------------------------------------


def test_consent_that_is_over_is_not_recorded(line: Line) -> None:
    with pytest.raises(ConsentError, match="ended on"):
        by_hand(line, days=-1)


def test_implied_consent_ends_as_the_country_says(line: Line, clock: Clock) -> None:
    by_hand(line, number=CANADIAN, level=Level.IMPLIED)
    state = Consent.objects.get()
    assert state.until and state.until.date() == dt.date(2027, 6, 1)
    with pytest.raises(ConsentError, match="01 December 2028 at the latest"):
        by_hand(line, number="+14165550124", level=Level.IMPLIED, days=800)


@pytest.mark.parametrize("level", [Level.IMPLIED, Level.WRITTEN])
def test_a_yes_confirms_what_was_given_with_its_end(line: Line, jane: Phone, clock: Clock, level: Level) -> None:
    """Or gives more than that: a YES to our words is express consent of its own."""
    until = timezone.now() + dt.timedelta(days=90)
    evidence = {"words": "fine with me"}
    now = timezone.now()
    capture.record_consent(
        JANE, line, channel=Channel.AGENT, evidence=evidence, occurred_at=now, level=level, until=until
    )
    work()
    jane.texts(line, "YES")
    state = Consent.objects.get()
    firmer = (Level.WRITTEN, until)
    assert (state.level, state.until) == (firmer if level == Level.WRITTEN else (Level.EXPRESS, None))


def test_a_lasting_consent_needs_nothing(line: Line, ann: User, jane: Phone) -> None:
    make_opted_in(line)
    assert write(ann, line).status == "sent"
    assert Message.objects.filter(purpose="request_ours").count() == 0


# ---- lines on which no yes is enough --------------------------------------------------------------------------------


def test_officers_are_told_where_a_yes_can_not_be_enough(line: Line, strict: Line) -> None:
    [finding] = doctor.requests_give_enough()
    assert "Offers needs written consent" in finding.words
    let_a_yes_give(Level.WRITTEN)
    assert list(doctor.requests_give_enough()) == []
    own = Template.objects.create(kind=Kind.REQUEST_OURS, line=strict)
    own.say("{company_name}: {accept_word}? STOP, HELP", level=Level.EXPRESS)
    assert len(list(doctor.requests_give_enough())) == 1, "a line's own wording goes first"
