"""The database goes away while texts leave, and comes back: the sender notes what it can, and goes on afterwards."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, transaction

from messaging import departure, outbound, queue, sending
from messaging.models import Message
from tests.fake_provider import FakeProvider
from tests.make import JANE, make_agent, make_line, make_opted_in

# Senders are threads: they see only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 10


@pytest.fixture
def texts(provider: FakeProvider) -> list[Message]:
    line = make_line()
    with transaction.atomic():
        make_opted_in(line)
    ann = make_agent(line)
    return [outbound.submit(line=line, to=JANE, body=f"Text {serial}", author=ann) for serial in range(3)]


def run(sender: sending.Sender) -> None:
    """One run, which must end, however it does."""
    raised = []

    def work() -> None:
        try:
            sender.run()
        except OperationalError as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive(), "the sender hangs"


def statuses(texts: list[Message]) -> list[str]:
    return list(
        Message.objects.filter(pk__in=[text.pk for text in texts]).order_by("pk").values_list("status", flat=True)
    )


def once_lost(call: Callable[..., Any]) -> Callable[..., Any]:
    """Without the database the first time."""
    lost = iter([True])

    def instead(*arguments: Any, **named: Any) -> Any:
        if next(lost, False):
            raise OperationalError("the connection is lost")
        return call(*arguments, **named)

    return instead


@pytest.mark.parametrize("step", ["claim", "record", "has_more"])
def test_it_goes_on_in_the_same_conversation(
    texts: list[Message], provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    module = departure if step == "has_more" else outbound
    monkeypatch.setattr(module, step, once_lost(getattr(module, step)))
    sender = sending.Sender(bulk=False)
    run(sender)
    if step == "record":  # the sweep finds what could not be noted
        assert statuses(texts) == ["sending", "queued", "queued"]
        Message.objects.filter(status="sending").update(status="unknown")
    run(sender)
    assert statuses(texts)[1:] == ["sent", "sent"]
    assert [text.body for text in provider.sent] == [text.sent_body for text in Message.objects.order_by("pk")]


def test_what_the_provider_answers_meanwhile_is_noted(
    texts: list[Message], provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue can't be read any more while a call is under way. Its answer comes before the run has ended."""
    called, lost = threading.Event(), threading.Event()
    send, conversations = provider.send, queue.conversations

    def slow(**text: str) -> str:
        called.set()
        assert lost.wait(SECONDS)
        return send(**text)

    def breaking_off(*, bulk: bool) -> Iterator[int]:
        yield from conversations(bulk=bulk)
        assert called.wait(SECONDS)
        lost.set()
        raise OperationalError("the connection is lost")

    monkeypatch.setattr("messaging.provider.send", slow)
    monkeypatch.setattr(queue, "conversations", breaking_off)
    run(sending.Sender(bulk=False))
    assert statuses(texts)[0] == "sent"
