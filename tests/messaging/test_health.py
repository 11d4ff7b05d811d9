"""/healthz and /readyz (ARCHITECTURE "Interfaces that others rely on")."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client


def broken(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("could not connect to server at db.internal, password=hunter2")


def test_alive_without_a_database() -> None:
    answer = Client().get("/healthz")
    assert answer.status_code == 200


@pytest.mark.django_db
def test_ready() -> None:
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "problems": []})


@pytest.mark.django_db
def test_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationExecutor, "__init__", broken)
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ok"] is False
    (problem,) = answer.json()["problems"]
    assert set(problem) == {"code", "text"} and problem["code"] == "database"
    assert "hunter2" not in answer.content.decode()


@pytest.mark.django_db
def test_a_database_older_than_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *args, **kwargs: [("something", False)])
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert [problem["code"] for problem in answer.json()["problems"]] == ["migrations"]
    assert "migrate" in answer.json()["problems"][0]["text"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reading(path: str) -> None:
    assert Client().post(path).status_code == 405
    assert Client().head(path).status_code == 200


@pytest.mark.django_db
def test_a_bare_connection_suffices() -> None:
    """Nobody logs in, and no contact is counted: it may be asked every second."""
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        Client().get("/readyz")
    assert not [query for query in queries.captured_queries if "consent_contact" in query["sql"]]
