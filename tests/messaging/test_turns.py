import threading

from django.conf import settings

from config.celery import app
from messaging.turns import Turn


def test_who_comes_during_a_run_makes_it_go_round_once_more() -> None:
    runs: list[int] = []
    started, go_on = threading.Event(), threading.Event()

    def work() -> None:
        runs.append(1)
        started.set()
        assert go_on.wait(5)

    turn = Turn(work)
    runner = threading.Thread(target=turn.take)
    runner.start()
    assert started.wait(5)
    for _ in range(3):
        turn.take()  # returns at once
    go_on.set()
    runner.join(5)
    assert len(runs) == 2


def test_a_run_that_raises_does_not_bar_the_next() -> None:
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ValueError("the first time only")

    turn = Turn(work)
    try:
        turn.take()
    except ValueError:
        pass
    turn.take()
    assert len(runs) == 2


def test_a_worker_has_a_thread_for_each_task() -> None:
    """Else a STOP would wait to be read while a backlog, bulk texts, an import and an export are under way."""
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if not name.startswith("celery.")]
    assert settings.CELERY_WORKER_CONCURRENCY >= len(ours) > 10
