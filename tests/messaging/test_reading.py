"""The steps of reading, one by one, and the command that tells how texts are read."""

import io
import json
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from messaging import keywords, patterns, reading, revocation, spelling
from messaging.keywords import Action, Keyword, Meaning
from tests.messaging.reading_corpus import decide

ENGLISH = keywords.BUILT_IN_KEYWORDS


@pytest.mark.parametrize(
    ("text", "decision", "rule"),
    [
        ("Liked “Reply STOP to end”", "reaction", "reaction.liked"),
        ("👍 to “Reply STOP to end”", "reaction", "reaction.emoji"),
        ("STOP", "opt_out", "keyword:STOP"),
        ("Help!", "help", "keyword:HELP"),
        ("start", "opt_in", "keyword:START"),
        ("arrêt", "opt_out", "keyword:ARRET"),
        ("stop please", "opt_out", "courtesy:STOP"),
        ("sotp", "opt_out", "courtesy:STOP"),
        ("edn", "opt_out", "typo:END"),
        ("stop texting me", "opt_out", "en.stop_texting"),
        ("no me escriban más", "opt_out", "es.dont_text"),
        ("désabonnez-moi", "opt_out", "fr.take_me_off"),
        ("me tire da lista", "opt_out", "pt.take_me_off"),
        ("wrong number", "review", "en.wrong_person"),
        ("stop by at 5?", "conversation", "conversation"),
        ("yes", "conversation", "reserved:YES"),
        ("no", "conversation", "reserved:NO"),
        ("help me", "conversation", "conversation"),
        ("", "conversation", "conversation"),
        ("🛑", "review", "refusing.emoji"),
        ("stoop", "review", "typo:STOP"),
        ("sropp", "review", "typo:STOP"),
        ("St op svp", "opt_out", "spaced:STOP"),
    ],
)
def test_each_step_names_its_rule(text: str, decision: str, rule: str) -> None:
    assert decide(text) == (decision, rule)


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        ("yes", "opt_in"),
        ("No!", "opt_out"),
        ("yes please", "possible_acceptance"),
        ("👍🏽", "possible_acceptance"),
        ("sí claro", "possible_acceptance"),
        ("no thanks", "review"),
        ("see you at 5", "conversation"),
        ("👎", "conversation"),
    ],
)
def test_an_open_request_can_be_answered(text: str, decision: str) -> None:
    assert decide(text, request_open=True)[0] == decision


def test_yes_and_no_come_back_as_such() -> None:
    assert reading.read("Yes", ENGLISH).meaning is Meaning.YES
    assert reading.read("no", ENGLISH, request_open=True).meaning is Meaning.NO


def test_a_keyword_of_a_language_that_is_off_goes_to_a_person() -> None:
    assert reading.read("baja", ENGLISH).meaning is Meaning.REVIEW
    assert reading.read("baja", [*ENGLISH, Keyword("BAJA", Action.OPT_OUT)]).meaning is Meaning.OPT_OUT


def test_an_officers_own_words_count_at_every_step() -> None:
    own = [*ENGLISH, Keyword("ADIOS NEWS", Action.OPT_OUT, "Bye."), Keyword("HOURS", Action.REPLY, "9 to 5")]
    assert reading.read("adios news, please!", own).meaning is Meaning.OPT_OUT
    assert reading.read("adios news, please!", own).reply == "Bye."
    assert reading.read("hours?", own).reply == "9 to 5"
    assert reading.read("hours please", own).meaning is Meaning.CONVERSATION
    assert reading.read("don't", [Keyword("DON T", Action.OPT_OUT)]).meaning is Meaning.OPT_OUT
    assert reading.read("стоп", [Keyword("СТОП", Action.OPT_OUT)]).meaning is Meaning.OPT_OUT


def test_no_responder_turns_a_fixed_word_around() -> None:
    assert reading.read("STOP", [Keyword("STOP", Action.OPT_IN)]).meaning is Meaning.OPT_OUT


@pytest.mark.parametrize("text", ["STOPALL", "stop all", "stop all please", "please STOPALL!!"])
def test_stopall_means_every_line(text: str) -> None:
    assert reading.read(text, ENGLISH).every_line


def test_every_built_in_word_is_read_whatever_keywords_are_active() -> None:
    for word, action in keywords.BUILT_IN.items():
        found = reading.read(word, [])
        assert (found.meaning, found.rule) == (Meaning(action), f"keyword:{word}")


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        # a clause that plainly asks, whatever stands around it
        ("I'm at work, stop texting me, thanks", "opt_out"),
        ("La comida muy rica: no me escriban más", "opt_out"),
        # doubtful clauses that add up
        ("Not interested.", "review"),
        ("Not interested. Remove.", "opt_out"),
        ("wrong number, stop", "opt_out"),
        ("stop them now", "review"),
        ("So many texts, stop them now", "opt_out"),
        ("Assez de pubs ! Arrêtez tout", "opt_out"),
        ("please unsubscribe, I get five of these a day", "opt_out"),
        ("I'm at work: please stop.", "opt_out"),
        ("Stop, I'm at work", "review"),
        # a short answer counts by itself, not before talk of something else
        ("I'm done", "review"),
        ("I'm done. Not interested.", "review"),
        ("I'm done, you can pick me up", "conversation"),
        ("not for me", "review"),
        ("not for me, it's for my daughter", "conversation"),
        ("ya no quiero", "review"),
        ("ya no quiero más, estoy llena", "conversation"),
        # about something else, though the verbs are those of leaving a list
        ("Retirez mon mari du contrat", "conversation"),
        ("I revoke my consent for the surgery", "conversation"),
        ("Quiero que quiten el cargo", "conversation"),
        ("Je vous prie de me rappeler demain", "conversation"),
        ("Peço que me enviem a fatura", "conversation"),
        ("I revoke my consent to your texts about my invoice", "opt_out"),
        # for somebody else, or no longer of use; not where more is said
        ("This is my ex-wife's account", "review"),
        ("I already have insurance", "review"),
        ("ugh", "review"),
        ("ugh the traffic is awful", "conversation"),
        ("I prefer a letter in the mail", "review"),
        ("I don't care", "review"),
        ("I don't care which color", "conversation"),
        # somebody else leaves a class; it is ours that they leave only where our texts or lists are named
        ("can you unsubscribe my son from Tuesday swim", "conversation"),
        ("den de baja a los niños del comedor", "conversation"),
        ("retirez ma fille du cours de danse du jeudi", "conversation"),
        ("remova meu marido da lista de sexta", "conversation"),
        ("please unsubscribe my son from your messages", "opt_out"),
        ("take me off the monday alerts", "opt_out"),
        # an exclamation is no talk of something else
        ("Mensagem às 5 da manhã, sério?", "review"),
        # reported, or somebody else's
        ("he said stop texting me", "conversation"),
        ("he said, stop texting me", "conversation"),
        ("She asked me to stop texting her", "conversation"),
        ("diz pra ele parar de me mandar mensagem", "conversation"),
        # somebody else was meant
        ("I'm not Steve", "review"),
        ("no soy Juan", "review"),
        ("ce n'est pas Paul", "review"),
        ("não sou o João", "review"),
        # the opposite
        ("please don't stop sending me the reminders", "conversation"),
        ("no dejen de avisarme cuando llegue", "conversation"),
    ],
)
def test_clauses_are_read_one_by_one_and_add_up(text: str, decision: str) -> None:
    assert decide(text)[0] == decision


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("txet", "text"),  # letters swapped
        ("texxt", "text"),  # doubled
        ("txxt", "text"),
        ("txtng", "texting"),  # vowels left out
        ("dejn", "dejen"),
        ("t3xt1ng", "texting"),  # digits for letters
        ("de1ete", "delete"),
        ("st0p", "stop"),
        ("kiten", "quiten"),  # as they sound
        ("menvoyez", "m envoyez"),  # two words in one
        ("form", "form"),  # words of their own
        ("stoop", "stoop"),
        ("walking", "walking"),
        ("3rd", "3rd"),
    ],
)
def test_words_that_matter_are_mended(typed: str, meant: str) -> None:
    assert reading.speller().words(typed) == meant.split()


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        ("dejen d mandar mensajes", "opt_out"),
        ("no m manden mensajes", "opt_out"),
        ("take me off ur list n dont text me", "opt_out"),
        ("j'arrive d'ici 5 min", "conversation"),
    ],
)
def test_short_forms_count_in_their_language(text: str, decision: str) -> None:
    assert decide(text)[0] == decision


def test_words_of_the_rules_are_written_as_they_are_compared() -> None:
    assert {word for word in revocation.vocabulary() if spelling.split(word) != [word]} == set()


@pytest.mark.parametrize("pattern", ["(stop", "stop)", "<nobody>", "[stop"])
def test_a_pattern_that_can_not_be_read_says_so(pattern: str) -> None:
    with pytest.raises(patterns.PatternError):
        patterns.Grammar({}, {}).read(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "stop ~3 me",
        "stop *ing me",
        "send* me",
        "(stop|quit) [it] now",
        "stop $",
        "^ stop",
        "stop !by me",
        "call # now",
        "at #7",
    ],
)
def test_patterns_of_every_kind_can_be_read(pattern: str) -> None:
    assert patterns.Grammar({}, {}).read(pattern).regex


# ---- the command ----------------------------------------------------------------------------------------------------


def classify(*args: str) -> list[dict[str, str]]:
    out = io.StringIO()
    call_command("classify_texts", *args, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def written(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "texts.jsonl"
    path.write_bytes(content)
    return str(path)


def test_one_line_in_one_line_out(tmp_path: Path) -> None:
    file = written(tmp_path, '"STOP"\n\n{"text": "¡Baja, por favor!", "id": 7}\n"two\\nlines"'.encode())
    assert classify(file) == [
        {"text": "STOP", "decision": "opt_out", "rule": "keyword:STOP"},
        {"text": "¡Baja, por favor!", "decision": "opt_out", "rule": "courtesy:BAJA"},
        {"text": "two\nlines", "decision": "conversation", "rule": "conversation"},
    ]


def test_standing_requests_are_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path, b'"yes"')
    assert [classify(file)[0]["decision"], classify(file, "--pending")[0]["decision"]] == ["conversation", "opt_in"]


def test_standard_input_is_read_where_no_file_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'"stop"\n')))
    assert classify()[0]["decision"] == "opt_out"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"stop", "not JSON"),
        (b"7", "neither"),
        (b'{"body": "x"}', "neither"),
        (b'{"text": 7}', "neither"),
        (b'"\xff"', "not UTF-8"),
    ],
)
def test_a_bad_line_ends_it_and_is_named(tmp_path: Path, bad: bytes, why: str) -> None:
    out = io.StringIO()
    with pytest.raises(CommandError, match=f"Line 2 is {why}") as error:
        call_command("classify_texts", written(tmp_path, b'"stop"\n' + bad + b'\n"end"\n'), stdout=out)
    assert error.value.returncode == 1
    assert len(out.getvalue().splitlines()) == 1


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandError, match=r"nowhere\.jsonl"):
        call_command("classify_texts", "nowhere.jsonl")
