"""One request log row as plain values: the columns, in the order COPY and INSERT send them."""

from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, NamedTuple
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
# What PostgreSQL calls the columns' types: COPY in its binary format takes no others.
TYPES: Final = (
    "timestamptz", "uuid", "varchar", "varchar", "int2", "uuid", "uuid", *("varchar",) * 6,
    "float8", "float8", *("int8",) * 7, "varchar", "inet", "varchar",
)  # fmt: skip


class Id:
    """All of a UUID that psycopg looks at; one made of its text costs three times as much."""

    __slots__ = ("int",)

    def __init__(self, text: str) -> None:
        self.int = int(text.replace("-", ""), 16)


def as_sent(row: LogRow) -> tuple[Any, ...]:
    """The row's values as objects of the kinds that psycopg packs for TYPES."""
    ts, given, *most, address, agent = row
    known = Id(given) if isinstance(given, str) else given
    return (ts, known, *most, address_of(address) if address else None, agent)


@lru_cache(maxsize=1024)
def address_of(text: str) -> IPv4Address | IPv6Address:
    """Of a few clients that come again and again."""
    return ip_address(text)
