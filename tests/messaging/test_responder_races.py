"""Two officers at the same moment, on PostgreSQL: one of two claims to a word stands, and the last way out stays."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections
from django.test import Client

from consent.models import Line
from messaging.models import KeywordResponder
from tests.make import make_line, make_officer

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgresql,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="row locks exist on PostgreSQL only"),
]
ROUNDS = range(8)


def together(*jobs: Callable[[], Any]) -> list[BaseException]:
    """Run the jobs in threads that start at the same moment, each with a connection of its own; what they raised."""
    barrier, raised = threading.Barrier(len(jobs)), []

    def run(job: Callable[[], Any]) -> None:
        try:
            barrier.wait(10)
            job()
        except BaseException as error:
            raised.append(error)  # handed to the test, which asserts on it
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for somebody for ever"
    return raised


def test_one_of_two_claims_stands() -> None:
    line: Line = make_line(name="Sales")
    for serial in ROUNDS:
        word = f"word {serial}"

        def claim(word: str = word, lines: list[Line] = [line]) -> None:  # noqa: B006  (read only)
            KeywordResponder(keyword=word, action="reply", reply="x", every_line=False).enter(lines)

        raised = together(claim, claim)
        assert [type(error) for error in raised] == [ValidationError]
        assert KeywordResponder.objects.filter(keyword=word.upper()).count() == 1


def test_one_of_two_forms_stands() -> None:
    make_line(name="Sales")
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(make_officer())
    fields = {"action": "reply", "reply": "x", "active": "on", "every_line": "on", "language": "en"}
    for serial in ROUNDS:
        answers: list[int] = []

        def add(client: Client, serial: int = serial, answers: list[int] = answers) -> None:
            page = client.post("/admin/messaging/keywordresponder/add/", {**fields, "keyword": f"word {serial}"})
            answers.append(page.status_code)

        assert not together(*(lambda client=client, add=add: add(client) for client in clients))
        assert sorted(answers) == [200, 302], "one is told, one is saved"
        assert KeywordResponder.objects.filter(keyword=f"WORD {serial}").count() == 1


def test_the_last_two_are_not_switched_off_together() -> None:
    make_line(name="Sales")
    KeywordResponder.objects.filter(action="opt_out").delete()
    for _ in ROUNDS:
        KeywordResponder.objects.filter(action="opt_out").delete()
        for word in ("genug", "basta ya"):
            KeywordResponder(keyword=word, action="opt_out").enter()
        first, second = KeywordResponder.objects.filter(action="opt_out")
        together(
            lambda row=first: KeywordResponder.objects.filter(pk=row.pk).switch(on=False),
            lambda row=second: row.delete(),
        )
        assert KeywordResponder.objects.filter(action="opt_out", active=True).count() == 1
