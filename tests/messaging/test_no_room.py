"""The database has no room for another row, and then has room again (the processes' own run: tests/faults)."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection
from django.test import Client

from messaging import inbound, outbound
from messaging.models import Receipt
from tests.fake_provider import FakeProvider
from tests.make import JANE, make_agent, make_line, make_opted_in
from tests.world import inbound_fields, sign, standing, sweep, work

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="SQLite can be told how large it may become"),
]

MANY = 20
LARGE = "😀" * 1600


def post(fields: dict[str, str]) -> int:
    headers = {"X-Twilio-Signature": sign(settings.PUBLIC_URL + "/twilio/inbound/", fields)}
    client = Client(raise_request_exception=False)
    form = "application/x-www-form-urlencoded"
    return client.post("/twilio/inbound/", urlencode(fields), content_type=form, headers=headers).status_code


def pragma(words: str) -> int:
    with connection.cursor() as cursor:
        return int(cursor.execute(f"PRAGMA {words}").fetchone()[0])


@pytest.fixture
def room() -> Iterator[None]:
    """Whatever the test took is given back."""
    most = pragma("max_page_count")
    yield
    pragma(f"max_page_count = {most}")


def test_only_what_was_kept_is_answered_200_and_all_of_it_has_its_effect(room: None, provider: FakeProvider) -> None:
    line = make_line()
    make_opted_in(line)
    most = pragma("max_page_count")
    waiting = outbound.submit(line=line, to=JANE, body="hello", author=make_agent(line))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # or what other tests left free would be room enough
    pragma(f"max_page_count = {pragma('page_count')}")
    texts = [inbound_fields(JANE, line, LARGE) for _ in range(MANY)]
    answers = [post(fields) for fields in texts]
    refused = [fields for fields, status in zip(texts, answers, strict=True) if status != 200]
    assert refused and set(answers) <= {200, 500}
    assert Receipt.objects.count() == answers.count(200)
    stop = inbound_fields(JANE, line, "STOP" + " " * 4000)
    assert post(stop) == 500
    try:
        inbound.settle_waiting()
        outbound.send_conversation(waiting.conversation_id)
    except DatabaseError:
        pass  # the next sweep comes back to it
    pragma(f"max_page_count = {most}")
    Receipt.objects.update(try_after=None)  # its time has come
    assert [post(fields) for fields in [*refused, stop]] == [200] * (len(refused) + 1)
    sweep()
    work()
    assert not Receipt.objects.unsettled().exists() and not Receipt.objects.filter(needs_person=True).exists()
    assert Receipt.objects.count() == MANY + 1
    assert standing(line)[0] == "opted_out"
    assert sum("you're out" in text.body for text in provider.sent) == 1


def test_a_receipt_is_never_given_up_for_want_of_room(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes in place may still find room when new rows do not: each try is noted, and none counts."""
    line = make_line()
    make_opted_in(line)
    assert post(inbound_fields(JANE, line, "STOP")) == 200

    def no_room(*args: object, **kwargs: object) -> None:
        raise OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("messaging.automatic.say", no_room)
        for _ in range(settings.RECEIPT_TRIES + 2):
            Receipt.objects.update(try_after=None)  # its time has come
            inbound.settle_number(JANE)
    receipt = Receipt.objects.get()
    assert (receipt.settled_at, receipt.tries, receipt.needs_person) == (None, 0, False)
    assert "disk is full" in receipt.error
    Receipt.objects.update(try_after=None)
    sweep()
    assert standing(line)[0] == "opted_out"
    assert len(provider.sent) == 1
