"""/healthz (this process answers) and /readyz (the database answers and is migrated)."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from momentry.common.errors import MomentryError
from momentry.common.handlers import problem_response


def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    try:
        waiting = unapplied()
    except DatabaseError:
        return problem_response(MomentryError("database_unavailable"))
    if waiting:
        detail = f"{waiting} migrations are not applied; run `manage.py migrate`."
        return problem_response(MomentryError("not_ready", detail))
    return JsonResponse({"status": "ready"})


def unapplied() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
