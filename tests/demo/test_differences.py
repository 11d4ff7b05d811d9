"""What a flow compares: an essential that is missing, an entry too many, a status that is not the expected one."""

from typing import Any

import pytest

from messaging.demo.flow import Arrives, Shown, described, from_agent, from_contact, notice


def a_notice(kind: str, text: str = "Automatic notice: Mia opted in.") -> dict[str, Any]:
    return {"type": "notice", "kind": kind, "text": text}


def a_text(direction: str, status: str, body: str, *marks: str) -> dict[str, Any]:
    return {
        "type": "text",
        "direction": direction,
        "purpose": "ordinary" if direction == "out" else None,
        "status": status,
        "body": body,
        "marks": list(marks),
    }


def test_a_text_must_hold_its_essentials() -> None:
    request = Arrives("request_ours", ("Harbor", "YES", "STOP"))
    assert request.lacks("Harbor asks: reply yes or stop.") == []
    assert request.lacks("Harbor asks: reply yes.") == ["STOP"]


def test_an_agents_text_must_begin_with_what_was_written() -> None:
    text = Arrives("ordinary", ("STOP",), begins="Hello Mia")
    assert text.lacks("Hello Mia\nReply STOP to opt out.") == []
    assert text.lacks("Hi Mia") == ["Hello Mia", "STOP"]


@pytest.mark.parametrize(
    ("expected", "entry"),
    [
        (notice("opted_in"), a_notice("opted_in")),
        (from_agent("Hello", "held"), a_text("out", "held", "Hello")),
        (from_contact("Hello"), a_text("in", "received", "Hello", "held back until they agreed")),
        (from_contact("Hello", mark="opted out"), a_text("in", "received", "Hello", "opted out")),
    ],
)
def test_what_is_as_specified_fits(expected: Shown, entry: dict[str, Any]) -> None:
    assert expected.fits(entry)


@pytest.mark.parametrize(
    ("expected", "entry"),
    [
        (notice("opted_in"), a_notice("opted_out")),
        (notice("opted_in"), a_notice("opted_in", "Mia opted in.")),  # not marked automatic
        (from_agent("Hello", "held"), a_text("out", "sent", "Hello")),
        (from_contact("Hello"), a_text("in", "held_back", "Hello")),
        (from_contact("Hello"), a_text("in", "keyword", "Hello")),
        (from_contact("Hello", mark="opted out"), a_text("in", "received", "Hello")),
        (from_contact("Hello"), a_notice("opted_in")),
    ],
)
def test_what_is_otherwise_does_not(expected: Shown, entry: dict[str, Any]) -> None:
    assert not expected.fits(entry)


def test_an_entry_is_told_with_its_marks() -> None:
    assert str(described(a_text("in", "received", "Hello", "opted out"))) == (
        "text from the contact, marked “opted out” “Hello”"
    )
