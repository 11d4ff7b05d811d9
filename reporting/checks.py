"""System checks about reports: reporting.W… should be looked at."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError
from django.db.models import Count
from django.utils import timezone

from consent.vocabulary import Status


@register(Tags.database)
def figures_are_right(databases: Iterable[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """The dashboard's counts against the consents themselves. Reads all of them, by their index."""
    from consent.models import Consent
    from reporting import figures

    if not databases:
        return []
    try:
        found = figures.read(timezone.localdate())
        counted = Consent.objects.order_by().values_list("status").annotate(number=Count("pk"))
        wrong = Counter(dict(counted)) != Counter({status.value: found.status(status) for status in Status})
    except DatabaseError:
        return []  # not migrated yet
    if not wrong or found.behind:
        return []
    return [
        Warning(
            "The dashboard's counts differ from the consents: somebody wrote to the tables past the ledger.",
            hint="Run manage.py verify_ledger, then manage.py recount_figures.",
            id="reporting.W001",
        )
    ]
