"""The way of an admitted request: target, head, connection, to an upstream or to Django."""

import time
from typing import TYPE_CHECKING, Final

from apikeys.gate import decision
from apikeys.gate.verdict import Verdict
from proxy.gateway.hygiene import Caller, to_django, to_upstream
from proxy.gateway.metrics import RETRIES, RETRIES_REFUSED
from proxy.gateway.own import guarded
from proxy.gateway.pool import PoolBusyError
from proxy.gateway.response import ResponseHead
from proxy.gateway.upgrade import nonce_of, switching

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange
    from proxy.gateway.facts import Facts

DJANGO_MAX_BODY: Final = 10 << 20  # bytes; Django keeps a body whole before it looks at it
CODE_LENGTH: Final = 40
TOO_LARGE: Final = "The upstream's answer is larger than it may be."
SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))


def forward_to_upstream(exchange: "Exchange") -> None:
    table = exchange.core.table
    upstream = table.get(exchange.route.slug)
    if upstream is None:
        exchange.fail("upstream_unknown" if table.version else "not_ready")
        return
    exchange.upstream = upstream
    if (exchange.head.content_length or 0) > upstream.max_body:
        exchange.fail("body_too_large")
        return
    target = upstream.choose()
    if target is None:
        exchange.fail("upstream_unavailable")
        return
    exchange.target = target
    exchange.max_body = upstream.max_body
    exchange.max_response = upstream.max_response
    exchange.timeouts = (upstream.connect, upstream.first_byte, upstream.idle)
    exchange.total_deadline = exchange.core.loop.time() + upstream.total
    exchange.pool = exchange.core.pool(target.endpoint)
    exchange.block = to_upstream(
        exchange.head, exchange.route.rest, target.destination, caller(exchange)
    )
    if nonce := nonce_of(exchange.head):
        exchange.nonce = nonce
        exchange.block = switching(exchange.block)
    take_connection(exchange)


def forward_to_django(exchange: "Exchange") -> None:
    verdict = exchange.verdict
    if (exchange.head.content_length or 0) > DJANGO_MAX_BODY:
        exchange.fail("body_too_large")
        return
    exchange.max_body = DJANGO_MAX_BODY
    signed = b"" if verdict is None else sign(exchange, verdict)
    exchange.pool = exchange.core.django
    exchange.block = to_django(
        exchange.head,
        caller(exchange),
        judged=verdict.credential if verdict else b"",
        decision=signed,
    )
    exchange.gather()


def caller(exchange: "Exchange") -> Caller:
    verdict = exchange.verdict
    member = verdict.member_id if verdict else None
    key = verdict.key_id if verdict else None
    return Caller(
        exchange.id.encode(),
        exchange.who,
        user_id=str(member).encode() if member else b"",
        key_id=str(key).encode() if key else b"",
    )


def sign(exchange: "Exchange", verdict: Verdict) -> bytes:
    head = exchange.head
    target = head.path + b"?" + head.query if head.query else head.path  # as ASGI has it: no bare ?
    made = decision.Decision(
        request_id=exchange.id,
        issued_at=time.time(),
        method=head.method.decode(),
        target=target.decode("latin-1"),
        client=exchange.who.address,
        verdict=verdict,
    )
    return decision.sign(made, exchange.core.decision_key)


def take_connection(exchange: "Exchange") -> None:
    """An idle connection at once, without a task; else one must be made or waited for."""
    side = exchange.pool.take()
    if side is None:
        connect_beside(exchange)
    else:
        exchange.attach(side)


def connect_beside(exchange: "Exchange") -> None:
    exchange.connecting = exchange.core.spawn(connect(exchange))


def retry(exchange: "Exchange") -> bool:
    """Once more, on a fresh connection? Only what changes nothing and met a kept connection's end,
    and not if too many others do so already."""
    head, counts = exchange.head, exchange.core.metrics.counts
    if not exchange.reused or exchange.retried or head.method not in SAFE or head.has_body:
        return False
    if not exchange.pool.may_retry():
        counts[RETRIES_REFUSED] += 1
        return False
    counts[RETRIES] += 1
    exchange.pool.retries += 1
    exchange.retried = True
    exchange.request_sent = False
    connect_beside(exchange)
    return True


async def connect(exchange: "Exchange") -> None:
    await guarded(exchange, attach_fresh(exchange))


async def attach_fresh(exchange: "Exchange") -> None:
    try:
        side = await exchange.pool.acquire(exchange.timeouts[0])
    except (PoolBusyError, TimeoutError, OSError) as error:
        exchange.connecting = None
        exchange.fail(*connect_failure(exchange, error))
        return
    exchange.connecting = None
    if side.is_open():
        exchange.attach(side)
    else:
        exchange.upstream_lost(untouched=False)


def connect_failure(exchange: "Exchange", error: Exception) -> tuple[str, str]:
    """(code, detail); which address failed how is nothing a client must know."""
    if isinstance(error, PoolBusyError):
        return "upstream_busy", "Too many requests wait for this upstream."
    if exchange.target is None:
        return "not_ready", "The application does not answer."
    if isinstance(error, TimeoutError):
        return "upstream_timeout", "The upstream did not accept a connection in time."
    return "upstream_unreachable", ""


def read_django(exchange: "Facts", response: ResponseHead) -> None:
    """What Django says to us alone: the operation, the code, and whether the call was free."""
    for name, value in response.headers:
        if name == b"x-momentry-operation":
            exchange.operation = value.decode("latin-1")
        elif name == b"x-momentry-code":
            exchange.code = value.decode("latin-1")[:CODE_LENGTH]
        elif name == b"x-momentry-charge":
            exchange.free = response.status == 403 and value == b"0"
