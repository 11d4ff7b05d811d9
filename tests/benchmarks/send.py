"""Texts a second that one worker process hands to a provider which answers in 100 ms: gated, claimed, recorded.

The limit is Twilio's SDK alone, over our HTTP client, in as many threads. Both run in processes of their own against
the same provider, after each other, several times. The worker is the product's: Celery on Redis, woken by the bell.
"""

import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks import ground
from tests.benchmarks.ground import Figure
from tests.benchmarks.provider import Provider

TEXTS, RUNS, LATENCY, THREADS = 3000, 3, 0.1, 64
BAR = 0.5  # of the SDK's texts a second, that is: at most so many times its seconds a text
BODY = "Your order is ready. You can pick it up until six."

_SDK = """
import sys, time
import django
django.setup()
from concurrent.futures import ThreadPoolExecutor
from messaging import provider

def send(serial):
    provider.send(line="+12065550100", to=f"+1206{2000000 + serial}", body=sys.argv[3], callback_url="http://x/")

with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    list(pool.map(send, range(int(sys.argv[2]))))
    began = time.perf_counter()
    list(pool.map(send, range(int(sys.argv[1]))))
    print(time.perf_counter() - began)
"""

_TEXTS = """
INSERT INTO messaging_message (uuid, conversation_id, line_id, direction, purpose, body, sent_body, status, reason,
    reason_text, place, error_code, marks, meaning, rule, rules_version, created, look_ups, tries, bulk, media_count)
SELECT gen_random_uuid(), id, line_id, 'out', 'ordinary', %s, '', 'queued', '', '', 1, '', '[]', '', '', '', now(),
    0, 0, false, 0
FROM messaging_conversation
"""


def environment(provider: Provider, prefix: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": ground.database_url(),
        "QUEUE_PREFIX": prefix,
        "SIMULATOR": "false",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "only-for-benchmarks",
        "TWILIO_BASE_URL": provider.url,
        "SENDER_THREADS": str(THREADS),
        "LOG_LEVEL": "INFO",  # or the worker would not say when it is ready
    }


@contextmanager
def worker(environment: dict[str, str]) -> Iterator[None]:
    """The product's worker, ready to take work from every queue."""
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-n", f"{secrets.token_hex(4)}@%h"]
    command += ["--loglevel=INFO"]
    with tempfile.NamedTemporaryFile("r") as log:
        said = open(log.name, "w")  # noqa: SIM115  (the worker's own)
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
        try:
            give_up = time.monotonic() + 60
            while "ready." not in log.read():
                assert time.monotonic() < give_up and process.poll() is None, "the worker does not start"
                time.sleep(0.1)
                log.seek(0)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            said.close()


def ring(environment: dict[str, str], task: str) -> None:
    """The bell, as a web process rings it."""
    ring = f"import django; django.setup(); from celery import current_app; current_app.send_task({task!r})"
    subprocess.run([sys.executable, "-c", f"import config.celery; {ring}"], env=environment, check=True)


def queue_texts(number: int) -> None:
    """So many texts, to as many contacts who have opted in, as ``outbound.submit`` leaves them."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE messaging_message, messaging_conversation CASCADE")
        cursor.execute(
            "INSERT INTO messaging_conversation (contact_id, line_id, is_open, last_activity, last_place)"
            " SELECT contact_id, line_id, true, now(), 1 FROM consent_consent"
            " WHERE status = 'opted_in' ORDER BY contact_id, line_id LIMIT %s",
            [number],
        )
        cursor.execute(_TEXTS, [BODY])
        cursor.execute("ANALYZE messaging_message")
        cursor.execute("ANALYZE messaging_conversation")


def _sdk(environment: dict[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _SDK, str(TEXTS), str(THREADS), BODY],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def _ours(environment: dict[str, str], provider: Provider) -> float:
    """Seconds from the first text's arrival at the provider until all are recorded as sent."""
    from messaging.models import Message

    queue_texts(TEXTS)
    provider.taken.clear()
    ring(environment, "messaging.tasks.send_due")
    give_up = time.monotonic() + 300
    while left := Message.objects.exclude(status="sent").count():
        assert time.monotonic() < give_up, f"{left} texts are left"
        time.sleep(0.05)
    ended = time.time()
    assert len({(line, to) for _, line, to, _ in provider.taken}) == len(provider.taken), "each once"
    return ended - provider.taken[0][0]


def measure() -> Iterator[Figure]:
    from consent.models import Consent, ContactCap, Line

    ground.use_consents(20_000)
    # All of them may be texted now.
    Line.objects.update(quiet_hours=False, mode="consent")
    Consent.objects.filter(status="opted_in", level="").update(level="express")
    ContactCap.objects.all().delete()
    with Provider(LATENCY) as provider:
        surroundings = environment(provider, f"optline_benchmark_{secrets.token_hex(4)}")
        sdk, ours = [], []
        with worker(surroundings):
            for _ in range(RUNS):
                sdk.append(_sdk(surroundings) / TEXTS)
                ours.append(_ours(surroundings, provider) / TEXTS)
    yield Figure(
        "send",
        statistics.median(ours) * 1000,
        statistics.median(sdk) * 1000,
        1 / BAR,
        "ms",
        f"A text sent, {THREADS} threads, provider answers in 100 ms (limit: the SDK alone)",
    )


if __name__ == "__main__":
    ground.run(measure, __doc__)
