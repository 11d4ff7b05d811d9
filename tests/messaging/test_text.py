"""The footer that tells how to stop, and what is left out of text columns. Pure."""

import pytest

from messaging.text import printable, tells_how_to_stop, with_footer

FOOTER = "Reply STOP to opt out."

INSTRUCTIONS = [
    "Your code is 7. Reply STOP to opt out.",
    "Reply STOP to end, HELP for help.",
    "text stop to unsubscribe",
    "Txt STOP to quit",
    'Send "STOP" to end these texts.',
    "Reply with STOP to cancel",
    "Text UNSUBSCRIBE to leave",
    "STOP to end",
    "STOP=end",
    "Answer QUIT to leave",
    FOOTER,
]
IN_PASSING = [
    "",
    "Your order is ready",
    "We'll stop by at five.",
    "Please don't stop now",
    "The bus stop is on Main St",
    "Reply before the end of the week",
    "I'll text end of day with the details.",
    "Can you send cancel codes for order 5?",
    "You can reply: stop by whenever suits you.",
    "Cancel anytime in the app",
    "STOPPED BY THE SHOP",
    "We will send TD Bank your payoff letter",
    "send BAJA California details",
    "We can text ARRET maladie forms",
    "Start 9am, end = 5pm",
    "Walk to the bus stop to leave at 5",
    "Please cancel to leave the slot free",
]


@pytest.mark.parametrize("body", INSTRUCTIONS)
def test_an_instruction_needs_no_footer(body: str) -> None:
    assert tells_how_to_stop(body)
    assert with_footer(body, FOOTER) == body


@pytest.mark.parametrize("body", IN_PASSING)
def test_an_opt_out_word_in_passing_is_no_instruction(body: str) -> None:
    assert not tells_how_to_stop(body)
    assert with_footer(body, FOOTER) == f"{body}\n{FOOTER}"


def test_without_a_footer() -> None:
    assert with_footer("hello", "") == "hello"


def test_twice_is_once() -> None:
    assert with_footer(with_footer("hello", FOOTER), FOOTER) == f"hello\n{FOOTER}"


@pytest.mark.parametrize(
    ("raw", "kept"), [("a\x00b", "ab"), ("a\ud800b\udfff", "ab"), ("é🛑\n\u200b", "é🛑\n\u200b"), ("", "")]
)
def test_printable(raw: str, kept: str) -> None:
    assert printable(raw) == kept
