"""Request log rows as COPY takes them in its binary format. Pure.

What psycopg would make of their values, for a third of the time: it looks up how to pack each of
them, and here it is known of every column.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from struct import Struct
from typing import Final
from uuid import UUID

from apikeys.requestlog.row import LogRow

BEGIN: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END: Final = b"\xff\xff"

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's
COLUMNS: Final = len(LogRow._fields)
# Each value comes after its size; -1 is NULL.
NULL: Final = b"\xff\xff\xff\xff"
SIZE: Final = Struct("!i").pack
FIRST: Final = Struct("!hiqi16s").pack  # number of columns, ts, id
SMALL: Final = Struct("!ih").pack
INTEGER: Final = Struct("!iq").pack
INTEGERS: Final = Struct("!iqiq").pack
FLOAT: Final = Struct("!id").pack
FLOATS: Final = Struct("!idid").pack
STATUS_AND_IDS: Final = Struct("!ihi16si16s").pack
UNKNOWN: Final = (None,) * 5  # tokens and cost
NOT_USED: Final = NULL * 5
EMPTY: Final = SIZE(0)

MOST: Final = 1024
TEXTS: Final[dict[str, bytes]] = {}


def packed(rows: list[LogRow]) -> bytes:
    """Raises ValueError, OverflowError or struct.error for what no column could hold."""
    parts: list[bytes] = []
    for row in rows:
        pack(parts, row)
    return b"".join(parts)


def pack(parts: list[bytes], row: LogRow) -> None:
    (
        ts, id_, method, path, status, key, member, upstream, target, operation, model, code,
        detail, first, total, bytes_in, bytes_out, tokens_in, tokens_out, cached,
        reasoning, cost, source, address, agent,
    ) = row  # fmt: skip
    since = ts - EPOCH
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    parts.append(FIRST(COLUMNS, 8, microseconds, 16, id_bytes(id_)))
    parts.append(text(method))
    parts.append(long_text(path))
    if key is not None and member is not None:
        parts.append(STATUS_AND_IDS(2, status, 16, id_bytes(key), 16, id_bytes(member)))
    else:
        parts.append(SMALL(2, status) + id_or_null(key) + id_or_null(member))
    parts.append(text(upstream))
    parts.append(text(target))
    parts.append(text(operation))
    parts.append(text(model))
    parts.append(text(code))
    parts.append(long_text(detail))
    if first is not None and total is not None:
        parts.append(FLOATS(8, first, 8, total))
    else:
        parts.append(float_or_null(first) + float_or_null(total))
    parts.append(INTEGERS(8, bytes_in, 8, bytes_out))
    usage = (tokens_in, tokens_out, cached, reasoning, cost)
    parts.append(NOT_USED if usage == UNKNOWN else integers(usage))
    parts.append(text(source))
    parts.append(inet(address) if address else NULL)
    parts.append(text(agent))


def integers(values: Sequence[int | None]) -> bytes:
    return b"".join([NULL if value is None else INTEGER(8, value) for value in values])


def id_bytes(value: UUID | str) -> bytes:
    """A UUID made of its text first would cost three times as much."""
    if isinstance(value, str):
        return bytes.fromhex(value.replace("-", ""))
    return value.int.to_bytes(16, "big")


def id_or_null(value: UUID | None) -> bytes:
    return NULL if value is None else SIZE(16) + id_bytes(value)


def float_or_null(value: float | None) -> bytes:
    return NULL if value is None else FLOAT(8, value)


def long_text(value: str) -> bytes:
    """Of those that differ from row to row."""
    if not value:
        return EMPTY
    made = value.encode()
    return SIZE(len(made)) + made


def text(value: str) -> bytes:
    """Of those that come again and again."""
    found = TEXTS.get(value)
    if found is None:
        found = long_text(value)
        if len(TEXTS) == MOST:
            TEXTS.clear()
        TEXTS[value] = found
    return found


@lru_cache(maxsize=MOST)
def inet(value: str) -> bytes:
    """Family as PostgreSQL numbers it, bits, "is a network", bytes of the address."""
    address = ip_address(value)
    family, size = (2, 4) if address.version == 4 else (3, 16)
    body = bytes((family, size * 8, 0, size)) + address.packed
    return SIZE(len(body)) + body
