"""Django's own request log row, for requests that came without the gateway."""

from datetime import UTC, datetime
from uuid import UUID

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException, UnreadablePostError

from apikeys.gate.verdict import Verdict
from apikeys.requestlog import row
from apikeys.requestlog.lastuse import TOUCH_SQL
from momentry.common import request_id
from momentry.common.handlers import ProblemResponse
from momentry.common.ownkeys import without_keys

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
        insert(values)
    except DatabaseError:
        return


def insert(values: row.LogRow) -> None:
    """One statement, unless the row is its day's first."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(INSERT, values)
    except IntegrityError:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(ENSURE_PARTITION, [values.ts.astimezone(UTC).date()])
            cursor.execute(INSERT, values)


def touch_key(key_id: UUID, at: datetime) -> None:
    """It was used. Written at most once a minute; never raises for a database fault."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(TOUCH_SQL, {"id": key_id, "at": at})
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
        path=without_keys(request.path[: row.PATH_LENGTH]),
        status=response.status_code,
        key_id=verdict.key_id,
        member_id=verdict.member_id,
        operation=match.route[:100] if match else "",
        code=response.code if isinstance(response, ProblemResponse) else "",
        total_ms=total_ms,
        bytes_in=received(request),
        bytes_out=0 if response.streaming else len(response.content),
        client_address=request.META.get("REMOTE_ADDR") or None,
        user_agent=without_keys(request.headers.get("User-Agent", "")[: row.USER_AGENT_LENGTH]),
    )


def received(request: HttpRequest) -> int:
    """Bytes of the body; as announced when it was too long to be read, or was read elsewhere."""
    try:
        return len(request.body)
    except (RequestDataTooBig, RawPostDataException, UnreadablePostError):
        return int(request.META.get("CONTENT_LENGTH") or 0)
