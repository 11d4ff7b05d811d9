"""The snapshot of a past instant, 3,000,000 ledger entries: python -m tests.benchmarks.snapshot_as_of [--json]

Two of five lines, 400,000 rows out of 1,200,000 entries, as CSV over HTTP. The limit is psql with COPY of the same
query, in the same run. On PostgreSQL.
"""

import datetime as dt
from collections.abc import Iterator

from tests.benchmarks import ground
from tests.benchmarks.ground import Figure
from tests.benchmarks.snapshot_csv import CONTACTS, get


def measure() -> Iterator[Figure]:
    from django.db import connection

    from consent.models import LedgerEntry, Line
    from reporting import snapshot

    ground.use_consents(CONTACTS)
    lines = list(Line.objects.order_by("name")[:2])
    last = LedgerEntry.objects.latest("pk").recorded_at
    filters = snapshot.Filters(tuple(lines), as_of=last - dt.timedelta(days=5))
    statements = []
    for line in filters.lines:
        text, params = snapshot._select(filters, line, snapshot.Cells(guarded=True))
        statements.append(f"COPY ({connection.ops.compose_sql(text, params)}) TO STDOUT (FORMAT csv)")
    query = {"line": [line.number for line in lines], "as_of": (last - dt.timedelta(days=5)).isoformat()}
    key = ground.token()
    with ground.serving() as server:
        assert get(server, key, **query)[1] == 2 * CONTACTS
        ours = ground.median_seconds(lambda: get(server, key, **query))
        limit = ground.median_seconds(lambda: ground.psql(*statements))
    what = "past instant, 400,000 rows over HTTP, limit psql COPY"
    yield Figure("snapshot_as_of", ours, limit, 2.0, "s", what)


if __name__ == "__main__":
    ground.run(measure, __doc__)
