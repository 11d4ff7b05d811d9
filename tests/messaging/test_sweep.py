"""The sweep finds what no bell announced, and nothing that fails keeps it from the rest."""

from typing import Any

import pytest

from consent.models import Line, OptInRequest, User
from messaging import opt_in, outbound
from tests.make import JANE, OMAR, make_agent, make_line
from tests.world import Clock, Phone, standing, sweep, texts_seen, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


@pytest.fixture
def broken(line: Line, ann: User, jane: Phone, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Jane and then Omar were asked and did not answer; ending Jane's request raises. Undone, it no longer does."""
    for number in (JANE, OMAR):
        write(ann, line, to=number)
    clock.passes(days=8)
    expire = opt_in.expire

    def choke(request: OptInRequest, *args: Any) -> None:
        if request.contact.number == JANE:
            raise RuntimeError("it broke")
        expire(request, *args)

    monkeypatch.setattr(opt_in, "expire", choke)
    return monkeypatch


def test_a_request_that_cannot_be_ended_keeps_no_other_from_expiring(line: Line, broken: pytest.MonkeyPatch) -> None:
    sweep()
    assert standing(line, JANE) == ("pending", "sent")
    assert standing(line, OMAR) == ("not_defined", "expired")


def test_it_keeps_the_sweep_from_nothing_else(line: Line, broken: pytest.MonkeyPatch) -> None:
    new = make_line("+12065550109", opened=False)
    sweep()
    assert Line.objects.get(pk=new.pk).is_open


def test_it_is_tried_again(line: Line, ann: User, jane: Phone, broken: pytest.MonkeyPatch, clock: Clock) -> None:
    sweep()
    assert texts_seen(ann, line) == [("Your order is ready", "held")]
    broken.undo()
    broken.setattr("messaging.provider.send", jane.provider.send)
    sweep()
    assert texts_seen(ann, line) == [("Your order is ready", "cancelled")]


@pytest.mark.parametrize("step", ["messaging.outbound.mark_lost", "messaging.outbound.drop_late"])
def test_no_step_that_fails_keeps_the_others_from_their_work(
    line: Line, ann: User, jane: Phone, clock: Clock, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def choke(*args: Any) -> None:
        raise RuntimeError("it broke")

    write(ann, line)
    clock.passes(days=8)
    monkeypatch.setattr(step, choke)
    sweep()
    assert standing(line) == ("not_defined", "expired")


def test_a_text_that_no_bell_announced_leaves(line: Line, ann: User, jane: Phone) -> None:
    jane.texts(line, "START")
    jane.news()
    outbound.submit(line=line, to=JANE, body="hello", author=ann)
    sweep()
    assert jane.news() == ["ordinary"]
