"""The attempts of one request: a connection, once more on a fresh one, on to another target.

A request goes on only when nothing of it was sent, or its method is idempotent and nothing was
answered (RFC 9110 §9.2.2). A body that began to go up is gone, so such a request never does.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from proxy.gateway.balance import choose
from proxy.gateway.facts import NEVER
from proxy.gateway.hygiene import Caller, to_upstream
from proxy.gateway.metrics import FAIL_OVERS, RETRIES, RETRIES_REFUSED
from proxy.gateway.own import guarded
from proxy.gateway.pool import PoolBusyError
from proxy.gateway.upgrade import switching
from proxy.gateway.upstreams import Target, Upstream

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange
    from proxy.gateway.facts import Facts

SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))
IDEMPOTENT: Final = SAFE | {b"PUT", b"DELETE"}
ENDED: Final = "The upstream closed the connection."


def aim(exchange: "Exchange", target: Target) -> None:
    """At this target, with the credential whose turn it is and the head that it gets."""
    if target.turns is not None:
        target = target.turns.take()
    leave_target(exchange)  # of a call that was to go the short way, and was looked at first
    exchange.target = target
    exchange.load = target.health
    target.health.enter(exchange)
    exchange.pool = exchange.core.pool(target.endpoint)
    block = to_upstream(exchange.head, exchange.route.rest, target.destination, caller(exchange))
    exchange.block = switching(block) if exchange.nonce else block


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


def take_connection(exchange: "Exchange") -> None:
    """An idle connection at once, without a task; else one must be made or waited for."""
    side = exchange.pool.take()
    if side is None:
        connect_beside(exchange)
    else:
        exchange.attach(side)


def connect_beside(exchange: "Exchange") -> None:
    exchange.connecting = exchange.core.spawn(connect(exchange))


async def connect(exchange: "Exchange") -> None:
    await guarded(exchange, attach_fresh(exchange))


async def attach_fresh(exchange: "Exchange") -> None:
    try:
        side = await exchange.pool.acquire(exchange.timeouts[0])
    except (PoolBusyError, TimeoutError, OSError) as error:
        exchange.connecting = None
        code, detail = connect_failure(exchange, error)
        if not isinstance(error, PoolBusyError):
            note_failure(exchange, "no connection", provable=True)
    else:
        exchange.connecting = None
        if side.is_open():
            exchange.attach(side)
            return
        code, detail = "upstream_failed", ENDED
        note_failure(exchange, "connection closed")
    if not move(exchange):
        exchange.fail(code, detail)


def connect_failure(exchange: "Exchange", error: Exception) -> tuple[str, str]:
    """(code, detail); which address failed how is nothing a client must know."""
    if isinstance(error, PoolBusyError):
        return "upstream_busy", "Too many requests wait for this upstream."
    if exchange.target is None:
        return "not_ready", "The application does not answer."
    if isinstance(error, TimeoutError):
        return "upstream_timeout", "The upstream did not accept a connection in time."
    return "upstream_unreachable", ""


def note_failure(exchange: "Exchange", reason: str, *, provable: bool = False) -> None:
    """The target's fault. ``provable``: a probe would meet it too."""
    target, upstream = exchange.target, exchange.upstream
    if target is not None and upstream is not None:
        provable = provable or bool(upstream.health_path)
        now = exchange.core.loop.time()
        target.health.failed(reason, now, provable=provable, request=exchange)


def after_loss(exchange: "Exchange", *, untouched: bool) -> bool:
    """The connection ended. ``untouched``: not a byte of an answer had come; a kept one may end so
    at any time, which says nothing of its target. True: the request goes on."""
    if not (untouched and exchange.reused):
        note_failure(exchange, "connection closed")
    elif repeat(exchange):
        return True
    return untouched and may_repeat(exchange) and move(exchange)


def may_repeat(exchange: "Exchange") -> bool:
    return exchange.head.method in IDEMPOTENT and not exchange.head.has_body


def repeat(exchange: "Exchange") -> bool:
    """Once more, on a fresh connection to the same target? Only what changes nothing, and not if
    too many others do so already."""
    counts = exchange.core.metrics.counts
    if exchange.retried or exchange.head.method not in SAFE or exchange.head.has_body:
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


def move(exchange: "Exchange") -> bool:
    """On to a target that it was not at, as soon as the upstream's budget has room for it."""
    upstream, target = exchange.upstream, exchange.target
    if upstream is None or target is None or len(exchange.tried) >= upstream.max_retries:
        return False
    tried = (*exchange.tried, target.id)
    if all(other.id in tried for other in open_to(exchange, upstream)):
        return False
    if exchange.held is None:  # else all or some of it waits here, and nothing went up
        exchange.request_sent = False
    if exchange.tried:  # it has its place among those that moved
        return go_on(exchange)
    exchange.deadline = exchange.core.loop.time() + upstream.connect
    active = sum(other.health.load for other in upstream.targets)
    upstream.budget.ask(active, lambda: go_on(exchange))
    return True


def open_to(exchange: "Exchange", upstream: Upstream) -> Sequence[Target]:
    """The targets that serve the model it names; all of them where that does not matter."""
    within = exchange.within
    if within is None:
        return upstream.targets
    return [target for target in upstream.targets if target.name in within]


def go_on(exchange: "Exchange") -> bool:
    """At another target; False when the exchange is over meanwhile."""
    upstream, target = exchange.upstream, exchange.target
    if exchange.over or upstream is None or target is None:
        return False
    tried = (*exchange.tried, target.id)
    left = [other for other in open_to(exchange, upstream) if other.id not in tried]
    chosen = choose(left, exchange.core.loop.time())
    if chosen is None:
        return False
    exchange.core.metrics.counts[FAIL_OVERS] += 1
    leave_target(exchange)
    exchange.tried = tried
    exchange.deadline = NEVER
    aim(exchange, chosen)
    take_connection(exchange)
    return True


def leave_target(exchange: "Facts") -> None:
    """It is no load to the target any more, and none of those that repeat there."""
    if exchange.retried:
        exchange.retried = False
        exchange.pool.retries -= 1
    if exchange.load is not None:
        exchange.load.leave(exchange)
        exchange.load = None


def end(exchange: "Facts") -> None:
    """Called once: it is over, or as good as over."""
    leave_target(exchange)
    if exchange.tried:
        arrived(exchange)


def arrived(exchange: "Facts") -> None:
    """One that moved is answered: its place is another's, however long its stream goes on."""
    exchange.tried = ()
    if exchange.upstream is not None:
        exchange.upstream.budget.done()
