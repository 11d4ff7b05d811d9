"""Who can't be served stands in nobody's way, however many they are: each queue is looked through to its end."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from messaging import inbound, outbound, queue, sending, turns
from messaging.models import Message, Receipt
from tests.make import JANE, OMAR, ago, make_agent, make_line
from tests.world import Phone, standing, text_in

PAGE = 2
CROWD = [f"+12065550{serial}" for serial in range(160, 160 + 2 * PAGE + 1)]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (inbound, queue):
        monkeypatch.setattr(module, "PAGE", PAGE)


# ---- sending --------------------------------------------------------------------------------------------------------


BEFORE_THEM = {
    "of unknown fate": lambda: {"status": "unknown"},
    "turned away for now": lambda: {"status": "queued", "not_before": ago(hours=-1)},
}


@pytest.mark.django_db
def test_a_confirmation_that_comes_in_meanwhile_leaves_before_the_next_page(jane: Phone) -> None:
    """It has five minutes; behind a long queue it would leave too late, or never."""
    line = make_line(mode="disclaimer")
    ann = make_agent(line)
    for number in CROWD:
        outbound.submit(line=line, to=number, body="hello", author=ann)
    calls = queue.conversations(bulk=False)
    first = list(itertools.islice(calls, PAGE))
    text_in(JANE, line, "STOP")
    inbound.settle_waiting()
    confirmation = Message.objects.get(purpose="opt_out_confirmation")
    assert next(calls) == confirmation.conversation_id
    rest = list(calls)
    assert len({*first, *rest}) == len(first) + len(rest) == len(CROWD), "the others follow, each once"


@pytest.mark.django_db
def test_a_confirmation_that_could_not_leave_is_called_again_long_before_the_end_of_the_queue(
    jane: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its conversation was busy, or the provider turned it away for a second; another one has left since."""
    monkeypatch.setattr(queue, "CALLED_AGAIN_SECONDS", 0.0)
    line = make_line(mode="disclaimer")
    ann = make_agent(line)
    for number in CROWD:
        outbound.submit(line=line, to=number, body="hello", author=ann)
    for number in (JANE, OMAR):
        text_in(number, line, "STOP")
    inbound.settle_waiting()
    hers, his = Message.objects.filter(purpose="opt_out_confirmation").order_by("pk")
    Message.objects.filter(pk=hers.pk).update(not_before=ago(hours=-1))
    calls = queue.conversations(bulk=False)
    assert next(calls) == his.conversation_id
    Message.objects.filter(pk=his.pk).update(status="sent")
    assert next(calls) not in {hers.conversation_id, his.conversation_id}
    Message.objects.filter(pk=hers.pk).update(not_before=ago(seconds=1))
    assert hers.conversation_id in list(itertools.islice(calls, PAGE))


@pytest.mark.django_db
def test_a_long_conversation_lets_others_have_their_turn(jane: Phone) -> None:
    line = make_line(mode="disclaimer")
    ann = make_agent(line)
    texts = [outbound.submit(line=line, to=JANE, body=f"no. {serial}", author=ann) for serial in range(8)]
    assert outbound.send_conversation(texts[0].conversation_id, most=3) == 3
    assert outbound.send_conversation(texts[0].conversation_id) == 6, "the disclaimer and eight texts"


@pytest.mark.django_db
def test_who_is_told_to_end_takes_nothing_more(jane: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    line = make_line(mode="disclaimer")
    text = outbound.submit(line=line, to=JANE, body="hello", author=make_agent(line))
    receipt = text_in(OMAR, line, "hello")
    ending = threading.Event()
    ending.set()
    monkeypatch.setattr(turns, "ending", ending)
    assert outbound.send_conversation(text.conversation_id) == 0
    inbound.settle_waiting()
    receipt.refresh_from_db()
    assert receipt.settled_at is None
    ending.clear()
    inbound.settle_waiting()
    receipt.refresh_from_db()
    assert receipt.settled_at and outbound.send_conversation(text.conversation_id) == 2


@pytest.mark.django_db(transaction=True)  # senders are threads: they see only what is committed
@pytest.mark.parametrize("became", BEFORE_THEM.values(), ids=BEFORE_THEM.keys())
def test_texts_behind_one_that_cannot_leave_keep_nobody_else_waiting(
    jane: Phone, became: Callable[[], dict[str, Any]]
) -> None:
    line = make_line(mode="disclaimer")
    ann = make_agent(line)
    behind = [outbound.submit(line=line, to=number, body="hello", author=ann).pk for number in CROWD]
    Message.objects.filter(purpose="disclaimer_ours").update(**became())
    text_in(JANE, line, "STOP")
    inbound.settle_waiting()
    outbound.submit(line=line, to=OMAR, body="hello", author=ann)
    sending.send_due()
    assert jane.news() == ["opt_out_confirmation"]
    assert Phone(jane.provider, OMAR).news() == ["disclaimer_ours", "ordinary"]
    assert set(Message.objects.filter(pk__in=behind).values_list("status", flat=True)) == {"queued"}


# ---- settling -------------------------------------------------------------------------------------------------------


def leave_to_a_person(receipt: Receipt) -> None:
    Receipt.objects.filter(pk=receipt.pk).update(needs_person=True, tries=5, error="it broke")


@pytest.mark.django_db
@pytest.mark.parametrize("senders", [CROWD[:1] * len(CROWD), CROWD], ids=["of one number", "of many numbers"])
def test_webhooks_behind_one_that_waits_for_a_person_keep_nobody_else_waiting(jane: Phone, senders: list[str]) -> None:
    line = make_line()
    for number in sorted(set(senders)):
        leave_to_a_person(text_in(number, line, "hello"))
    for number in senders:
        text_in(number, line, "hello again")
    text_in(JANE, line, "STOP")
    inbound.settle_waiting()
    assert standing(line)[0] == "opted_out"
    assert Receipt.objects.unsettled().filter(number__in=senders).count() == len(set(senders)) + len(senders)
