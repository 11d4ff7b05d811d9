"""Which words answer, opt in, opt out or ask for help: whole texts only (PRODUCT "Keyword responders"). Pure."""

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from messaging import keywords
from messaging.keywords import (
    BUILT_IN_KEYWORDS,
    Action,
    Keyword,
    Meaning,
    Reading,
    answered,
    compared,
    normalise,
)
from messaging.models import KeywordResponder
from messaging.reading import read
from tests.make import make_line


def meaning(text: str, *own: Keyword) -> str:
    return read(text, [*BUILT_IN_KEYWORDS, *own]).meaning.value


# 47 CFR 64.1200(a)(10), plus STOPALL, OPTOUT and OPT-OUT (FACTS "United States").
OPT_OUT = ["STOP", "QUIT", "END", "REVOKE", "OPT OUT", "CANCEL", "UNSUBSCRIBE", "STOPALL", "OPTOUT", "OPT-OUT"]


@pytest.mark.parametrize("word", OPT_OUT)
def test_the_words_that_law_fixes_opt_out(word: str) -> None:
    assert meaning(word) == meaning(word.lower()) == meaning(word.title()) == "opt_out"


@pytest.mark.parametrize(
    ("word", "expected"),
    [("START", "opt_in"), ("UNSTOP", "opt_in"), ("HELP", "help"), ("INFO", "help"), ("YES", "yes"), ("NO", "no")],
)
def test_the_other_built_in_words(word: str, expected: str) -> None:
    assert meaning(word) == meaning(word.lower()) == expected


# Case, surrounding punctuation, emoji, invisible characters and spacing are read over.
DRESSED = [
    "stop",
    " Stop ",
    "STOP.",
    "STOP!!!",
    "“stop”",
    "'stop'",
    "(STOP)",
    "*stop*",
    "_stop_",
    "...stop",
    "¡stop!",
    "stop 🛑",
    "🛑stop🛑",
    "stop 👋🏽",
    "stop ❤️",
    "\tstop\n",
    "stop\u00a0",
    "\u200bstop",
    "s\u200bt\u200do\u2060p",
    "\ufeffSTOP",
    "ＳＴＯＰ",
    "\u202astop\u202c",
    "STO\u00adP",
    "st\x00op",
]


@pytest.mark.parametrize("text", DRESSED)
def test_what_is_read_over(text: str) -> None:
    assert meaning(text) == "opt_out"


@pytest.mark.parametrize("text", ["opt  out", "Opt-Out", "opt\nout", "opt–out!", "OPT_OUT"])
def test_words_are_separated_by_anything(text: str) -> None:
    assert meaning(text) == "opt_out"


CONVERSATION = [
    "stop by at 5?",
    "please don't stop",
    "the end",
    "quit it lol",
    "cancel my order",
    "unstoppable",
    "help me",
    "I need info",
    "yes please",
    "start at 5",
    "stop start",
    "",
    " ",
    "👍",
    "?!",
]


@pytest.mark.parametrize("text", CONVERSATION)
def test_everything_else_is_conversation(text: str) -> None:
    assert meaning(text) == "conversation"


@pytest.mark.parametrize(
    ("text", "every_line"), [("STOPALL", True), ("stop all.", True), ("STOP", False), ("END", False)]
)
def test_stopall_means_every_line(text: str, every_line: bool) -> None:
    assert read(text, BUILT_IN_KEYWORDS).every_line is every_line


def test_the_rule_that_decided_is_named() -> None:
    assert read("Stop!", BUILT_IN_KEYWORDS).rule == "keyword:STOP"
    assert read("yes", BUILT_IN_KEYWORDS).rule == "reserved:YES"
    assert read("hi there", BUILT_IN_KEYWORDS).rule == "conversation"


def test_an_officers_own_keyword() -> None:
    hours = Keyword("OPENING HOURS", Action.REPLY, "9 to 5")
    found = read("Opening hours?", [hours])
    assert (found.meaning, found.reply) == (Meaning.REPLY, "9 to 5")
    assert meaning("what are your opening hours", hours) == "conversation"
    assert meaning("join", Keyword("JOIN", Action.OPT_IN)) == "opt_in"


def test_the_fixed_words_count_without_any_responder() -> None:
    assert read("STOP", []).meaning is Meaning.OPT_OUT


def test_no_responder_turns_a_fixed_word_around() -> None:
    assert meaning("STOP", Keyword("STOP", Action.OPT_IN)) == "opt_out"


@given(st.text(max_size=40))
@hypothesis_settings(max_examples=200, deadline=None)
def test_reading_never_fails_and_normalising_is_stable(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert read(text, BUILT_IN_KEYWORDS).rule


@given(st.sampled_from(OPT_OUT), st.text(alphabet=" .,!?*\n\t\u200b\ufeff🛑😀", max_size=6), st.booleans())
@hypothesis_settings(max_examples=150, deadline=None)
def test_a_stop_is_found_whatever_is_around_it(word: str, around: str, lower: bool) -> None:
    assert meaning(around + (word.lower() if lower else word) + around) == "opt_out"


# ---- words of every script ------------------------------------------------------------------------------------------

# As an officer types it, as it is stored, and other ways in which contacts type it.
WORDS = [
    ("Arrêt", "ARRÊT", ["arret", "ARRÊT", "arre\u0302t", "Arrêt !", "«arrêt»"]),
    ("arret", "ARRET", ["arrêt", "ÀRRÊT"]),
    ("desinscrever-se", "DESINSCREVER SE", ["desinscrever se", "Desinscrever–Se"]),
    ("СТАРТ", "СТАРТ", ["старт", "Старт!"]),
    ("営業時間", "営業時間", ["営業時間", "営業時間。"]),
    ("رقم", "رقم", ["رقم", "رَقْم"]),
    ("समय", "समय", ["समय", "समय!"]),
    ("रोकें", "रोकें", ["रोकें", " रोकें "]),
    ("เปิด ปิด", "เปิด ปิด", ["เปิด  ปิด"]),
    ("שעות", "שעות", ["שעות", "שָׁעוֹת"]),
    ("straße", "STRASSE", ["STRASSE", "straße", "Strasse"]),
    ("don't", "DON T", ["don't", "DON’T", "don t"]),
    ("24-7", "24 7", ["24-7", "24/7"]),
]


@pytest.mark.parametrize(("typed", "stored", "texts"), WORDS, ids=[word for word, _, _ in WORDS])
def test_a_keyword_of_any_script_is_found(typed: str, stored: str, texts: list[str]) -> None:
    assert normalise(typed) == stored
    for text in [typed, stored, *texts]:
        assert read(text, [Keyword(stored, Action.REPLY)]).rule == f"keyword:{stored}", text


def test_what_is_compared_is_what_the_reader_compares() -> None:
    assert compared("ARRÊT") == compared("arret") == compared(" Arrêt! ")
    assert compared("OPT OUT") == compared("opt-out") != compared("OPTOUT")
    assert compared("Ｈours") == compared("hours")


def test_who_answers_is_known_where_the_rule_names_a_responder() -> None:
    own = Keyword("JOIN", Action.OPT_IN, "Hello", "es", 7, 12)
    found = answered(Reading(Meaning.OPT_IN, "keyword:JOIN"), [*BUILT_IN_KEYWORDS, own])
    assert (found.reply, found.language, found.tag, found.responder) == ("Hello", "es", 7, 12)
    stop = Keyword("STOP", Action.OPT_OUT, "Bye", "en", None, 3)
    assert answered(read("stop please", [stop]), [stop]).responder == 3, "courtesy changes nothing"
    suspected = Reading(Meaning.REVIEW, "typo:STOP")
    assert answered(suspected, [stop]) == suspected
    talk = read("hello there", [stop])
    assert answered(talk, [stop]) == talk


# ---- responders as officers edit them -------------------------------------------------------------------------------


def refused(**fields: object) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as error:
        KeywordResponder(**fields).full_clean()
    return error.value.message_dict


@pytest.mark.django_db
def test_built_in_words_are_shipped_and_active() -> None:
    shipped = dict(KeywordResponder.objects.filter(built_in=True, active=True).values_list("keyword", "action"))
    assert shipped == {word: action.value for word, action in keywords.BUILT_IN.items()}


@pytest.mark.django_db
@pytest.mark.parametrize("word", ["yes", "NO!", " Yes ", "Yés", "ｎｏ"])
def test_yes_and_no_are_reserved(word: str) -> None:
    assert "keyword" in refused(keyword=word, action="opt_in")


@pytest.mark.django_db
@pytest.mark.parametrize("word", ["stop", "Opt-Out", " START!"])
def test_a_word_is_claimed_once(word: str) -> None:
    assert "keyword" in refused(keyword=word, action="help")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"keyword": "!!!", "action": "help"}, "keyword"),
        ({"keyword": "HOURS", "action": "reply"}, "reply"),
        ({"keyword": "HOURS", "action": "reply", "reply": "x" * 501}, "reply"),
        ({"keyword": "HOURS", "action": "reply", "reply": "{nobody}"}, "reply"),
        ({"keyword": "HOURS", "action": "shout", "reply": "x"}, "action"),
        ({"keyword": "STOPPEN", "action": "opt_out", "built_in": True, "active": False}, "__all__"),
        ({"keyword": "STOPPEN", "action": "opt_out", "built_in": True, "every_line": False}, "__all__"),
    ],
)
def test_what_officers_cannot_save(fields: dict[str, object], field: str) -> None:
    assert field in refused(**fields)


@pytest.mark.django_db
def test_a_responder_counts_on_its_lines_while_active() -> None:
    here, there = make_line(), make_line("+12065550102")
    hours = KeywordResponder(keyword="hours", action="reply", reply="9 to 5")
    hours.full_clean()
    hours.save()
    assert hours.keyword == "HOURS"
    on = KeywordResponder.objects.on
    assert hours in on(here) and hours in on(there)
    hours.every_line = False
    hours.save()
    hours.lines.set([here])
    assert hours in on(here) and hours not in on(there)
    hours.active = False
    hours.save()
    assert hours not in on(here)
