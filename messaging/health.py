"""For those who watch the processes: alive, and ready to keep what comes in."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from consent import triggers


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers. Touches nothing."""
    return JsonResponse({"ok": True})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 where webhooks can be kept and the ledger is protected, else 503 with what is wrong.

    A broker that is down is no reason to turn webhooks away: sweeps find the work when it is back.
    """
    found = problems()
    return JsonResponse({"ok": not found, "problems": found}, status=503 if found else 200)


def problems() -> list[dict[str, str]]:
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return [{"code": "migrations", "text": "The database is older than the code. Run manage.py migrate."}]
        if gone := triggers.missing(connection):
            return [
                {
                    "code": "triggers",
                    "text": f"The database does not protect the ledger ({', '.join(gone)}). Run manage.py migrate.",
                }
            ]
    except DatabaseError:
        return [{"code": "database", "text": "The database does not answer."}]
    return []
