"""The snapshot as CSV over HTTP, 1,000,000 consents: python -m tests.benchmarks.snapshot_csv [--json]

Two of five lines, 400,000 rows. The limit is psql with COPY of the same query, in the same run. Then how long the first
rows take, and how much memory the serving process gains for 10,000 and for 1,000,000 rows. On PostgreSQL.
"""

import http.client
import time
from collections.abc import Iterator
from urllib.parse import urlencode

from tests.benchmarks import ground
from tests.benchmarks.ground import Figure, Server

CONTACTS = 200_000


def get(server: Server, key: str, first_rows: bool = False, **query: object) -> tuple[float, int]:
    """Seconds until the first rows (more than the heading) or the end, and rows."""
    path = f"/api/v1/reports/snapshot/?{urlencode({'as': 'csv', **query}, doseq=True)}"
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("GET", path, headers={"Authorization": f"Token {key}"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    answer.readline()
    rows, seconds = 0, 0.0
    while block := answer.read1(1 << 20):
        seconds = seconds or time.perf_counter() - start
        rows += block.count(b"\n")
    connection.close()
    return (seconds if first_rows else time.perf_counter() - start), rows


def measure() -> Iterator[Figure]:
    from django.db import connection

    from consent.models import Line
    from reporting import snapshot

    ground.use_consents(CONTACTS)
    lines = list(Line.objects.order_by("name")[:2])
    filters = snapshot.Filters(tuple(lines))
    numbers = [line.number for line in lines]
    statements = []
    for line in filters.lines:
        text, params = snapshot._select(filters, line, snapshot.Cells(guarded=True))
        statements.append(f"COPY ({connection.ops.compose_sql(text, params)}) TO STDOUT (FORMAT csv)")
    key = ground.token()
    with ground.serving() as server:
        get(server, key, line=numbers[0], search="nobody")  # what every first request loads
        for name, query in (("few", {"line": numbers, "search": "77"}), ("million", {})):
            before = server.resident()
            server.forget_peak()
            rows = get(server, key, **query)[1]
            gained = max(server.resident(peak=True) - before, 0.01)
            yield Figure(f"snapshot_csv_memory_{name}", gained, 30, 1.0, "MiB", f"memory gained for {rows:,} rows")
        ours = ground.median_seconds(lambda: get(server, key, line=numbers))
        limit = ground.median_seconds(lambda: ground.psql(*statements))
        yield Figure("snapshot_csv", ours, limit, 2.0, "s", "CSV of 400,000 rows over HTTP, limit psql COPY")
        first = sorted(get(server, key, first_rows=True, line=numbers)[0] for _ in range(9))[4]
        yield Figure(
            "snapshot_csv_first_rows", first, 0.25, 1.0, "s", "first rows of that file, limit a quarter second"
        )


if __name__ == "__main__":
    ground.run(measure, __doc__)
