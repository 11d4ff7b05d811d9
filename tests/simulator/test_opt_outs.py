"""Twilio's own block list, which differs by kind of line (FACTS, "Opt-outs on Twilio's side")."""

import pytest

from messaging.simulator.carrier import Line, LineKind, Reaction, line_kind, react
from tests.simulator.conftest import LONG_CODE, MIA, SAM, SHORT_CODE, TOLL_FREE, Simulator

pytestmark = pytest.mark.urls("tests.simulator.urls")

HANDLED = Line(LONG_CODE, handles_opt_outs=True)
STOP_WORDS = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("+14155550100", LineKind.LONG_CODE),
        ("+447700900123", LineKind.LONG_CODE),
        ("+18445550100", LineKind.TOLL_FREE),
        ("+18005550100", LineKind.TOLL_FREE),
        ("+18225550100", LineKind.LONG_CODE),
        ("24365", LineKind.SHORT_CODE),
        ("88811122", LineKind.SHORT_CODE),
    ],
)
def test_the_number_tells_the_kind_of_line(number: str, kind: LineKind) -> None:
    assert line_kind(number) is kind


@pytest.mark.parametrize("word", [*STOP_WORDS, "  stop\n", "Stop"])
@pytest.mark.parametrize("line", [HANDLED, Line(TOLL_FREE)])
def test_stop_words_block(line: Line, word: str) -> None:
    reaction = react(line, word)
    assert reaction.block is True and reaction.answer and reaction.opt_out_type is None


@pytest.mark.parametrize("words", ["stop please", "STOP!", "no stop", "", "ends"])
@pytest.mark.parametrize("line", [HANDLED, Line(TOLL_FREE)])
def test_only_a_whole_body_counts(line: Line, words: str) -> None:
    assert react(line, words) == Reaction()


@pytest.mark.parametrize(
    ("line", "lifting", "not_lifting"),
    [(HANDLED, ["START", "UNSTOP", "yes "], []), (Line(TOLL_FREE), ["START", "unstop"], ["YES"])],
)
def test_which_words_lift_a_block(line: Line, lifting: list[str], not_lifting: list[str]) -> None:
    assert all(react(line, word).block is False for word in lifting)
    assert all(react(line, word) == Reaction() for word in not_lifting)


@pytest.mark.parametrize("line", [Line(LONG_CODE), Line(SHORT_CODE)])
def test_a_line_that_answers_itself_is_left_alone(line: Line) -> None:
    assert react(line, "STOP") == react(line, "HELP") == Reaction()
    assert not react(line, "START").answer


def test_by_default_a_long_code_has_no_handling(simulator: Simulator) -> None:
    simulator.text("STOP")
    assert simulator.create().status_code == 201
    assert simulator.log("network") == []


def test_a_blocked_pair_gets_21610_until_the_contact_texts_start(simulator: Simulator) -> None:
    simulator.post("lines", line=LONG_CODE, handles_opt_outs=True)
    simulator.text("stop")
    answer = simulator.create()
    assert (answer.status_code, answer.json()["code"]) == (400, 21610)
    assert simulator.create(to=SAM).status_code == 201, "another contact"
    assert simulator.create(from_="+14155550199").status_code == 201, "another line"
    simulator.text("YES")
    assert simulator.create().status_code == 201


def test_on_toll_free_the_network_answers_and_our_webhook_hears_of_it_too(simulator: Simulator) -> None:
    simulator.text("STOP", to=TOLL_FREE)
    simulator.text("YES", to=TOLL_FREE)
    assert simulator.create(from_=TOLL_FREE).json()["code"] == 21610
    simulator.text("UNSTOP", to=TOLL_FREE)
    assert simulator.create(from_=TOLL_FREE).status_code == 201
    stopped, started = simulator.log("network")
    assert (stopped["from"], stopped["to"]) == (TOLL_FREE, MIA)
    assert "blocked" in stopped["body"] and "again" in started["body"]
    assert [form["Body"] for form in simulator.receiver.forms()] == ["STOP", "YES", "UNSTOP"]
    assert all("OptOutType" not in form for form in simulator.receiver.forms())


def test_advanced_opt_out_answers_and_says_what_it_did(simulator: Simulator) -> None:
    answer = simulator.post("lines", line=LONG_CODE, advanced=True)
    assert answer.json()["handles_opt_outs"] is True
    for body in ("STOP", "HELP", "START", "Hello"):
        simulator.text(body)
    assert [form.get("OptOutType") for form in simulator.receiver.forms()] == ["STOP", "HELP", "START", None]
    assert len(simulator.log("network")) == 3


def test_a_messaging_service_shares_its_blocks(simulator: Simulator) -> None:
    other = "+14155550101"
    for line in (LONG_CODE, other):
        simulator.post("lines", line=line, handles_opt_outs=True, service="MG1")
    simulator.text("STOP")
    assert simulator.create(from_=other).json()["code"] == 21610
    simulator.text("START", to=other)
    assert simulator.create().status_code == 201


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"line": TOLL_FREE, "handles_opt_outs": False}, "handles_opt_outs"),
        ({"line": SHORT_CODE, "handles_opt_outs": True}, "handles_opt_outs"),
        ({"line": LONG_CODE, "handles_opt_outs": False, "advanced": True}, "advanced"),
        ({"line": LONG_CODE, "handles_opt_outs": "yes"}, "handles_opt_outs"),
        ({"line": "front desk"}, "line"),
        ({}, "line"),
    ],
)
def test_settings_that_twilio_does_not_have(simulator: Simulator, fields: dict[str, object], field: str) -> None:
    answer = simulator.post("lines", **fields)
    assert answer.status_code == 400
    assert list(answer.json()) == [field]


def test_setting_a_line_keeps_what_is_not_given(simulator: Simulator) -> None:
    simulator.post("lines", line=LONG_CODE, name="Front desk", advanced=True)
    simulator.post("lines", line=LONG_CODE)
    [line] = simulator.get("lines")["lines"]
    assert (line["name"], line["advanced"], line["kind"]) == ("Front desk", True, "long_code")
    simulator.post("lines", line=LONG_CODE, handles_opt_outs=False)
    [line] = simulator.get("lines")["lines"]
    assert (line["handles_opt_outs"], line["advanced"]) == (False, False)
