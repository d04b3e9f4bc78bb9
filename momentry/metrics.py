"""/metrics without a gateway in front; behind it the gateway answers, with its own figures too."""

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from redis import Redis
from redis.exceptions import RedisError

from apikeys.figures import COUNTED, LIVE, Row, render, valkey_rows
from momentry.common.access import access_of
from momentry.common.errors import MomentryError
from momentry.common.handlers import problem_response
from momentry.common.scopes import holds

SCOPE: Final = "metrics:read"
QUEUE: Final = "celery"
VALKEY_SECONDS: Final = 0.25
NAMED: Final = ("used_memory", "maxmemory")


def metrics(request: HttpRequest) -> HttpResponse:
    """Needs ``metrics:read``; a staff session does not count here."""
    access = access_of(request)
    if not access.actor:
        return problem_response(MomentryError("missing_key"))
    if not holds(access.scopes, SCOPE):
        detail = f"This needs the scope {SCOPE}."
        return problem_response(MomentryError("insufficient_scope", detail, scope=SCOPE))
    rows = [*database_rows(), *valkey()]
    return HttpResponse(render(rows), content_type=CONTENT_TYPE_LATEST)


def database_rows() -> Iterator[Row]:
    with connection.cursor() as cursor:
        for statement in (COUNTED, LIVE):
            cursor.execute(statement)
            yield from cursor.fetchall()


def valkey() -> list[Row]:
    times: dict[str, Any] = dict.fromkeys(
        ("socket_timeout", "socket_connect_timeout"), VALKEY_SECONDS
    )
    try:
        with Redis.from_url(settings.REDIS_URL, **times) as client:
            found = client.info("memory")
            waiting = client.llen(QUEUE)
    except (RedisError, OSError):
        return list(valkey_rows(None, None))
    info = "\n".join(f"{name}:{value}" for name, value in found.items() if name in NAMED)
    return list(valkey_rows(info, waiting))
