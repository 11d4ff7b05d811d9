"""`manage.py replay_texts`: what today's rules would have decided about texts that came in earlier."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from consent.models import Line
from messaging.models import KeywordResponder, Message
from tests.make import JANE, make_agent, make_line
from tests.world import Clock, Phone, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Line:
    return make_line()


def replayed(*args: str, since: str = "2026-11-30") -> tuple[list[dict[str, Any]], str]:
    out, err = StringIO(), StringIO()
    call_command("replay_texts", "--since", since, *args, stdout=out, stderr=err)
    return [json.loads(row) for row in out.getvalue().splitlines()], err.getvalue()


def test_under_the_same_rules_nothing_differs(line: Line, jane: Phone) -> None:
    agent = make_agent(line)
    write(agent, line)
    for body in ["hello", "yes please", "YES", "see you", "enough already", "STOP", "Liked “STOP”", "START", "HELP"]:
        jane.texts(line, body)
    found, said = replayed()
    assert found == []
    assert said.startswith("9 texts read")


def test_what_was_decided_otherwise_is_reported_without_the_words(line: Line, jane: Phone) -> None:
    jane.texts(line, "please stop texting me")
    Message.objects.filter(direction="in").update(meaning="conversation", rule="conversation", rules_version="0")
    found, _ = replayed()
    assert [(row["was"]["decision"], row["would_be"]["decision"]) for row in found] == [("conversation", "opt_out")]
    assert found[0]["line"] == line.number
    assert JANE not in json.dumps(found) and "please" not in json.dumps(found)
    assert replayed("--words")[0][0]["text"] == "please stop texting me"


def test_a_new_keyword_counts_as_a_new_rule(line: Line, jane: Phone) -> None:
    jane.texts(line, "hours")
    KeywordResponder.objects.create(keyword="HOURS", action="reply", reply="9 to 5")
    assert [row["would_be"]["rule"] for row in replayed()[0]] == ["keyword:HOURS"]


def test_older_texts_are_left_alone(line: Line, jane: Phone, clock: Clock) -> None:
    jane.texts(line, "hello")
    clock.passes(days=2)
    jane.texts(line, "hello")
    assert replayed(since="2026-12-02")[1].startswith("1 texts read")
    assert replayed(since="2026-12-01T11:00+00:00")[1].startswith("2 texts read")


def test_it_changes_nothing(line: Line, jane: Phone) -> None:
    jane.texts(line, "please stop texting me")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        replayed()
    # On PostgreSQL the texts are read through a cursor.
    assert {query["sql"].split()[0].upper() for query in queries} <= {"SELECT", "DECLARE", "FETCH", "CLOSE"}


@pytest.mark.parametrize("odd", ["yesterday", "2026-13-01", ""])
def test_a_date_that_is_none_is_named(db: None, odd: str) -> None:
    with pytest.raises(CommandError, match="--since"):
        replayed(since=odd)
