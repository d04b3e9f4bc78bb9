"""/metrics without a gateway in front; behind it the gateway answers, with its own figures too."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from apikeys.figures import SQL, render
from momentry.common.access import access_of
from momentry.common.errors import MomentryError
from momentry.common.handlers import problem_response
from momentry.common.scopes import holds

SCOPE = "metrics:read"


def metrics(request: HttpRequest) -> HttpResponse:
    """Needs ``metrics:read``; a staff session does not count here."""
    access = access_of(request)
    if not access.actor:
        return problem_response(MomentryError("missing_key"))
    if not holds(access.scopes, SCOPE):
        detail = f"This needs the scope {SCOPE}."
        return problem_response(MomentryError("insufficient_scope", detail, scope=SCOPE))
    with connection.cursor() as cursor:
        cursor.execute(SQL)
        rows = cursor.fetchall()
    return HttpResponse(render(rows), content_type=CONTENT_TYPE_LATEST)
