"""The threads that send outlive what goes wrong in them: no text is forgotten, and no run lasts for ever."""

import threading
from typing import Any

import pytest
from django.db import OperationalError, transaction

from messaging import departure, outbound, queue, sending
from messaging.models import Message
from tests.make import JANE, OMAR, make_agent, make_line, make_opted_in
from tests.world import Phone

pytestmark = pytest.mark.django_db(transaction=True)  # senders are threads: they see only what is committed

LONG = 20.0


def run(sender: sending.Sender) -> list[BaseException]:
    """Fails where the run does not end; gives what it raised."""
    raised: list[BaseException] = []

    def send() -> None:
        try:
            sender.run()
        except OperationalError as error:
            raised.append(error)

    runner = threading.Thread(target=send, daemon=True)
    runner.start()
    runner.join(LONG)
    assert not runner.is_alive(), "the run has not ended"
    return raised


def once(fails: Any) -> Any:
    """As ``fails``, but its first call finds a database that restarts."""
    calls: list[object] = []

    def failing(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise OperationalError("terminating connection due to administrator command")
        return fails(*args, **kwargs)

    return failing


def test_a_database_that_restarts_between_two_statements(jane: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    line = make_line()
    ann = make_agent(line)
    for number in (JANE, OMAR):
        with transaction.atomic():
            make_opted_in(line, number)
        outbound.submit(line=line, to=number, body="hello", author=ann)
    sender = sending.Sender(bulk=False)
    with monkeypatch.context() as patched:
        patched.setattr(departure, "has_more", once(departure.has_more))
        assert run(sender)
    run(sender)
    assert set(Message.objects.values_list("status", flat=True)) == {"sent"}


def test_what_the_provider_answered_is_written_down_though_the_queue_cannot_be_read(
    jane: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = make_line()
    with transaction.atomic():
        make_opted_in(line)
    text = outbound.submit(line=line, to=JANE, body="hello", author=make_agent(line))
    called, answer = threading.Event(), threading.Event()
    send = jane.provider.send

    def slowly(**words: str) -> str:
        called.set()
        assert answer.wait(LONG)
        return send(**words)

    def breaks(*, bulk: bool) -> Any:
        yield text.conversation_id
        assert called.wait(LONG)
        threading.Timer(0.2, answer.set).start()
        raise OperationalError("the connection is closed")

    monkeypatch.setattr("messaging.provider.send", slowly)
    monkeypatch.setattr(queue, "conversations", breaks)
    assert run(sending.Sender(bulk=False))
    text.refresh_from_db()
    assert text.status == "sent"
