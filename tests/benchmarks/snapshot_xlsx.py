"""The snapshot as XLSX, 200,000 rows: python -m tests.benchmarks.snapshot_xlsx [--json]

The limit is XlsxWriter in constant memory writing the same cells, which lie in memory already. On PostgreSQL.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xlsxwriter

from tests.benchmarks import ground
from tests.benchmarks.ground import Figure

CONTACTS = 200_000


def written(rows: list[tuple[Any, ...]]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        xlsxwriter.Workbook(Path(folder) / "limit.xlsx", {"constant_memory": True}) as book,
    ):
        sheet = book.add_worksheet()
        for place, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if isinstance(cell, str):
                    sheet.write_string(place, column, cell)
                elif cell is not None:
                    sheet.write_number(place, column, cell)


def measure() -> Iterator[Figure]:
    from consent.models import Line
    from reporting import exports, snapshot
    from reporting.models import ReportRun

    ground.use_consents(CONTACTS)
    filters = snapshot.Filters((Line.objects.order_by("name")[0],))
    with snapshot.one_moment():
        rows = list(snapshot.rows(filters))
    assert len(rows) == CONTACTS

    def ours() -> None:
        run = exports.begin(filters, format=ReportRun.Format.XLSX, origin=ReportRun.Origin.COMMAND, user=None)
        for _ in exports.stream(run):
            pass

    mine = ground.median_seconds(ours, 3)
    limit = ground.median_seconds(lambda: written(rows), 3)
    yield Figure("snapshot_xlsx", mine, limit, 1.3, "s", "XLSX of 200,000 rows, limit XlsxWriter alone")


if __name__ == "__main__":
    ground.run(measure, __doc__)
