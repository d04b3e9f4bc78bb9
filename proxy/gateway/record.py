"""What remains of an exchange: its request log row and its figures."""

from time import monotonic
from typing import TYPE_CHECKING, Final

from apikeys.requestlog.row import ERROR_DETAIL_LENGTH, PATH_LENGTH, USER_AGENT_LENGTH, LogRow
from proxy.gateway.metrics import BYTES_IN, BYTES_OUT, IN_FLIGHT
from proxy.gateway.paths import Kind

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

KINDS: Final = {Kind.PROXY: "proxy", Kind.V1: "proxy", Kind.API: "api", Kind.KEYS_VERIFY: "api"}
UNLOGGED: Final = frozenset((Kind.HEALTH, Kind.READY, Kind.METRICS))
OPERATION_LENGTH: Final = 100


def write(exchange: "Exchange") -> None:
    """Called once, at the end."""
    core = exchange.core
    counts = core.metrics.counts
    elapsed = monotonic() - exchange.started
    counts[IN_FLIGHT] -= 1
    counts[BYTES_IN] += exchange.bytes_in
    counts[BYTES_OUT] += exchange.bytes_out
    kind = exchange.route.kind
    core.metrics.count_request(KINDS.get(kind, "other"), exchange.status, int(elapsed * 1e6))
    if kind not in UNLOGGED and (
        kind is not Kind.OPEN or exchange.head.path.startswith(b"/api/v1/")
    ):
        core.log.append(row_of(exchange, elapsed))


def row_of(exchange: "Exchange", elapsed: float) -> LogRow:
    head, verdict = exchange.head, exchange.verdict
    began = exchange.first_byte
    return LogRow(
        ts=exchange.at,
        id=exchange.id,
        method=head.method.decode(),
        path=head.path[:PATH_LENGTH].decode("latin-1"),
        status=exchange.status,
        key_id=verdict.key_id if verdict else None,
        member_id=verdict.member_id if verdict else None,
        upstream=exchange.route.slug.decode(),
        target=exchange.target.name if exchange.target else "",
        operation=exchange.operation[:OPERATION_LENGTH],
        code=exchange.code,
        error_detail=exchange.detail[:ERROR_DETAIL_LENGTH],
        first_byte_ms=None if began is None else (began - exchange.started) * 1000,
        total_ms=elapsed * 1000,
        bytes_in=exchange.bytes_in,
        bytes_out=exchange.bytes_out,
        client_address=exchange.who.address,
        user_agent=user_agent(exchange),
    )


def user_agent(exchange: "Exchange") -> str:
    for name, value in exchange.head.headers:
        if name == b"user-agent":
            return value[:USER_AGENT_LENGTH].decode("latin-1")
    return ""
