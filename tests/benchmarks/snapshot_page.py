"""The preview page of the snapshot with 1,000,000 consents: python -m tests.benchmarks.snapshot_page [--json]

Unfiltered, as the menu opens it. The limit is the same page with 1,000 consents, in the same run. On PostgreSQL.
"""

from collections.abc import Iterator

from tests.benchmarks import ground
from tests.benchmarks.ground import Figure

FEW, MANY = 200, 200_000
RUNS = 15


def seconds(contacts: int) -> float:
    from django.test import Client
    from django.urls import reverse

    from consent.models import User
    from tests.make import make_supervisor

    ground.use_consents(contacts)
    client = Client()
    client.force_login(User.objects.filter(username="bench").first() or make_supervisor("bench"))

    def page() -> None:
        answer = client.get(reverse("admin:reporting_snapshot"))
        assert answer.status_code == 200 and answer.content.count(b"<tr") > 50

    return ground.median_seconds(page, RUNS)


def measure() -> Iterator[Figure]:
    from django.test.utils import setup_test_environment

    setup_test_environment()
    few, many = seconds(FEW), seconds(MANY)
    yield Figure("snapshot_page", many, few, 2.0, "s", "preview of 1,000,000 consents, limit that of 1,000")


if __name__ == "__main__":
    ground.run(measure, __doc__)
