"""The gate's answer with its facts, one at a time: python -m tests.benchmarks.gate [--json]

One in ten numbers is unknown; a third of the others is opted out. The limit is one round trip through Django's cursor
that finds a contact's status on a line by their number, over the same numbers in the same run: about 11,000 a second.
The bar is 5,000 answers a second on such a machine.
"""

import statistics
import time
from collections.abc import Callable, Iterator

from tests.benchmarks import gate_ground, ground
from tests.benchmarks.ground import Figure

BAR = 11_000 / 5_000
RUNS = 7
QUESTIONS = 3_000
_ROUND_TRIP = """SELECT k.status FROM consent_contact c LEFT JOIN consent_consent k
ON k.contact_id = c.id AND k.line_id = %s WHERE c.number = %s"""


def seconds_each(ask: Callable[[str], object], numbers: list[str]) -> float:
    """Median over several runs; the first, which fills caches, is not counted."""
    found = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        for number in numbers:
            ask(number)
        found.append((time.perf_counter() - start) / len(numbers))
    return statistics.median(found[1:])


def measure() -> Iterator[Figure]:
    from django.db import connection

    from consent import gate
    from consent.models import Line
    from messaging import facts

    gate_ground.use_gate_ground()
    numbers = gate_ground.numbers(QUESTIONS)
    line = Line.objects.order_by("pk")[0]

    def round_trip(number: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_ROUND_TRIP, [line.pk, number])
            cursor.fetchall()

    limit = seconds_each(round_trip, numbers)
    ours = seconds_each(lambda number: gate.decide(facts.gather(line, number)), numbers)
    yield Figure("gate", ours * 1e6, limit * 1e6, BAR, "µs", f"gate with its facts, {1 / ours:,.0f} a second")


if __name__ == "__main__":
    ground.run(measure, __doc__)
