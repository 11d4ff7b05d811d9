"""How fast one worker process settles what came in: python -m tests.benchmarks.settle [--json]

Ordinary texts, and STOPs with all that follows: ledger entry, suppression, notice, confirmation queued. Of contacts who
have opted in, one text each, on a line that is alone in its category. Against the throughput of a Django view that
verifies the signature and inserts one row, measured in the same run; the bars are 0.12 and 0.08 of it. Takes about two
minutes.
"""

import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlencode

from tests.benchmarks.client import post
from tests.benchmarks.ground import Figure, database_url, prepare, run, serving, use_consents

BARS = {"Where is my order?": 0.12, "STOP": 0.08}
NAMES = {"Where is my order?": "settle_text", "STOP": "settle_stop"}
CONTACTS, RUNS, WEBHOOKS = 300, 5, 2_000
TOKEN = "a-token-of-the-benchmark"
LINE = "+12065550100"


def measure() -> Iterator[Figure]:
    from django.db import connection

    from tests.benchmarks import limit

    use_consents(1_000)
    os.environ.update(TWILIO_AUTH_TOKEN=TOKEN, TWILIO_ACCOUNT_SID="AC" + "0" * 32, SIMULATOR="false")
    os.environ.update(TWILIO_BASE_URL="http://127.0.0.1:9")
    _a_line_of_its_own()
    with connection.cursor() as cursor:
        cursor.execute(limit.TABLE)
    least: list[float] = []
    found: dict[str, list[float]] = {words: [] for words in BARS}
    with serving("tests.benchmarks.limit") as bare:
        for place in range(RUNS + 1):
            load = post(port=bare.port, token=TOKEN, count=WEBHOOKS)
            numbers = _opted_in(CONTACTS)
            rates = {}
            for words in BARS:
                _receive(numbers, words)
                rates[words] = CONTACTS / _settled_by_a_worker()
            if place:  # the first fills caches
                least.append(load.per_second)
                for words, rate in rates.items():
                    found[words].append(rate)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE benchmark_of_one_row")
    for words, bar in BARS.items():
        what = f"receipts settled, “{words}”; limit: webhooks that insert one row"
        ours, limits = statistics.median(found[words]), statistics.median(least)
        yield Figure(NAMES[words], ours, limits, bar, "a second", what, at_least=True)


def _a_line_of_its_own() -> None:
    from consent.models import Line
    from consent.vocabulary import Category

    Line.objects.exclude(number=LINE).update(category=Category.INFORMATIONAL)


def _opted_in(count: int) -> list[str]:
    from django.db import transaction

    from consent.models import Line
    from tests.make import make_opted_in

    line = Line.objects.get(number=LINE)
    first = 2_000_000 + secrets.randbelow(7_000_000)
    numbers = [f"+1206{first + place}" for place in range(count)]
    with transaction.atomic():
        for number in numbers:
            make_opted_in(line, number)
    return numbers


def _receive(numbers: list[str], words: str) -> None:
    from django.db import connection

    from messaging.models import Receipt

    for number in numbers:
        form = {"MessageSid": f"SM{secrets.token_hex(16)}", "From": number, "To": LINE, "Body": words, "NumMedia": "0"}
        Receipt.objects.keep(
            kind="inbound", provider_id=form["MessageSid"], number=number, raw=urlencode(form).encode()
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _settled_by_a_worker() -> float:
    """Seconds that a process of its own takes, as the task does it; its start is not counted."""
    from consent.models import Consent
    from messaging.models import Message, Receipt

    waited = Receipt.objects.unsettled().count()
    queued = Message.objects.filter(purpose="opt_out_confirmation", status="queued").count()
    out = Consent.objects.filter(status="opted_out").count()
    environment = {**os.environ, "DATABASE_URL": database_url()}
    command = [sys.executable, "-m", "tests.benchmarks.settle", "--work"]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    told = json.loads(done.stdout)
    assert not Receipt.objects.unsettled().exists() and not Receipt.objects.exclude(error="").exists()
    if told["stops"]:
        assert Consent.objects.filter(status="opted_out").count() == out + waited
        assert Message.objects.filter(purpose="opt_out_confirmation", status="queued").count() == queued + waited
    return float(told["seconds"])


def work() -> None:
    """In the worker's process."""
    prepare()
    from django.conf import settings

    from messaging import inbound
    from messaging.models import Message, Receipt

    stops = b"Body=STOP" in bytes(Receipt.objects.unsettled().values_list("raw", flat=True)[0])
    Message.objects.first()
    began = time.perf_counter()
    inbound.settle_waiting(settings.SETTLE_THREADS)
    print(json.dumps({"seconds": time.perf_counter() - began, "stops": stops}))


if __name__ == "__main__":
    if "--work" in sys.argv:
        work()
    else:
        run(measure, __doc__)
