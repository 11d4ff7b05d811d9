"""One answer per word and line, ways in and out everywhere, built-in words locked (PRODUCT "Keyword responders")."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from consent.models import Line, Tag
from messaging import shipped
from messaging.claims import NEEDED, Claim, conflict, left_without
from messaging.keywords import BUILT_IN, SHIPPED, Keyword, compared
from messaging.models import KeywordResponder
from messaging.reading import read
from tests.make import make_line

pytestmark = pytest.mark.django_db


def make(keyword: str, *lines: Line, action: str = "reply", **fields: Any) -> KeywordResponder:
    """Entered as an officer would; without lines on every line."""
    fields.setdefault("reply", "Nine to five" if action == "reply" else "")
    responder = KeywordResponder(keyword=keyword, action=action, every_line=not lines, **fields)
    responder.enter(lines)
    return responder


def refused(keyword: str, *lines: Line, **fields: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as error:
        make(keyword, *lines, **fields)
    return error.value.message_dict


@pytest.fixture
def sales(db: None) -> Line:
    return make_line(name="Sales")


@pytest.fixture
def care(db: None) -> Line:
    return make_line("+12065550102", name="Care")


@pytest.fixture
def only_our_own(db: None) -> None:
    """An install without the built-in words: the rules must hold by themselves."""
    KeywordResponder.objects.all().delete()


# ---- one word, one answer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["hours", " Hours! ", "HOÛRS", "ho\u200burs", "ｈｏｕｒｓ"])
def test_a_word_is_claimed_once_however_it_is_written(sales: Line, word: str) -> None:
    make("hours", sales)
    text = refused(word, sales)["keyword"][0]
    assert "HOURS" in text and "Sales" in text, "names the other one, and the line"


def test_every_line_is_every_line(sales: Line, care: Line) -> None:
    make("hours", sales)
    assert "Sales" in refused("hours")["keyword"][0]
    assert "Care" not in refused("hours")["keyword"][0]
    make("prices")
    assert "Care" in refused("prices", care)["keyword"][0]
    assert "every line" in refused("prices")["keyword"][0]


def test_other_lines_have_words_of_their_own(sales: Line, care: Line) -> None:
    make("hours", sales)
    make("hours", care, reply="Ten to six")
    own = KeywordResponder.objects.keywords_on(care)
    assert read("Hours", own).reply == "Ten to six"
    assert read("Hours", KeywordResponder.objects.keywords_on(sales)).reply == "Nine to five"


def test_switched_off_it_claims_nothing_until_it_is_switched_on(sales: Line) -> None:
    first, second = make("hours", sales), make("Hours", sales, active=False)
    second.active = True
    with pytest.raises(ValidationError) as error:
        second.enter()
    assert "Sales" in error.value.message_dict["active"][0]
    first.active = False
    first.enter()
    second.enter()
    assert KeywordResponder.objects.get(pk=second.pk).active


def test_lines_that_are_added_are_checked(sales: Line, care: Line) -> None:
    make("hours", sales)
    other = make("hours", care)
    with pytest.raises(ValidationError) as error:
        other.enter([care, sales])
    assert "Sales" in error.value.message_dict["lines"][0] and "Care" not in error.value.message_dict["lines"][0]
    assert list(other.lines.all()) == [care], "nothing is written"
    other.every_line = True
    with pytest.raises(ValidationError) as error:
        other.enter()
    assert "every_line" in error.value.message_dict


def test_a_word_that_changes_is_checked(sales: Line) -> None:
    make("hours", sales)
    other = make("prices", sales)
    other.keyword = "Hours"
    with pytest.raises(ValidationError) as error:
        other.enter()
    assert "keyword" in error.value.message_dict


def test_what_stood_in_conflict_before_can_still_be_answered_differently(sales: Line) -> None:
    """A script may have written two of a word. Who mends the reply of one is not told off for that."""
    make("hours", sales)
    KeywordResponder.objects.create(keyword="HOURS", action="reply", reply="x", every_line=True)
    twin = KeywordResponder.objects.get(reply="x")
    twin.reply = "y"
    twin.enter()
    assert KeywordResponder.objects.filter(reply="y").exists()


@pytest.mark.parametrize("fields", [{}, {"active": False}, {"action": "opt_out"}])
def test_a_built_in_word_is_nobody_elses(sales: Line, fields: dict[str, Any]) -> None:
    assert "built in" in refused("Stop.", sales, **fields)["keyword"][0]


@pytest.mark.parametrize("word", ["stop please", "stop texting me", "please unsubscribe", "stpo"])
def test_no_responder_turns_a_revocation_around(sales: Line, word: str) -> None:
    assert "asks us to stop" in refused(word, sales)["keyword"][0]
    assert "asks us to stop" in refused(word, sales, action="opt_in")["keyword"][0]
    make(word, sales, action="opt_out")


@pytest.mark.parametrize("word", ["liked a photo", "a$ap", "x" * 41, "ß" * 21, "ﷺ" * 3])
def test_a_word_that_no_text_could_be_is_refused(sales: Line, word: str) -> None:
    assert "keyword" in refused(word, sales)


def test_lines_or_every_line_must_be_chosen(sales: Line) -> None:
    responder = KeywordResponder(keyword="hours", action="reply", reply="x", every_line=False)
    for lines in ([], None):
        with pytest.raises(ValidationError) as error:
            responder.enter(lines)
        assert "lines" in error.value.message_dict


def test_on_every_line_chosen_lines_are_forgotten(sales: Line) -> None:
    hours = make("hours", sales)
    hours.every_line = True
    hours.enter([sales])
    assert not hours.lines.exists()


# ---- what built-in words allow --------------------------------------------------------------------------------------


def test_of_a_built_in_word_the_answer_can_be_changed(sales: Line) -> None:
    stop = KeywordResponder.objects.get(keyword="STOP")
    stop.reply, stop.language, stop.tag = "Bye from {company_name}.", "es", Tag.objects.create(name="left")
    stop.enter()
    [keyword] = [each for each in KeywordResponder.objects.keywords_on(sales) if each.word == "STOP"]
    assert keyword == Keyword("STOP", "opt_out", "Bye from {company_name}.", "es", stop.tag.pk, stop.pk)


@pytest.mark.parametrize(
    "change", [{"keyword": "HALT"}, {"action": "reply", "reply": "x"}, {"active": False}, {"every_line": False}]
)
def test_the_rest_of_it_is_locked(sales: Line, change: dict[str, Any]) -> None:
    stop = KeywordResponder.objects.get(keyword="STOP")
    for name, value in change.items():
        setattr(stop, name, value)
    with pytest.raises(ValidationError):
        stop.enter([sales])
    with pytest.raises(ValidationError):
        stop.delete()
    stored = KeywordResponder.objects.get(pk=stop.pk)
    assert (stored.keyword, stored.action, stored.active, stored.every_line) == ("STOP", "opt_out", True, True)


def test_a_built_in_word_is_answered_in_the_contacts_language(sales: Line) -> None:
    """STOP and START are what everybody texts: that one is English does not make the contact English."""
    languages = {each.word: each.language for each in KeywordResponder.objects.keywords_on(sales)}
    assert languages["STOP"] == languages["HELP"] == ""
    KeywordResponder.objects.filter(keyword="HELP").update(language="fr")
    make("join", sales, action="opt_in")
    languages = {each.word: each.language for each in KeywordResponder.objects.keywords_on(sales)}
    assert languages["HELP"] == "fr" and languages["JOIN"] == "en"


# ---- the last way out, and the last way in --------------------------------------------------------------------------


@pytest.mark.usefixtures("only_our_own")
@pytest.mark.parametrize(("action", "word"), [("opt_out", "opt out"), ("opt_in", "opt in")])
def test_the_last_of_its_kind_stays(sales: Line, care: Line, action: str, word: str) -> None:
    last = make("genug", action=action)
    changes: list[tuple[dict[str, Any], list[Line] | None, str]] = [
        ({"active": False}, None, "active"),
        ({"action": "help"}, None, "action"),
        ({"every_line": False}, [sales], "lines"),
    ]
    for change, lines, field in changes:
        last.refresh_from_db()
        for name, value in change.items():
            setattr(last, name, value)
        with pytest.raises(ValidationError) as error:
            last.enter(lines)
        text = error.value.message_dict[field][0]
        assert word in text and "Care" in text and ("Sales" in text) == (field != "lines")
    last.refresh_from_db()
    with pytest.raises(ValidationError, match="Sales"):
        last.delete()
    make("basta ya", action=action)
    last.delete()
    assert not KeywordResponder.objects.filter(keyword="GENUG").exists()


@pytest.mark.usefixtures("only_our_own")
def test_each_line_counts_for_itself(sales: Line, care: Line) -> None:
    here, there = make("genug", sales, action="opt_out"), make("basta ya", care, action="opt_out")
    with pytest.raises(ValidationError, match="Sales"):
        here.delete()
    there.enter([sales, care])
    here.delete()
    there.refresh_from_db()
    with pytest.raises(ValidationError, match="Care"):
        there.enter([sales])


@pytest.mark.usefixtures("only_our_own")
def test_a_line_that_is_switched_off_needs_none(sales: Line, care: Line) -> None:
    last = make("genug", care, action="opt_out")
    Line.objects.filter(pk=care.pk).update(active=False)
    last.delete()


@pytest.mark.usefixtures("only_our_own")
def test_what_is_missing_already_does_not_bar_other_changes(sales: Line) -> None:
    hours = make("hours", sales)
    hours.delete()


def found_by_checks() -> dict[str, str]:
    return {str(found.id): found.msg for found in run_checks(databases=["default"])}


def test_a_line_without_is_reported_at_start_up(sales: Line, care: Line) -> None:
    assert "messaging.E006" not in found_by_checks()
    KeywordResponder.objects.filter(action="opt_in").delete()
    make("join", care, action="opt_in")
    text = found_by_checks()["messaging.E006"]
    assert "Sales" in text and "opt in" in text and "Care" not in text
    Line.objects.filter(pk=sales.pk).update(active=False)
    assert "messaging.E006" not in found_by_checks()


def test_a_word_with_two_answers_is_reported_at_start_up(sales: Line) -> None:
    assert "messaging.W002" not in found_by_checks()
    make("hours", sales)
    KeywordResponder.objects.create(keyword="HOÛRS", action="reply", reply="x", every_line=True)
    assert "HOURS" in found_by_checks()["messaging.W002"]


# ---- many at once ---------------------------------------------------------------------------------------------------


def spanish() -> Any:
    return KeywordResponder.objects.filter(language="es", built_in=False)


def test_english_is_on_and_the_other_languages_are_off() -> None:
    for language, words in SHIPPED.items():
        rows = KeywordResponder.objects.filter(language=language, built_in=False)
        assert dict(rows.values_list("keyword", "action")) == {word: action.value for word, action in words.items()}
        assert set(rows.values_list("active", flat=True)) == {language == "en"}


def test_what_an_officer_answers_already_is_not_switched_on_over_it() -> None:
    KeywordResponder.objects.filter(keyword__in=["REMOVE", "TD"], built_in=False).delete()
    KeywordResponder.objects.create(keyword="REMOVE", action="opt_out", language="es")
    from django.apps import apps

    shipped.install_words(apps)
    shipped.install_languages(apps)
    assert not KeywordResponder.objects.get(keyword="REMOVE", language="en").active
    assert KeywordResponder.objects.get(keyword="TD").active
    assert KeywordResponder.objects.filter(keyword="STOP").count() == 1


def test_all_words_of_a_language_at_once(sales: Line) -> None:
    found = spanish().switch(on=True)
    assert {each.keyword for each in found.done} == set(SHIPPED["es"]) and not found.refused
    assert read("parar", KeywordResponder.objects.keywords_on(sales)).rule == "keyword:PARAR"


def test_a_word_that_two_languages_share_works_already(sales: Line) -> None:
    spanish().switch(on=True)
    found = KeywordResponder.objects.filter(language="pt").switch(on=True)
    refused_words = {responder.keyword: why for responder, why in found.refused}
    assert set(refused_words) == {word for word in SHIPPED["pt"] if word in SHIPPED["es"]} == {"PARAR", "CANCELAR"}
    assert "works already" in refused_words["PARAR"] and "Spanish" in refused_words["PARAR"]
    assert {each.keyword for each in found.done} == set(SHIPPED["pt"]) - {"PARAR", "CANCELAR"}
    [keyword] = [each for each in KeywordResponder.objects.keywords_on(sales) if each.word == "PARAR"]
    assert keyword.language == "es"
    again = KeywordResponder.objects.filter(language="es").switch(on=True)
    assert not again.done and not again.refused and len(again.already) == len(SHIPPED["es"])


@pytest.mark.usefixtures("only_our_own")
def test_switching_many_off_keeps_the_last(sales: Line) -> None:
    make("genug", action="opt_out")
    make("basta ya", action="opt_out")
    make("join", action="opt_in")
    make("hours")
    found = KeywordResponder.objects.switch(on=False)
    assert {each.keyword for each in found.done} == {"BASTA YA", "HOURS"}, "one after the other"
    assert {each.keyword for each, _ in found.refused} == {"GENUG", "JOIN"}
    assert set(KeywordResponder.objects.filter(active=True).values_list("keyword", flat=True)) == {"GENUG", "JOIN"}


def test_built_in_words_are_never_switched_off() -> None:
    found = KeywordResponder.objects.filter(built_in=True).switch(on=False)
    assert len(found.refused) == len(BUILT_IN) and not found.done
    assert KeywordResponder.objects.filter(built_in=True, active=True).count() == len(BUILT_IN)


# ---- the rules themselves, pure -------------------------------------------------------------------------------------

LINES = [1, 2, 3]
CLAIMS = st.builds(
    Claim,
    st.sampled_from(["HOURS", "HOÛRS", "JOIN", "GENUG"]),
    st.sampled_from(["opt_in", "opt_out", "reply"]),
    st.one_of(st.none(), st.frozensets(st.sampled_from(LINES), min_size=1)),
    st.booleans(),
)


@given(CLAIMS, st.lists(CLAIMS, max_size=4))
@hypothesis_settings(max_examples=300, deadline=None)
def test_a_conflict_is_two_answers_to_one_text_on_one_line(claim: Claim, others: list[Claim]) -> None:
    expected = any(
        compared(claim.word) == compared(other.word) and claim.covers(line) and other.covers(line)
        for other in others
        for line in [*LINES, 99]  # a line to come, which only those of every line cover
    )
    assert (conflict(claim, others) is not None) == expected


@given(CLAIMS, st.one_of(st.none(), CLAIMS), st.lists(CLAIMS, max_size=4))
@hypothesis_settings(max_examples=300, deadline=None)
def test_what_is_taken_away_is_found(before: Claim, after: Claim | None, others: list[Claim]) -> None:
    def ways(claims: list[Claim]) -> set[tuple[str, int]]:
        return {(claim.action, line) for claim in claims for line in LINES if claim.covers(line)}

    lost = ways([before, *others]) - ways([*others, *([after] if after else [])])
    lost = {(action, line) for action, line in lost if action in NEEDED}
    found = left_without(before, after, others, LINES)
    assert {(found[0].value, line) for line in found[1]} == lost if found else not lost
