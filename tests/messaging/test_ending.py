"""A process that is told to end finishes what is under way and takes nothing more (as processes: tests/faults)."""

from collections.abc import Iterator
from unittest import mock

import pytest

from messaging import inbound, outbound, sending, tasks, turns
from messaging.models import Message, Receipt
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_agent, make_line, make_opted_in
from tests.world import text_in, work

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def it_goes_on_afterwards() -> Iterator[None]:
    yield
    turns.ending.clear()


def test_it_claims_nothing_more(provider: FakeProvider) -> None:
    line = make_line()
    make_opted_in(line)
    ann = make_agent(line)
    texts = [outbound.submit(line=line, to=JANE, body=f"Text {serial}", author=ann) for serial in range(3)]
    send = provider.send

    def told_to_end_during_the_call(**text: str) -> str:
        tasks.take_nothing_more()
        return send(**text)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("messaging.provider.send", told_to_end_during_the_call)
        outbound.send_conversation(texts[0].conversation_id)
    assert len(provider.sent) == 1
    assert list(Message.objects.order_by("pk").values_list("status", flat=True)) == ["sent", "queued", "queued"]
    turns.ending.clear()
    work()
    assert len(provider.sent) == 3


def test_what_was_claimed_while_the_interpreter_ends_waits_for_the_next_process(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker inside a serving process is not told; its threads can't begin anything any more."""
    line = make_line()
    make_opted_in(line)
    text = outbound.submit(line=line, to=JANE, body="hello", author=make_agent(line))
    callers = mock.Mock(submit=mock.Mock(side_effect=RuntimeError("cannot schedule new futures after shutdown")))
    sender = sending.Sender(bulk=False)
    monkeypatch.setattr(sender, "_callers", callers, raising=False)
    sender._claim(text.conversation_id, 1)
    text.refresh_from_db()
    assert text.status == "queued" and not provider.sent
    assert turns.ending.is_set(), "nothing more is claimed"


def test_it_settles_nothing_more(provider: FakeProvider) -> None:
    line = make_line()
    for number in (JANE, OMAR):
        text_in(number, line, "STOP")
    tasks.take_nothing_more()
    inbound.settle_waiting()
    assert Receipt.objects.unsettled().count() == 2
    turns.ending.clear()
    inbound.settle_waiting()
    assert not Receipt.objects.unsettled().exists()
