"""The rows of an import that were refused, as a file: as they stood, with what is wrong with each.

Read from the file itself, so nothing of them is kept twice. Put right, it can be imported as it is: the columns are
called the same.
"""

import csv
import heapq
import io
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from consent.spreadsheets import guarded
from messaging.importing import batches, kept
from messaging.models import ImportBatch

ROW, WHY = "Row in the file", "Why it was refused"
_BLOCK = 64 * 1024


def there_are(batch: ImportBatch) -> bool:
    """There is something to fetch."""
    counts = batch.counts if batch.importing else batch.check_counts
    return bool(counts.get("refused")) and batch.file_kept_until is not None


def blocks(batch: ImportBatch) -> Iterator[bytes]:
    """The file, CSV for spreadsheets, in constant memory. Raises SheetError where the import's own file is gone."""
    kept.checked(batch)
    return _blocks(batch)


def _blocks(batch: ImportBatch) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    text.write("\ufeff")
    writer.writerow(map(guarded, [ROW, WHY, *batch.headings]))
    rows = batches.rows(batch)
    for number, whys in _reasons(batch):
        row = next((row for row in rows if row.number == number), None)
        if row is None:
            break
        writer.writerow([number, guarded(" ".join(whys)), *map(guarded, row.cells)])
        if text.tell() > _BLOCK:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _reasons(batch: ImportBatch) -> Iterator[tuple[int, list[str]]]:
    """Every refused row with its reasons, in the order of the file, which was gone through once or twice."""
    per_pass = defaultdict(list)
    chunks = batch.chunks.filter(checking=not batch.importing)
    for first in chunks.exclude(refused=[]).values_list("first", flat=True):
        per_pass[first // batch.rows if batch.rows else 0].append(first)
    ways = [_of(batch, firsts) for firsts in per_pass.values()]
    for number, found in groupby(heapq.merge(*ways), key=itemgetter(0)):
        yield number, list(dict.fromkeys(why for _, _, why in found))


def _of(batch: ImportBatch, firsts: list[int]) -> Iterator[tuple[int, str, str]]:
    for first in sorted(firsts):
        chunk = batch.chunks.get(checking=not batch.importing, first=first)
        yield from sorted(map(tuple, chunk.refused))
