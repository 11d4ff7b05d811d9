"""Where law caps how many texts a contact gets, what is more waits and leaves by itself (PRODUCT "The gate":
contact_cap)."""

import pytest

from consent.models import Contact, ContactCap, Line, User
from consent.vocabulary import Category
from messaging import outbound, timing
from messaging.provider import ProviderError
from tests.fake_provider import FakeProvider
from tests.make import JANE, make_agent, make_line, make_opted_in
from tests.world import Clock, Phone, sweep, work, write

FLORIDA = "+13055550142"


@pytest.fixture
def care(clock: Clock) -> Line:
    """It is noon for a contact in Florida, where three texts in 24 hours are as many as the law allows."""
    clock.passes(hours=5)
    line = make_line(name="Care", quiet_hours=True)
    make_opted_in(line, FLORIDA)
    return line


@pytest.fixture
def ben(care: Line) -> User:
    return make_agent(care, name="ben")


def test_the_fourth_text_waits_until_a_day_after_the_first(
    care: Line, ben: User, provider: FakeProvider, clock: Clock
) -> None:
    for _ in range(3):
        assert write(ben, care, to=FLORIDA).status == "sent"
        clock.passes(minutes=10)
    fourth = write(ben, care, "four", to=FLORIDA)
    assert (fourth.status, fourth.reason) == ("deferred", "contact_cap")
    assert fourth.reason_text == (
        "This contact has had as many texts in 24 hours as the law allows. "
        "It leaves at 12:00 where the contact is (America/New_York), unless they opt out."
    )
    clock.passes(hours=23, minutes=29)
    sweep()
    assert len(provider.sent) == 3
    clock.passes(minutes=1)
    sweep()
    assert len(provider.sent) == 4
    clock.passes(minutes=9)
    assert write(ben, care, "five", to=FLORIDA).reason == "contact_cap", "the second one is not a day old"


def test_texts_that_wait_together_pass_the_cap_one_by_one(
    care: Line, ben: User, provider: FakeProvider, clock: Clock
) -> None:
    for number in range(5):
        outbound.submit(line=care, to=FLORIDA, body=str(number), author=ben)
    work()
    assert len(provider.sent) == 3
    clock.passes(hours=24)
    sweep()
    assert len(provider.sent) == 5


def test_a_cap_that_comes_later_lets_through_as_soon_as_it_may(
    care: Line, ben: User, provider: FakeProvider, clock: Clock
) -> None:
    ContactCap.objects.update(texts=5)
    for _ in range(5):
        write(ben, care, to=FLORIDA)
        clock.passes(minutes=10)
    ContactCap.objects.update(texts=3)
    timing.forget_rules()
    text = write(ben, care, to=FLORIDA)
    assert text.status == "deferred" and "It leaves at 12:20 where the contact is" in text.reason_text
    clock.passes(hours=23, minutes=29)
    sweep()
    assert len(provider.sent) == 5, "three are less than a day old"
    clock.passes(minutes=1)
    sweep()
    assert len(provider.sent) == 6


def test_a_stop_cancels_what_the_cap_holds_back(care: Line, ben: User, provider: FakeProvider, clock: Clock) -> None:
    texts = [write(ben, care, to=FLORIDA) for _ in range(4)]
    Phone(provider, FLORIDA).texts(care, "STOP")
    texts[3].refresh_from_db()
    assert texts[3].status == "cancelled"
    assert len(provider.sent) == 4, "the confirmation passes the cap"


def test_the_cap_counts_over_all_lines(care: Line, ben: User, provider: FakeProvider) -> None:
    other = make_line("+12065550101")
    make_opted_in(other, FLORIDA)
    ben.lines.add(other)
    for line in (care, other, care):
        assert write(ben, line, to=FLORIDA).status == "sent"
    assert write(ben, other, to=FLORIDA).reason == "contact_cap"


def test_it_counts_what_was_asked_and_said_by_itself_but_no_help_and_no_stop(
    clock: Clock, provider: FakeProvider
) -> None:
    clock.passes(hours=5)
    line, phone = make_line(), Phone(provider, FLORIDA)
    ben = make_agent(line)
    write(ben, line, to=FLORIDA)
    for words in ("HELP", "STOP", "START"):
        phone.texts(line, words)
    assert phone.news() == ["request_ours", "help_reply", "opt_out_confirmation", "opt_in_confirmation"]
    assert write(ben, line, to=FLORIDA).status == "sent"
    assert write(ben, line, to=FLORIDA).reason == "contact_cap"


def test_an_unknown_fate_counts_and_a_refusal_does_not(care: Line, ben: User, provider: FakeProvider) -> None:
    provider.errors = [
        ProviderError("30007", "filtered", permanent=True, may_have_left=False),
        ProviderError("", "no answer", permanent=False, may_have_left=True),
    ]
    assert [write(ben, care, to=FLORIDA).status for _ in range(2)] == ["failed", "unknown"]
    assert [write(ben, care, to=FLORIDA).status for _ in range(3)] == ["sent", "sent", "deferred"]


def test_other_contacts_and_other_states_are_not_concerned(care: Line, ben: User, provider: FakeProvider) -> None:
    for number in (FLORIDA, "+14075550142", JANE):
        make_opted_in(care, number)
    for _ in range(3):
        assert write(ben, care, to=FLORIDA).status == "sent"
    assert write(ben, care, to="+14075550142").status == "sent"
    assert [write(ben, care, to=JANE).status for _ in range(4)] == ["sent"] * 4


def test_a_contact_who_moved_to_florida_is_capped(care: Line, ben: User, provider: FakeProvider) -> None:
    make_opted_in(care, JANE)
    Contact.objects.filter(number=JANE).update(postal_code="33101")
    assert [write(ben, care, to=JANE).status for _ in range(4)] == ["sent"] * 3 + ["deferred"]


def test_a_cap_on_marketing_counts_marketing(care: Line, ben: User, provider: FakeProvider) -> None:
    ContactCap.objects.update(applies_to="marketing", texts=1)
    timing.forget_rules()
    offers = make_line("+12065550101", category=Category.MARKETING)
    make_opted_in(offers, FLORIDA)
    ben.lines.add(offers)
    assert [write(ben, care, to=FLORIDA).status for _ in range(2)] == ["sent", "sent"]
    assert [write(ben, offers, to=FLORIDA).status for _ in range(2)] == ["sent", "deferred"]
    assert write(ben, care, to=FLORIDA).status == "sent"


def test_a_cap_of_other_hours_says_so(care: Line, ben: User, provider: FakeProvider) -> None:
    ContactCap.objects.update(texts=1, hours=48)
    timing.forget_rules()
    write(ben, care, to=FLORIDA)
    text = write(ben, care, to=FLORIDA)
    assert text.reason_text == (
        "This contact has had as many texts in 48 hours as the law allows. It leaves on Thursday, 3 December at 12:00 "
        "where the contact is (America/New_York), unless they opt out."
    )


@pytest.mark.parametrize("dates", [{"valid_from": "2026-12-02"}, {"valid_to": "2026-11-30"}])
def test_a_cap_holds_on_its_days(care: Line, ben: User, provider: FakeProvider, dates: dict[str, str]) -> None:
    ContactCap.objects.update(**dates)
    timing.forget_rules()
    assert [write(ben, care, to=FLORIDA).status for _ in range(4)] == ["sent"] * 4
