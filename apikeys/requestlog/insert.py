"""Django's own request log row, for requests that came without the gateway."""

from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse

from apikeys.gate.verdict import Verdict
from apikeys.requestlog import row
from momentry.common import request_id
from momentry.common.handlers import ProblemResponse

INSERT = (
    f"INSERT INTO {row.TABLE} ({', '.join(row.COLUMNS)}) "  # noqa: S608  only our own names
    f"VALUES ({', '.join(['%s'] * len(row.COLUMNS))})"
)
ENSURE_PARTITION = "SELECT momentry_request_log_partition(%s)"


def insert_row(
    request: HttpRequest, response: HttpResponse, verdict: Verdict, at: datetime, total_ms: float
) -> None:
    """Never raises for a database fault: the answer is already made, only the row is lost."""
    values = log_row(request, response, verdict, at, total_ms)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(ENSURE_PARTITION, [at.date()])
            cursor.execute(INSERT, values)
    except DatabaseError:
        return


def log_row(
    request: HttpRequest, response: HttpResponse, verdict: Verdict, at: datetime, total_ms: float
) -> row.LogRow:
    match = request.resolver_match
    return row.LogRow(
        ts=at,
        id=UUID(request_id.current.get()),
        method=(request.method or "")[:16],
        path=request.path[: row.PATH_LENGTH],
        status=response.status_code,
        key_id=verdict.key_id,
        member_id=verdict.member_id,
        operation=match.route[:100] if match else "",
        code=response.code if isinstance(response, ProblemResponse) else "",
        total_ms=total_ms,
        bytes_in=len(request.body),
        bytes_out=0 if response.streaming else len(response.content),
        client_address=request.META.get("REMOTE_ADDR") or None,
        user_agent=request.headers.get("User-Agent", "")[: row.USER_AGENT_LENGTH],
    )
