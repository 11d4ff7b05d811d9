"""Two officers who save the same wording at the same moment, in real threads on PostgreSQL."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection  # noqa: F401  (read by the condition below)
from django.test import Client
from django.urls import reverse

from messaging.models import Template
from messaging.models.template import OvertakenError
from messaging.wordings import Kind
from tests.make import make_officer
from tests.messaging.test_races import together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgresql,
    pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="row locks and READ COMMITTED exist on PostgreSQL only"
    ),
]


def saving(pk: int, words: str, seen: int | None = None) -> Callable[[], Any]:
    return lambda: Template.objects.get(pk=pk).say(words, seen=seen)


def test_each_saving_gets_a_number_of_its_own() -> None:
    found = Template.objects.get(kind=Kind.HELP_REPLY, line=None)
    for turn in range(8):
        assert together(*[saving(found.pk, f"{turn} {who}") for who in range(3)]) == []
        assert found.versions.count() == 1 + 3 * (turn + 1)


def test_of_two_who_saw_the_same_version_one_saves() -> None:
    found = Template.objects.get(kind=Kind.HELP_REPLY, line=None)
    for turn in range(8):
        raised = together(*[saving(found.pk, f"{turn} {who}", seen=turn + 1) for who in range(2)])
        assert [type(error) for error in raised] == [OvertakenError]
        assert found.versions.count() == turn + 2


def test_the_page_tells_the_second() -> None:
    found = Template.objects.get(kind=Kind.HELP_REPLY, line=None)
    address = reverse("admin:messaging_template_change", args=[found.pk])
    officers = [make_officer("olive"), make_officer("omar")]
    for turn in range(4):
        seen, answers, guard = found.versions.count(), [], threading.Lock()

        def save(
            who: Any, seen: int = seen, answers: list[Any] = answers, guard: Any = guard, turn: int = turn
        ) -> None:
            client = Client()
            client.force_login(who)
            answer = client.post(address, {"body": f"{turn} {who}", "seen": seen, "in_use": "on"})
            with guard:
                answers.append((answer.status_code, "while you were writing" in answer.content.decode()))

        assert together(*[lambda who=who: save(who) for who in officers]) == []
        assert sorted(answers) == [(200, True), (302, False)]
        assert found.versions.count() == seen + 1
