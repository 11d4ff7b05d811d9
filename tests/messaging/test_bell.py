"""The bell never fails, never waits long, and is quiet while the broker is down (ARCHITECTURE "The way out")."""

import socket
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError

from messaging import bell
from messaging.bell import Bell

TASK = "messaging.tasks.settle_waiting"


class Broker:
    """Keeps what was published; fails while it is down."""

    def __init__(self, error: Exception | None = None) -> None:
        self.tasks: list[str] = []
        self.calls = 0
        self.error = error

    def publish(self, task: str) -> None:
        self.calls += 1
        if self.error:
            raise self.error
        self.tasks.append(task)


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock of the test's own: set ``now``."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("messaging.bell.time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_it_rings() -> None:
    broker = Broker()
    Bell(broker.publish).ring(TASK)
    assert broker.tasks == [TASK]


@pytest.mark.parametrize("error", [OperationalError("down"), RedisConnectionError("down"), OSError("refused")])
def test_it_never_raises_into_the_caller(error: Exception) -> None:
    broker = Broker(error)
    Bell(broker.publish).ring(TASK)
    assert broker.calls == 1


def test_it_keeps_quiet_for_five_seconds_after_a_failure(monotonic: SimpleNamespace) -> None:
    broker = Broker(OperationalError("down"))
    ring = Bell(broker.publish).ring
    ring(TASK)
    for seconds in (0.1, 2.0, 4.9):
        monotonic.now = 1000.0 + seconds
        ring(TASK)
    assert broker.calls == 1
    broker.error = None
    monotonic.now = 1005.1
    ring(TASK)
    assert broker.tasks == [TASK]


def test_rings_that_come_meanwhile_become_one() -> None:
    """While one ring is being passed on, a hundred more come: each task rings once more."""
    entered, go_on = threading.Event(), threading.Event()
    broker = Broker()

    def slow(task: str) -> None:
        broker.publish(task)
        if broker.calls == 1:
            entered.set()
            assert go_on.wait(5)

    one = Bell(slow)
    first = threading.Thread(target=one.ring, args=("a",))
    first.start()
    assert entered.wait(5)
    for _ in range(100):
        one.ring("a")
        one.ring("b")
    go_on.set()
    first.join(5)
    assert broker.tasks[0] == "a"
    assert sorted(broker.tasks[1:]) == ["a", "b"]


def test_the_last_ring_is_never_swallowed() -> None:
    """Whatever was rung after a publish began is published after it: no work is left without a bell."""
    broker = Broker()
    one = Bell(broker.publish)
    threads = [threading.Thread(target=one.ring, args=("a",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    before = broker.calls
    one.ring("a")
    assert broker.calls == before + 1


def test_two_threads_never_publish_at_once() -> None:
    """The connection to the broker is used by one thread at a time, also where one is held up on its way out."""
    passed_on, publishing, go_on, finish = (threading.Event() for _ in range(4))
    under_way: list[str] = []
    together: list[list[str]] = []

    class HeldUp(Bell):
        def _pass_on(self) -> None:
            super()._pass_on()
            if threading.current_thread().name == "first":
                passed_on.set()
                assert go_on.wait(5)

    def publish(task: str) -> None:
        under_way.append(task)
        together.append(list(under_way))
        if task == "b":
            publishing.set()
            assert finish.wait(5)
        under_way.remove(task)

    one = HeldUp(publish)
    first, second = (
        threading.Thread(target=one.ring, args=(task,), name=name) for task, name in (("a", "first"), ("b", "second"))
    )
    first.start()
    assert passed_on.wait(5)
    second.start()
    assert publishing.wait(5)
    go_on.set()
    first.join(5)
    one.ring("c")
    finish.set()
    second.join(5)
    assert together == [["a"], ["b"], ["c"]]


def test_after_a_failure_it_is_not_stuck(monotonic: SimpleNamespace) -> None:
    broker = Broker(OperationalError("down"))
    one = Bell(broker.publish)
    one.ring("a")
    broker.error = None
    monotonic.now += 10
    one.ring("b")
    one.ring("c")
    assert broker.tasks == ["b", "c"]


def test_a_failure_nobody_expected_leaves_the_bell_usable() -> None:
    broker = Broker(RuntimeError("a bug"))
    one = Bell(broker.publish)
    with pytest.raises(RuntimeError):
        one.ring("a")
    broker.error = None
    one.ring("b")
    assert "b" in broker.tasks


# ---- against sockets ------------------------------------------------------------------------------------------------


@pytest.fixture
def broker_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Point the bell at an address; gives a bell with a line of its own."""
    from celery import current_app

    def at(url: str) -> Bell:
        monkeypatch.setattr(current_app.conf, "broker_url", url)
        monkeypatch.setattr(current_app.conf, "broker_write_url", url)
        return Bell(bell._Line().publish)

    return at


def test_a_broker_that_refuses_connections_delays_nobody(broker_at: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        began = time.monotonic()
        broker_at(f"redis://127.0.0.1:{port}/0").ring(TASK)
    assert time.monotonic() - began < 2


def test_a_broker_that_never_answers_delays_nobody(broker_at: Any) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        one = broker_at(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        one.ring(TASK)
        assert time.monotonic() - began < 2
        again = time.monotonic()
        one.ring(TASK)
        assert time.monotonic() - again < 0.1, "quiet now"


# ---- on commit ------------------------------------------------------------------------------------------------------


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    tasks: list[str] = []
    monkeypatch.setattr("messaging.bell._bell.ring", tasks.append)
    return tasks


@pytest.mark.django_db
def test_it_rings_once_the_work_can_be_seen(rung: list[str], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        bell.ring_settle()
        bell.ring_send()
        assert rung == []
    assert rung == ["messaging.tasks.settle_waiting", "messaging.tasks.send_due"]


@pytest.mark.django_db
def test_it_does_not_ring_for_what_was_rolled_back(rung: list[str], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        try:
            with transaction.atomic():
                bell.ring_settle()
                raise LookupError
        except LookupError:
            pass
    assert rung == []


def test_the_tasks_it_names_exist() -> None:
    from celery import current_app

    from messaging import tasks

    for task in (tasks.settle_waiting, tasks.send_due):
        assert task.name in current_app.tasks
    assert {tasks.settle_waiting.name, tasks.send_due.name} == {
        "messaging.tasks.settle_waiting",
        "messaging.tasks.send_due",
    }
