"""A gate check of 10,000 numbers over HTTP: python -m tests.benchmarks.check_bulk_http [--json]

The limit is psql with one statement that joins the same numbers with contacts and their consent, in the same run. The
bar is five times that.
"""

import http.client
import json
from collections.abc import Iterator

from tests.benchmarks import gate_ground, ground
from tests.benchmarks.ground import Figure

QUESTIONS = 10_000
JOIN = """SELECT n.number, k.status, k.level, k.opted_out_at FROM unnest('{{{numbers}}}'::text[]) AS n (number)
LEFT JOIN consent_contact c ON c.number = n.number
LEFT JOIN consent_consent k ON k.contact_id = c.id AND k.line_id = {line}"""


def measure() -> Iterator[Figure]:
    from consent.models import Line

    gate_ground.use_gate_ground()
    numbers = gate_ground.numbers(QUESTIONS)
    line = Line.objects.order_by("pk")[0]
    key = ground.token()
    headers = {"Authorization": f"Token {key}", "Content-Type": "application/json"}
    body = json.dumps({"line": line.number, "phones": numbers})
    statement = JOIN.format(numbers=",".join(numbers), line=line.pk)
    with ground.serving() as server:

        def check() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
            connection.request("POST", "/api/v1/consents/check/", body, headers)
            answer = connection.getresponse()
            found = answer.read()
            assert answer.status == 200, found[:500]
            assert found.count(b'"verdict"') == QUESTIONS
            connection.close()

        ours = ground.median_seconds(check, runs=9)
        # From standard input: as an argument it would be too long for the shell.
        limit = ground.median_seconds(lambda: ground.psql_input(statement), runs=9)
    yield Figure("check_bulk_http", ours * 1000, limit * 1000, 5.0, "ms", "check of 10,000 numbers over HTTP")


if __name__ == "__main__":
    ground.run(measure, __doc__)
