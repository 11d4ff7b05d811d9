"""The gate's answer with its facts for 10,000 numbers in one go: python -m tests.benchmarks.gate_bulk [--json]

The bar is 200 ms on two cores. Beside it stands what one statement through Django's cursor takes that joins the same
numbers with contacts and their consent.
"""

from collections.abc import Iterator

from tests.benchmarks import gate_ground, ground
from tests.benchmarks.ground import Figure

BAR_SECONDS = 0.2
QUESTIONS = 10_000
JOIN = """SELECT n.number, k.status, k.level, k.opted_out_at FROM unnest(%s::text[]) AS n (number)
LEFT JOIN consent_contact c ON c.number = n.number
LEFT JOIN consent_consent k ON k.contact_id = c.id AND k.line_id = %s"""


def measure() -> Iterator[Figure]:
    from django.db import connection

    from consent.models import Line
    from messaging import api_checks

    gate_ground.use_gate_ground()
    numbers = gate_ground.numbers(QUESTIONS)
    line = Line.objects.order_by("pk")[0]

    def join() -> None:
        with connection.cursor() as cursor:
            cursor.execute(JOIN, [numbers, line.pk])
            assert len(cursor.fetchall()) == QUESTIONS

    def answer() -> None:
        assert len(api_checks.check_all(line, numbers)) == QUESTIONS

    joined, ours = ground.median_seconds(join, runs=9), ground.median_seconds(answer, runs=9)
    what = f"gate with its facts for 10,000 numbers, where a join takes {joined * 1000:.0f} ms"
    yield Figure("gate_bulk", ours * 1000, BAR_SECONDS * 1000, 1.0, "ms", what)


if __name__ == "__main__":
    ground.run(measure, __doc__)
