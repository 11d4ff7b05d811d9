"""When an ordinary text ends with the footer: the line's frequency, the contact's country, what really left before."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from consent.models import Line, User
from consent.vocabulary import FooterFrequency
from messaging import outbound
from messaging.footer import PAUSE, Said, is_due
from messaging.models import FooterCountry, Message, Template
from messaging.provider import ProviderError
from tests.fake_provider import FakeProvider
from tests.make import JANE, make_agent, make_line, make_officer, make_opted_in
from tests.world import Clock, Phone, callback, write

FOOTER = "\nReply STOP to opt out."
PARIS = "+33612345678"


@pytest.fixture
def line(clock: Clock) -> Line:
    line = make_line()
    make_opted_in(line)
    make_opted_in(line, PARIS)
    return line


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


def set_frequency(line: Line, frequency: str, days: int | None = None) -> None:
    Line.objects.filter(pk=line.pk).update(footer_frequency=frequency, footer_days=days)


def has_footer(message: Message) -> bool:
    """The words and the version say the same."""
    ends = message.sent_body.endswith(FOOTER)
    assert ends == (message.wording is not None), message.sent_body
    return ends


def test_every_text(line: Line, ann: User, jane: Phone) -> None:
    assert [has_footer(write(ann, line, str(number))) for number in range(3)] == [True] * 3


def test_never(line: Line, ann: User, jane: Phone) -> None:
    set_frequency(line, "never")
    assert not has_footer(write(ann, line))


def test_the_first_of_a_conversation(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    set_frequency(line, "first")
    assert [has_footer(write(ann, line, str(number))) for number in range(3)] == [True, False, False]
    clock.passes(hours=23)
    jane.texts(line, "When will it be ready?")
    clock.passes(hours=23)
    assert not has_footer(write(ann, line, "Soon")), "it goes on"
    clock.passes(hours=24)
    assert has_footer(write(ann, line, "Now")), "nobody texted for a day, so it begins anew"
    clock.passes(hours=30)
    jane.texts(line, "Thanks")
    assert has_footer(write(ann, line, "Welcome")), "it began anew with the contact's text"


def test_once_in_days(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    set_frequency(line, "days", 30)
    assert [has_footer(write(ann, line, str(number))) for number in range(2)] == [True, False]
    clock.passes(days=29)
    assert not has_footer(write(ann, line, "29 days"))
    clock.passes(days=1, minutes=1)
    assert has_footer(write(ann, line, "30 days"))
    assert not has_footer(write(ann, line, "again"))


def test_each_line_and_contact_has_its_own_count(line: Line, ann: User, jane: Phone) -> None:
    set_frequency(line, "days", 30)
    other = make_line("+12065550101", footer_frequency="days", footer_days=30)
    make_opted_in(other)
    make_opted_in(line, "+12065550177")
    assert has_footer(write(ann, line))
    assert has_footer(write(make_agent(other), other))
    assert has_footer(write(ann, line, to="+12065550177"))


def test_a_text_that_tells_how_to_stop_counts(line: Line, ann: User, jane: Phone) -> None:
    set_frequency(line, "first")
    assert not has_footer(write(ann, line, "Ready. Reply STOP to end."))
    assert not has_footer(write(ann, line, "Anything else?"))


def test_an_automatic_text_that_tells_how_to_stop_counts(jane: Phone) -> None:
    line = make_line(footer_frequency="first")
    jane.texts(line, "START")
    assert not has_footer(write(make_agent(line), line))


def test_a_footer_in_other_words_counts(line: Line, ann: User, jane: Phone) -> None:
    set_frequency(line, "first")
    Template.objects.get(kind="footer", line=None).say("Had enough? Say so.")
    assert write(ann, line, "one").sent_body == "one\nHad enough? Say so."
    assert write(ann, line, "two").sent_body == "two"


@pytest.mark.parametrize("status", ["undelivered", "failed"])
def test_a_footer_that_never_arrived_told_nobody(status: str, line: Line, ann: User, jane: Phone) -> None:
    set_frequency(line, "days", 30)
    first = write(ann, line, "one")
    callback(first, status, "30008")
    assert has_footer(write(ann, line, "two"))
    assert not has_footer(write(ann, line, "three"))


def test_a_footer_that_may_have_arrived_counts(line: Line, ann: User, jane: Phone, provider: FakeProvider) -> None:
    set_frequency(line, "first")
    provider.errors.append(ProviderError("", "No answer", permanent=False, may_have_left=True))
    first = write(ann, line, "one")
    assert first.status == "unknown" and has_footer(first)
    assert not has_footer(write(ann, line, "two"))


def test_a_refused_text_told_nobody(line: Line, ann: User, jane: Phone, provider: FakeProvider) -> None:
    set_frequency(line, "first")
    provider.errors.append(ProviderError("30007", "Filtered", permanent=True, may_have_left=False))
    assert write(ann, line, "one").status == "failed"
    assert has_footer(write(ann, line, "two"))


def test_it_is_decided_when_the_text_leaves(line: Line, ann: User, jane: Phone) -> None:
    set_frequency(line, "never")
    message = outbound.submit(line=line, to=JANE, body="Hello", author=ann)
    set_frequency(line, "every")
    outbound.send_conversation(message.conversation_id)
    message.refresh_from_db()
    assert has_footer(message)


# ---- countries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", ["first", "days", "never"])
def test_where_the_country_demands_it_always(frequency: str, line: Line, ann: User, jane: Phone) -> None:
    set_frequency(line, frequency, 30)
    texts = [write(ann, line, str(number), to=PARIS) for number in range(2)]
    assert [has_footer(text) for text in texts] == [True, True]
    assert not has_footer(write(ann, line, "Répondez STOP pour arrêter", to=PARIS)), "it tells so itself"
    FooterCountry.objects.filter(country="FR").delete()
    assert not has_footer(write(ann, line, "three", to=PARIS))


def test_a_country_is_a_country(db: None) -> None:
    FooterCountry(country="nz", reason="x", source="y", as_of=dt.date(2026, 11, 1)).full_clean()
    for wrong in ("XX", "F", "11"):
        with pytest.raises(ValidationError):
            FooterCountry(country=wrong, reason="x", source="y", as_of=dt.date(2026, 11, 1)).full_clean()


def test_officers_keep_the_list_of_countries(db: None, client: Client) -> None:
    client.force_login(make_officer())
    fields = {"country": "nz", "reason": "Unsubscribe needed", "source": "Act", "as_of": "2026-11-01"}
    assert client.post(reverse("admin:messaging_footercountry_add"), fields).status_code == 302
    assert FooterCountry.objects.filter(country="NZ").exists()


# ---- length ---------------------------------------------------------------------------------------------------------


def test_a_text_must_have_room_for_the_footer_whatever_the_frequency(line: Line, ann: User, jane: Phone) -> None:
    set_frequency(line, "never")
    outbound.submit(line=line, to=JANE, body="x" * (1600 - len(FOOTER)), author=ann)
    with pytest.raises(outbound.TextError, match="footer"):
        outbound.submit(line=line, to=JANE, body="x" * (1601 - len(FOOTER)), author=ann)


# ---- the line's form ------------------------------------------------------------------------------------------------


def test_officers_choose_on_the_line(line: Line, client: Client) -> None:
    client.force_login(make_officer())
    shown = client.get(reverse("admin:consent_line_change", args=[line.pk])).content.decode()
    for name in ("language", "footer_frequency", "footer_days"):
        assert f'name="{name}"' in shown
    assert "begins anew" in shown


# ---- the rule alone -------------------------------------------------------------------------------------------------

NOW = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)
SAID = st.lists(st.tuples(st.integers(0, 60 * 24 * 9), st.booleans()), max_size=8).map(
    lambda rows: [Said(NOW - dt.timedelta(minutes=minutes), told) for minutes, told in sorted(rows)]
)


@given(SAID)
def test_the_constant_ones(said: list[Said]) -> None:
    assert is_due(FooterFrequency.EVERY, None, said, NOW)
    assert not is_due(FooterFrequency.NEVER, None, said, NOW)


@given(SAID, st.integers(1, 7))
def test_at_most_once_in_days(said: list[Said], days: int) -> None:
    recently = [each for each in said if each.told and NOW - each.at < dt.timedelta(days=days)]
    assert is_due(FooterFrequency.DAYS, days, said, NOW) == (not recently)


@given(SAID)
def test_the_first_since_the_last_pause(said: list[Said]) -> None:
    moments = [NOW, *(each.at for each in said)]
    going_on = []
    for earlier, later, each in zip(moments[1:], moments, said, strict=False):
        if later - earlier >= PAUSE:
            break
        going_on.append(each)
    assert is_due(FooterFrequency.FIRST, None, said, NOW) == (not any(each.told for each in going_on))
