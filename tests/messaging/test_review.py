"""Texts that may be a revocation suspend sending until a person decides, at the latest on the tenth business day."""

import datetime as dt

import pytest
from django.utils import timezone

from consent import holidays
from consent.ledger import ConsentError
from consent.models import Consent, Holiday, LedgerEntry, Line, User
from consent.verification import verify
from messaging import outbound, review
from messaging.models import Message, Receipt, Review
from messaging.models.message import MessageStatus
from messaging.models.review import Doubt, Outcome
from messaging.reading import RULES_VERSION
from tests.make import JANE, make_agent, make_line, make_officer, make_opted_in
from tests.world import Clock, Phone, notices_seen, standing, sweep, text_in, texts_seen, work, write

pytestmark = pytest.mark.django_db

DOUBTFUL = "wrong number"
TUESDAY = dt.date(2026, 12, 1)  # the day of these stories; no federal holiday until the 25th


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


@pytest.fixture
def officer() -> User:
    return make_officer()


def the_review() -> Review:
    return Review.objects.get()


# ---- what a doubtful text does --------------------------------------------------------------------------------------


def test_it_suspends_sending_and_tells_the_agents(line: Line, ann: User, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    assert Consent.objects.get(line=line).review_since
    assert notices_seen(ann, line) == ["under_review"]
    assert texts_seen(ann, line) == [(DOUBTFUL, "received")]
    text = write(ann, line)
    assert (text.status, text.reason) == ("held", "under_review")
    assert jane.news() == []
    assert (the_review().doubt, the_review().outcome) == (Doubt.REVOCATION, Outcome.OPEN)


def test_a_text_that_waits_in_the_queue_is_held_too(line: Line, ann: User, jane: Phone) -> None:
    make_opted_in(line)
    queued = outbound.submit(line=line, to=JANE, body="Your order is ready", author=ann)
    jane.texts(line, DOUBTFUL)
    queued.refresh_from_db()
    assert (queued.status, queued.reason) == ("held", "under_review")
    assert jane.news() == []


def test_decision_rule_and_version_are_kept_with_every_text(line: Line, jane: Phone) -> None:
    for body in [DOUBTFUL, "STOP", "see you at five"]:
        jane.texts(line, body)
    kept = list(Message.objects.filter(direction="in").order_by("pk").values_list("meaning", "rule", "rules_version"))
    assert [meaning for meaning, _, _ in kept] == ["review", "opt_out", "conversation"]
    assert all(rule and version == RULES_VERSION for _, rule, version in kept)


@pytest.mark.parametrize("mode", ["consent", "disclaimer"])
def test_somebody_unknown_is_neither_asked_nor_told(mode: str, ann: User, jane: Phone) -> None:
    line = make_line("+12065550101", mode=mode)
    jane.texts(line, DOUBTFUL)
    assert jane.news() == []
    assert standing(line) == ("not_defined", "not_sent")
    jane.texts(line, "hello?")
    assert jane.news() == []


def test_a_second_doubtful_text_belongs_to_the_first(line: Line, ann: User, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    jane.texts(line, "you have the wrong person")
    assert Review.objects.count() == 1
    assert notices_seen(ann, line) == ["under_review"]


def test_who_is_out_already_is_not_reviewed_nor_asked(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    make_opted_in(line)
    jane.texts(line, "STOP")
    jane.news()
    clock.passes(days=2)
    jane.texts(line, DOUBTFUL)
    assert jane.news() == []
    assert not Review.objects.exists()


def test_a_reaction_to_our_text_asks_for_nothing(line: Line, ann: User, jane: Phone) -> None:
    jane.texts(line, "Liked “Reply STOP to opt out.”")
    assert jane.news() == []
    assert Message.objects.get(direction="in").meaning == "reaction"
    assert not Review.objects.exists()


def test_help_is_answered_all_the_same(line: Line, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    jane.texts(line, "HELP")
    assert jane.news() == ["help_reply"]


# ---- the contact settles it -----------------------------------------------------------------------------------------


def test_a_stop_settles_it(line: Line, ann: User, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    held = write(ann, line)
    jane.texts(line, "STOP")
    held.refresh_from_db()
    assert (standing(line)[0], held.status) == ("opted_out", "cancelled")
    assert the_review().outcome == Outcome.OVERTAKEN


def test_a_stop_on_another_line_settles_it_where_it_reaches(line: Line, jane: Phone) -> None:
    other = make_line("+12065550101")
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    jane.texts(other, "STOPALL")
    assert the_review().outcome == Outcome.OVERTAKEN


def test_a_start_settles_it_and_lets_the_texts_go(line: Line, ann: User, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    write(ann, line)
    jane.texts(line, "START")
    assert jane.news() == ["ordinary"]
    assert the_review().outcome == Outcome.OVERTAKEN
    assert Consent.objects.get(line=line).review_since is None


def test_one_that_comes_to_light_after_a_later_opt_in_is_not_opened(line: Line, jane: Phone, clock: Clock) -> None:
    before = timezone.now()
    clock.passes(hours=1)
    jane.texts(line, "START")
    text_in(JANE, line, DOUBTFUL, at=before)
    work()
    assert not Review.objects.exists()
    assert Consent.objects.get(line=line).review_since is None


def test_a_start_that_was_written_before_it_does_not_settle_it(
    line: Line, ann: User, jane: Phone, clock: Clock
) -> None:
    """By the times of the texts, not by the order in which they were read."""
    make_opted_in(line)
    clock.passes(hours=1)
    before = timezone.now()
    clock.passes(minutes=1)
    jane.texts(line, DOUBTFUL)
    held = write(ann, line)
    text_in(JANE, line, "START", at=before)
    work()
    held.refresh_from_db()
    assert the_review().outcome == Outcome.OPEN
    assert Consent.objects.get(line=line).review_since
    assert held.status == "held" and "ordinary" not in jane.news()


# ---- an officer decides ---------------------------------------------------------------------------------------------


def test_it_was_an_opt_out(line: Line, ann: User, officer: User, jane: Phone, clock: Clock) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    opened = Receipt.objects.get().at
    held = write(ann, line)
    clock.passes(days=3)
    review.it_was_an_opt_out(the_review(), by=officer, reason="They are tired of us.")
    work()
    held.refresh_from_db()
    assert (standing(line)[0], held.status) == ("opted_out", "cancelled")
    assert jane.news() == []  # a confirmation three days later would break the five minutes
    entry = LedgerEntry.objects.filter(kind="opted_out").get()
    assert (entry.occurred_at, entry.actor) == (opened, officer)
    decided = the_review()
    assert (decided.outcome, decided.decided_by, decided.reason) == ("opt_out", officer, "They are tired of us.")
    assert not list(verify())


def test_within_five_minutes_it_is_confirmed(line: Line, officer: User, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    review.it_was_an_opt_out(the_review(), by=officer, reason="Plain enough.")
    work()
    assert jane.news() == ["opt_out_confirmation"]


def test_it_reaches_as_far_as_any_opt_out(line: Line, officer: User, jane: Phone) -> None:
    other = make_line("+12065550101", category=line.category)
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    review.it_was_an_opt_out(the_review(), by=officer, reason="Plain enough.")
    assert standing(other)[0] == "opted_out"


def test_it_was_no_opt_out_and_the_texts_go_on_in_order(line: Line, ann: User, officer: User, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    bodies = [write(ann, line, body).body for body in ("first", "second")]
    review.it_was_no_opt_out(the_review(), by=officer, reason="They meant the weather.")
    work()
    assert [each.body.partition("\n")[0] for each in jane.provider.sent] == bodies
    assert notices_seen(ann, line) == ["under_review", "review_closed"]
    assert write(ann, line, "third").status == MessageStatus.SENT
    assert [entry.kind for entry in LedgerEntry.objects.order_by("pk")][-2:] == ["review_opened", "review_closed"]


def test_what_goes_on_passes_the_gate_again(line: Line, ann: User, officer: User, jane: Phone) -> None:
    """A contact who was asked and is then under review still has to say yes."""
    held = write(ann, line)
    jane.texts(line, DOUBTFUL)
    later = write(ann, line, "another")
    jane.news()
    review.it_was_no_opt_out(the_review(), by=officer, reason="It was about the traffic.")
    work()
    held.refresh_from_db(), later.refresh_from_db()
    assert [(text.status, text.reason) for text in (held, later)] == [
        ("held", "consent_missing"),
        ("held", "consent_pending"),
    ]
    assert jane.news() == []
    jane.texts(line, "YES")
    assert jane.news() == ["opt_in_confirmation", "ordinary", "ordinary"]


def test_who_was_not_asked_because_of_the_review_is_asked_then(
    line: Line, ann: User, officer: User, jane: Phone
) -> None:
    jane.texts(line, DOUBTFUL)
    assert jane.news() == []
    review.it_was_no_opt_out(the_review(), by=officer, reason="A joke between us.")
    work()
    assert jane.news() == ["request_theirs"]
    jane.texts(line, "YES")
    assert texts_seen(ann, line) == [(DOUBTFUL, "received")]


def test_it_is_decided_once(line: Line, officer: User, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    review.it_was_no_opt_out(the_review(), by=officer, reason="No.")
    with pytest.raises(ConsentError, match="settled already"):
        review.it_was_an_opt_out(the_review(), by=officer, reason="Yes.")
    assert standing(line)[0] == "opted_in"


def test_nobody_decides_about_a_text_they_have_not_read(line: Line, officer: User, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    read = the_review().texts().get()
    jane.texts(line, "you have the wrong person")
    assert [text.body for text in the_review().texts()] == [DOUBTFUL, "you have the wrong person"]
    with pytest.raises(ConsentError, match="wrote again"):
        review.it_was_no_opt_out(the_review(), by=officer, reason="No.", seen=read.pk)
    assert Consent.objects.get(line=line).review_since


# ---- the clock ------------------------------------------------------------------------------------------------------


def test_nobody_decides_and_on_the_last_day_it_is_an_opt_out(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    held = write(ann, line)
    assert the_review().last_day == dt.date(2026, 12, 15)
    clock.passes(days=13)
    sweep()
    assert (standing(line)[0], the_review().outcome) == ("opted_in", Outcome.OPEN)
    clock.passes(days=1)
    sweep()
    held.refresh_from_db()
    assert (standing(line)[0], held.status) == ("opted_out", "cancelled")
    assert the_review().outcome == Outcome.UNDECIDED
    assert LedgerEntry.objects.get(kind="opted_out").actor is None
    assert jane.news() == []
    sweep()
    assert LedgerEntry.objects.filter(kind="opted_out").count() == 1


def test_officers_can_change_which_days_are_holidays(line: Line, jane: Phone) -> None:
    Holiday.objects.create(day=dt.date(2026, 12, 3), name="Closed", country="US", source="us")
    Holiday.objects.create(day=dt.date(2026, 12, 2), name="Elsewhere", country="FR", source="them")
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    assert the_review().last_day == dt.date(2026, 12, 16)


def test_weekends_and_holidays_are_no_business_days() -> None:
    christmas = {dt.date(2026, 12, 25), dt.date(2027, 1, 1)}
    assert holidays.business_days_after(dt.date(2026, 12, 18), 10, christmas) == dt.date(2027, 1, 5)
    assert holidays.business_days_after(dt.date(2026, 12, 19), 1, set()) == dt.date(2026, 12, 21)


def test_days_left_count_down_to_none(line: Line, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    opened = the_review()
    left = [review.days_left(opened, TUESDAY + dt.timedelta(days=day)) for day in range(16)]
    assert left == [10, 9, 8, 7, 7, 7, 6, 5, 4, 3, 2, 2, 2, 1, 0, 0]


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (2026, {"01-01", "01-19", "02-16", "05-25", "06-19", "07-03", "09-07", "10-12", "11-11", "11-26", "12-25"}),
        (2027, {"01-01", "01-18", "02-15", "05-31", "06-18", "07-05", "09-06", "10-11", "11-11", "11-25", "12-24"}),
    ],
)
def test_the_shipped_holidays_are_the_federal_ones(year: int, expected: set[str]) -> None:
    shipped = Holiday.objects.filter(day__year=year, country="US").exclude(day=dt.date(2027, 12, 31))
    assert {f"{holiday.day:%m-%d}" for holiday in shipped} == expected


# ---- what may be an acceptance --------------------------------------------------------------------------------------


def test_a_possible_acceptance_waits_for_a_person_without_a_clock(line: Line, ann: User, jane: Phone) -> None:
    held = write(ann, line)
    jane.news()
    jane.texts(line, "yes please")
    held.refresh_from_db()
    assert (held.status, standing(line)) == ("held", ("pending", "sent"))
    found = the_review()
    assert (found.doubt, found.last_day) == (Doubt.ACCEPTANCE, None)
    assert Consent.objects.get(line=line).review_since is None
    assert jane.news() == []


def test_without_an_open_request_it_is_conversation(line: Line, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, "yes please")
    assert not Review.objects.exists()
    assert Message.objects.get(direction="in").meaning == "conversation"


def test_a_yes_settles_a_possible_acceptance(line: Line, ann: User, jane: Phone) -> None:
    write(ann, line)
    jane.texts(line, "👍")
    jane.texts(line, "YES")
    assert the_review().outcome == Outcome.OVERTAKEN
    assert standing(line) == ("opted_in", "accepted")


def test_an_officer_reads_it_as_a_yes(line: Line, ann: User, officer: User, jane: Phone) -> None:
    write(ann, line)
    jane.news()
    jane.texts(line, "yes please")
    review.they_agreed(the_review(), by=officer, reason="They answered our question.")
    work()
    assert standing(line) == ("opted_in", "accepted")
    assert jane.news() == ["opt_in_confirmation", "ordinary"]
    assert LedgerEntry.objects.get(kind="opted_in").actor == officer
    assert texts_seen(ann, line)[-1] == ("yes please", "received")


def test_not_while_a_later_text_may_be_an_opt_out(line: Line, ann: User, officer: User, jane: Phone) -> None:
    write(ann, line)
    jane.texts(line, "yes please")
    jane.texts(line, DOUBTFUL)
    jane.news()
    with pytest.raises(ConsentError, match="may be an opt-out"):
        review.they_agreed(Review.objects.acceptances().get(), by=officer, reason="They had agreed.")
    work()
    assert jane.news() == []
    assert Consent.objects.get(line=line).review_since


def test_not_longer_than_a_yes_would_count(line: Line, ann: User, officer: User, jane: Phone, clock: Clock) -> None:
    write(ann, line)
    jane.texts(line, "yes please")
    clock.passes(days=7)
    sweep()
    clock.passes(days=31)
    with pytest.raises(ConsentError, match="no longer open"):
        review.they_agreed(the_review(), by=officer, reason="They had agreed.")


def test_not_after_a_stop(line: Line, ann: User, officer: User, jane: Phone) -> None:
    write(ann, line)
    jane.texts(line, "yes please")
    jane.texts(line, "STOP")
    with pytest.raises(ConsentError):
        review.they_agreed(the_review(), by=officer, reason="They had agreed.")
    assert standing(line)[0] == "opted_out"


def test_an_officer_reads_it_as_something_else(line: Line, ann: User, officer: User, jane: Phone) -> None:
    write(ann, line)
    jane.texts(line, "👍")
    review.they_did_not_agree(the_review(), by=officer, reason="It was about the weather.")
    assert standing(line) == ("pending", "sent")
    jane.texts(line, "YES")
    assert standing(line) == ("opted_in", "accepted")
