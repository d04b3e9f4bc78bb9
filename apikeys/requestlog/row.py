"""One request log row as plain values: the columns, in the order COPY and INSERT send them."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

PATH_LENGTH = 2048
ERROR_DETAIL_LENGTH = 200
USER_AGENT_LENGTH = 256


class LogRow(NamedTuple):
    """Times in UTC, durations in milliseconds, sizes in bytes, cost in millionths.

    ``path`` has no query. ``None`` is "not known", never 0. ``usage_source`` is "", "reported",
    "estimated" or "aborted".
    """

    ts: datetime
    id: UUID | str
    method: str
    path: str
    status: int
    key_id: UUID | None = None
    member_id: UUID | None = None
    upstream: str = ""
    target: str = ""
    operation: str = ""
    model: str = ""
    code: str = ""
    error_detail: str = ""
    first_byte_ms: float | None = None
    total_ms: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_reasoning: int | None = None
    cost_micro: int | None = None
    usage_source: str = ""
    client_address: str | None = None
    user_agent: str = ""


TABLE = "apikeys_requestlog"
COLUMNS = LogRow._fields
