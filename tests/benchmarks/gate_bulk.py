"""The gate's answer with its facts for 10,000 numbers in one go: python -m tests.benchmarks.gate_bulk [--json]

The limit is one statement through Django's cursor that joins the same numbers with contacts and their consent: about
76 ms. The bar is 200 ms on such a machine.
"""

from collections.abc import Iterator

from tests.benchmarks import gate_ground, ground
from tests.benchmarks.ground import Figure

BAR = 200 / 76
QUESTIONS = 10_000
JOIN = """SELECT n.number, k.status, k.level, k.opted_out_at FROM unnest(%s::text[]) AS n (number)
LEFT JOIN consent_contact c ON c.number = n.number
LEFT JOIN consent_consent k ON k.contact_id = c.id AND k.line_id = %s"""


def measure() -> Iterator[Figure]:
    from django.db import connection

    from consent import gate
    from consent.models import Line
    from messaging import facts

    gate_ground.use_gate_ground()
    numbers = gate_ground.numbers(QUESTIONS)
    line = Line.objects.order_by("pk")[0]

    def join() -> None:
        with connection.cursor() as cursor:
            cursor.execute(JOIN, [numbers, line.pk])
            assert len(cursor.fetchall()) == QUESTIONS

    def answer() -> None:
        found = facts.gather_bulk(line, numbers)
        assert len([gate.decide(found[number]) for number in numbers]) == QUESTIONS

    limit, ours = ground.median_seconds(join, runs=9), ground.median_seconds(answer, runs=9)
    yield Figure("gate_bulk", ours * 1000, limit * 1000, BAR, "ms", "gate with its facts for 10,000 numbers")


if __name__ == "__main__":
    ground.run(measure, __doc__)
