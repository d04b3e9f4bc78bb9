"""Request log rows of what has no exchange: a head that cannot be read, a connection too many."""

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from apikeys.gate.forwarded import peer_address
from apikeys.requestlog.row import ERROR_DETAIL_LENGTH, PATH_LENGTH, LogRow
from momentry.common.ownkeys import without_keys
from proxy.gateway.answers import Answer

if TYPE_CHECKING:
    from proxy.gateway.connection import Connection

# As much of a request line as looks like one; after an authority the path may be left out.
LINE: Final = re.compile(
    rb"[\r\n]*+([A-Z]{1,16}) (?:https?://[^/?# \r\n]{0,300}+)?"
    rb"(/[^?# \r\n]{0,4096}|(?<! )(?=[? ]))",
    re.IGNORECASE,
)
UNPRINTABLE: Final = re.compile(rb"[^\x21-\x7e]")
LOOKED_AT: Final = 8192  # bytes of what came


def write(connection: "Connection", identity: str, answer: Answer, seen: bytes | bytearray) -> None:
    address = peer_address(connection.peer)
    make = partial(row_of, connection, identity, answer, bytes(seen[:LOOKED_AT]))
    connection.core.log.append_some(address, answer.status, answer.code, make)


def row_of(connection: "Connection", identity: str, answer: Answer, seen: bytes) -> LogRow:
    found = LINE.match(seen)
    method, path = (found[1], found[2] or b"/") if found else (b"", b"")
    return LogRow(
        ts=connection.core.now(),
        id=identity,
        method=method.decode(),
        path=without_keys(UNPRINTABLE.sub(b"?", path[:PATH_LENGTH]).decode()),
        status=answer.status,
        code=answer.code,
        error_detail=answer.detail[:ERROR_DETAIL_LENGTH],
        bytes_out=len(answer.body),
        client_address=peer_address(connection.peer) or None,
    )
