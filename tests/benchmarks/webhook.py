"""How fast a contact's text is answered with 200, its receipt stored: python -m tests.benchmarks.webhook [--json]

Against a Django view on the same server that verifies the signature and inserts one row, in the same run; the bar is
0.6 of its throughput. And at half of our own throughput 99 of 100 answers take at most 50 ms. Every 200 stands for a
receipt on disk: PostgreSQL commits synchronously, and the receipts are counted. Takes about a minute.
"""

import os
import secrets
import statistics
import sys
from collections.abc import Iterator

from tests.benchmarks.client import post
from tests.benchmarks.ground import Figure, run, serving, use_consents

BAR, BAR_SECONDS = 0.6, 0.05
CONTACTS = 1_000
WEBHOOKS, RUNS = 3_000, 5
TOKEN = "a-token-of-the-benchmark"


def measure() -> Iterator[Figure]:
    from django.conf import settings
    from django.db import connection
    from redis import Redis

    from messaging.models import Receipt
    from tests.benchmarks import limit

    use_consents(CONTACTS)
    prefix = f"benchmark-{secrets.token_hex(4)}"
    os.environ.update(TWILIO_AUTH_TOKEN=TOKEN, TWILIO_ACCOUNT_SID="AC" + "0" * 32, SIMULATOR="false")
    os.environ.update(TWILIO_BASE_URL="http://127.0.0.1:9", QUEUE_PREFIX=prefix)
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        print(f"synchronous_commit is {cursor.fetchone()[0]}", file=sys.stderr)
        cursor.execute(limit.TABLE)
    least, ours = [], []
    stored = Receipt.objects.count()
    try:
        with serving("tests.benchmarks.limit") as bare, serving() as optline:
            for place in range(RUNS + 1):
                for port, found in ((bare.port, least), (optline.port, ours)):
                    load = post(port=port, token=TOKEN, count=WEBHOOKS)
                    if place:  # the first fills caches
                        found.append(load.per_second)
            rate = statistics.median(ours) / 2
            late = post(port=optline.port, token=TOKEN, count=int(rate * 10), rate=rate)
        assert Receipt.objects.count() - stored == WEBHOOKS * (RUNS + 1) + len(late.took)
        yield Figure(
            "webhook", statistics.median(ours), statistics.median(least), BAR, "a second",
            "webhooks answered, receipt on disk; limit: one row", at_least=True,
        )  # fmt: skip
        yield Figure(
            "webhook_p99", late.slowest_of_100(), BAR_SECONDS, 1, "s", f"99 of 100 answers at {rate:.0f} a second"
        )
    finally:
        Receipt.objects.filter(settled_at=None).delete()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE benchmark_of_one_row")
        redis = Redis.from_url(settings.REDIS_URL)
        if left := list(redis.scan_iter(f"{prefix}:*")):
            redis.delete(*left)


if __name__ == "__main__":
    run(measure, __doc__)
