"""A single gate check over HTTP: python -m tests.benchmarks.check_http [--json]

The limit is a view of Django REST framework that does nothing but look at the token, on the same server, asked by the
same four connections in the same run. The bar is half its requests a second.
"""

import http.client
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from tests.benchmarks import gate_ground, ground
from tests.benchmarks.ground import Figure

CONNECTIONS = 4
RUNS = 5
QUESTIONS = 600


def seconds_each(port: int, key: str, paths: list[str]) -> float:
    """For one of ``paths``, where several connections share them."""

    def ask(part: list[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for path in part:
            connection.request("GET", path, headers={"Authorization": f"Token {key}"})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
        connection.close()

    parts = [paths[first::CONNECTIONS] for first in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        start = time.perf_counter()
        list(pool.map(ask, parts))
        return (time.perf_counter() - start) / len(paths)


def measure() -> Iterator[Figure]:
    from consent.models import Line

    gate_ground.use_gate_ground()
    line = Line.objects.order_by("pk")[0]
    checks = [
        f"/api/v1/consents/check/?{urlencode({'line': line.number, 'phone': number})}"
        for number in gate_ground.numbers(QUESTIONS)
    ]
    key = ground.token()
    with ground.serving("tests.benchmarks.check_settings") as server:
        limits, ours = [], []
        for _ in range(RUNS + 1):  # in turn, so that what else the machine does meets both
            limits.append(seconds_each(server.port, key, ["/empty/"] * QUESTIONS))
            ours.append(seconds_each(server.port, key, checks))
    limit, us = statistics.median(limits[1:]), statistics.median(ours[1:])
    yield Figure("check_http", us * 1e6, limit * 1e6, 2.0, "µs", f"one check over HTTP, {1 / us:,.0f} a second")


if __name__ == "__main__":
    ground.run(measure, __doc__)
