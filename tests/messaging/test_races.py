"""Real threads on PostgreSQL: what the contact's row lock is for. SQLite lets one writer in at a time by itself."""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from consent import ledger
from consent.ledger import Authority, Proof
from consent.models import Consent, Contact, LedgerEntry, Line
from consent.verification import verify
from consent.vocabulary import Category, Channel, Level, Scope, Status
from messaging import automatic, inbound, outbound
from messaging.models import Conversation, Message, Receipt
from tests.fake_provider import FakeProvider
from tests.make import JANE, make_agent, make_contact, make_line
from tests.world import callback, inbound_fields, post_webhook, say, standing, sweep, text_in, work

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgresql,
    pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="row locks and READ COMMITTED exist on PostgreSQL only"
    ),
]


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


def opted_in(line: Any) -> Conversation:
    say(JANE, line, "START")
    return Conversation.objects.get()


@pytest.fixture
def rounds() -> Iterator[range]:
    yield range(12)


def test_no_text_is_claimed_after_a_stop_was_answered(provider: FakeProvider, rounds: range) -> None:
    """The guarantee: once the webhook has its 200, no text is claimed until it is settled, and then none leaves."""
    line = make_line()
    ann = make_agent(line)
    conversation = opted_in(line)
    for _ in rounds:
        text = outbound.submit(line=line, to=JANE, body="hello", author=ann)
        answered: list[Any] = []

        def stop(answered: list[Any] = answered) -> None:
            assert post_webhook("/twilio/inbound/", inbound_fields(JANE, line, "STOP")).status_code == 200
            with connection.cursor() as cursor:
                cursor.execute("SELECT clock_timestamp()")
                answered.append(cursor.fetchone()[0])

        assert not together(stop, lambda: outbound.send_conversation(conversation.pk))
        text.refresh_from_db()
        if text.claimed_at:
            assert text.claimed_at <= answered[0]
        work()
        text.refresh_from_db()
        assert text.status in {"sent", "cancelled"}
        assert Consent.objects.get().status == Status.OPTED_OUT
        say(JANE, line, "START")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_stop_start_stop_ends_out_in_every_order_of_settling(provider: FakeProvider, order: tuple[int, ...]) -> None:
    line = make_line()
    receipts = [text_in(JANE, line, word) for word in ("STOP", "START", "STOP")]
    for index in order:
        inbound._settle_next(receipts[index])
    assert Consent.objects.get().status == Status.OPTED_OUT
    assert list(verify()) == []


def test_two_workers_and_a_sweep_settle_each_text_once(provider: FakeProvider) -> None:
    line = make_line()
    for word in ["hello", "START", "HELP", "STOP", "START", "STOP", "thanks"]:
        text_in(JANE, line, word)
    settle = [lambda: inbound.settle_number(JANE)] * 2 + [inbound.settle_waiting, inbound.expire_requests]
    assert not together(*settle)
    assert not Receipt.objects.unsettled().exists()
    assert Message.objects.filter(direction="in").count() == 7
    assert Consent.objects.get().status == Status.OPTED_OUT
    assert Message.objects.filter(purpose="help_reply").count() == 1
    assert Message.objects.filter(purpose="opt_out_confirmation").count() == 2
    assert list(verify()) == []


def test_a_text_is_claimed_by_one_of_many_senders(provider: FakeProvider, rounds: range) -> None:
    line = make_line()
    ann = make_agent(line)
    conversation = opted_in(line)
    before = len(provider.sent)
    for _ in rounds:
        outbound.submit(line=line, to=JANE, body="hello", author=ann)
    assert not together(*[lambda: outbound.send_conversation(conversation.pk)] * 4)
    work()
    assert len(provider.sent) - before == len(rounds)
    assert len({text.callback_url for text in provider.sent}) == len(provider.sent)


def test_two_lines_write_to_one_contacts_chain_at_once(rounds: range) -> None:
    lines = [make_line(f"+1206555010{digit}", category=Category.TRANSACTIONAL) for digit in range(4)]
    make_contact()

    def opts_in(line: Any) -> Callable[[], None]:
        def job() -> None:
            for _ in rounds:
                with transaction.atomic():
                    contact = Contact.objects.lock(JANE)
                    ledger.opt_in(
                        contact,
                        line,
                        Proof(Channel.KEYWORD, {"text": "START"}),
                        occurred_at=timezone.now(),
                        level=Level.EXPRESS,
                        authority=Authority.CONTACT,
                    )

        return job

    assert not together(*[opts_in(line) for line in lines])
    seqs = list(LedgerEntry.objects.order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, 4 * len(rounds) + 1))
    assert list(verify()) == []


@pytest.mark.parametrize("words", ["STOP", "STOPALL"])
def test_a_line_opens_only_after_an_opt_out_under_way_is_written_on_it(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """The STOP looked up the lines before the new one was there, and its entries are not committed yet."""
    line = make_line()
    written, go_on = threading.Event(), threading.Event()
    notify = automatic.notify

    def slow(*args: Any, **kwargs: Any) -> None:
        written.set()
        assert go_on.wait(10)
        notify(*args, **kwargs)

    monkeypatch.setattr(automatic, "notify", slow)
    text_in(JANE, line, words)

    def open_another() -> None:
        assert written.wait(10)
        ledger.open_line(make_line("+12065550101", opened=False).pk)

    def look_then_let_go() -> None:
        try:
            assert written.wait(10)
            for _ in range(20):
                assert not Line.objects.filter(number="+12065550101").exclude(opened_at=None).exists()
                go_on.wait(0.02)
        finally:
            go_on.set()

    assert not together(lambda: inbound.settle_number(JANE), open_another, look_then_let_go)
    sweep()
    other = Line.objects.get(number="+12065550101")
    assert other.is_open
    assert standing(other)[0] == "opted_out"


def test_the_ledger_is_found_whole_while_opt_outs_are_written(provider: FakeProvider) -> None:
    """After each statement of the verification somebody else's STOP is committed."""
    line = make_line()
    numbers = [f"+1206555016{digit}" for digit in range(5)]
    for number in numbers:
        say(number, line, "START")
    next_one = itertools.cycle(reversed(numbers))

    def stop() -> None:
        with transaction.atomic():
            contact = Contact.objects.lock(next(next_one))
            proof = Proof(Channel.KEYWORD, {"text": "STOP"})
            ledger.opt_out(contact, line, proof, occurred_at=timezone.now(), scope=Scope.LINE)

    def then_a_stop(execute: Callable[..., Any], *args: Any) -> Any:
        result = execute(*args)
        if connection.in_atomic_block:
            return result  # it may hold the lock that the STOP needs
        assert not together(stop)
        return result

    for _ in range(2):
        with connection.execute_wrapper(then_a_stop):
            assert list(verify()) == []
    assert LedgerEntry.objects.exclude(kind="opted_in").count() > 2 * len(numbers)


def test_an_unknown_number_texts_and_is_texted_at_once(provider: FakeProvider) -> None:
    """Both make the contact's row; one of them waits instead of failing."""
    line = make_line()
    ann = make_agent(line)
    text_in(JANE, line, "hello")
    submit = [lambda: outbound.submit(line=line, to=JANE, body="hi", author=ann)] * 3
    assert not together(lambda: inbound.settle_number(JANE), *submit)
    work()
    assert Contact.objects.count() == 1
    assert len(provider.to(JANE)) == 1, "one request, whoever came first"


def test_a_callback_races_the_answer_of_the_create_call(provider: FakeProvider, rounds: range) -> None:
    line = make_line()
    ann = make_agent(line)
    conversation = opted_in(line)
    for _ in rounds:
        text = outbound.submit(line=line, to=JANE, body="hello", author=ann)
        claimed = outbound.claim(conversation.pk)
        assert claimed
        raised = together(
            lambda claimed=claimed: outbound.record(claimed, outbound.call(claimed)),
            lambda text=text: callback(text, "delivered"),
        )
        assert not raised
        text.refresh_from_db()
        assert text.status == "delivered"
        assert text.sent_at


def test_one_idempotency_key_at_once_gives_one_text(provider: FakeProvider) -> None:
    line = make_line()
    ann = make_agent(line)
    answers: list[Any] = []

    def post() -> None:
        client = APIClient()
        client.force_authenticate(ann)
        body = {"line": line.number, "to": JANE, "body": "hello"}
        answers.append(client.post("/api/v1/messages/", body, format="json", headers={"Idempotency-Key": "k1"}))

    assert not together(*[post] * 4)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Message.objects.filter(purpose="ordinary").count() == 1
