"""The way of a request to its upstream: door, verdict, target, connection."""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from apikeys.gate import decision
from apikeys.gate.credential import find_credential
from apikeys.gate.request import GateRequest, weight_of
from apikeys.gate.verdict import ANONYMOUS, Verdict
from proxy.gateway import own, verify
from proxy.gateway.clients import describe_client
from proxy.gateway.head import BadMessage
from proxy.gateway.hygiene import Caller, to_django, to_upstream
from proxy.gateway.own import guarded
from proxy.gateway.paths import Kind, Route, classify
from proxy.gateway.pool import PoolBusyError
from proxy.gateway.response import ResponseHead

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

OPEN: Final = Route(Kind.OPEN)
PROXIED: Final = Route(Kind.PROXY)
PROBES: Final = frozenset((Kind.HEALTH, Kind.READY))
DJANGO_MAX_BODY: Final = 10 << 20  # bytes; Django keeps a body whole before it looks at it
DJANGO_TIMEOUTS: Final = (5.0, 60.0, 60.0)  # connect, first byte, idle
NO_CREDENTIAL: Final = Verdict(ok=True, actor=ANONYMOUS)
SCOPES: Final = {Kind.METRICS: "metrics:read", Kind.KEYS_VERIFY: "keys:verify"}
GATE_SECONDS: Final = 8.0  # above the pool's wait and the statement time-out together
REFUSAL_SECONDS: Final = 0.011  # every invalid_key leaves at the same time (DESIGN §5)
CODE_LENGTH: Final = 40


def begin(exchange: "Exchange") -> None:
    """Called once per request, when its head has come."""
    head, core = exchange.head, exchange.core
    exchange.timeouts = DJANGO_TIMEOUTS
    exchange.who = describe_client(
        exchange.client.peer, head.headers, head.host, core.settings.trusted
    )
    exchange.route = PROXIED if head.path.startswith(b"/proxy/") else OPEN
    fault: BadMessage | None = None
    try:
        exchange.route = classify(head)
    except BadMessage as error:
        fault = error
    if exchange.route.kind not in PROBES and core.door.rules.blocks(exchange.who.address):
        exchange.fail("ip_blocked")
    elif fault is not None and fault.code != "upstream_unknown":  # said only to who has a key
        exchange.fail(fault.code, fault.detail, **fault.extra)
    else:
        choose_door(exchange)


def choose_door(exchange: "Exchange") -> None:
    kind = exchange.route.kind
    if kind is Kind.HEALTH:
        own.health(exchange)
    elif kind is Kind.READY:
        exchange.core.spawn(guarded(exchange, own.readiness(exchange)))
    elif kind is Kind.OPEN:
        forward_to_django(exchange)
    elif kind is Kind.API and find_credential(exchange.head.headers) is None:
        exchange.verdict = NO_CREDENTIAL
        forward_to_django(exchange)
    else:
        exchange.core.spawn(guarded(exchange, admit(exchange)))


async def admit(exchange: "Exchange") -> None:
    """Ask the gate; then on, or a refusal."""
    verdict = await judge(exchange)
    if exchange.over:  # the client left meanwhile, or its body was malformed
        if verdict.charges:
            await exchange.core.door.give_back(verdict.charges)
        return
    exchange.verdict = verdict
    if not verdict.ok:
        if verdict.code == "invalid_key":
            elapsed = time.monotonic() - exchange.started
            await asyncio.sleep(max(0.0, REFUSAL_SECONDS - elapsed))
        exchange.fail(verdict.code, verdict.detail or None, **verdict.extra)
    elif exchange.route.kind in {Kind.PROXY, Kind.V1}:
        forward_to_upstream(exchange)
    elif exchange.route.kind is Kind.METRICS:
        await own.figures(exchange)
    elif exchange.route.kind is Kind.KEYS_VERIFY:
        verify.begin(exchange)
    else:
        forward_to_django(exchange)


async def judge(exchange: "Exchange") -> Verdict:
    door = exchange.core.door
    verdict = await door.within(GATE_SECONDS, door.judge(gate_request(exchange)))
    return verdict or Verdict(ok=False, code="database_unavailable")


def gate_request(exchange: "Exchange") -> GateRequest:
    head, route = exchange.head, exchange.route
    path = head.path.decode("latin-1")
    charged = route.kind is Kind.PROXY or (route.kind is Kind.API and weight_of(path))
    return GateRequest(
        head.headers,
        method=head.method.decode(),
        path=path,
        client=exchange.who.address,
        upstream=route.slug.decode(),
        rest=route.rest.decode("latin-1"),
        weight=1 if charged else 0,
        scope=SCOPES.get(route.kind, ""),
    )


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
    exchange.timeouts = (upstream.connect, upstream.first_byte, upstream.idle)
    exchange.total_deadline = exchange.core.loop.time() + upstream.total
    exchange.pool = exchange.core.pool(target.endpoint)
    exchange.block = to_upstream(
        exchange.head, exchange.route.rest, target.destination, caller(exchange)
    )
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
    take_connection(exchange)


def caller(exchange: "Exchange") -> Caller:
    verdict = exchange.verdict
    member = verdict.member_id if verdict else None
    key = verdict.key_id if verdict else None
    return Caller(
        str(exchange.id).encode(),
        exchange.who,
        user_id=str(member).encode() if member else b"",
        key_id=str(key).encode() if key else b"",
    )


def sign(exchange: "Exchange", verdict: Verdict) -> bytes:
    head = exchange.head
    target = head.path + b"?" + head.query if head.query else head.path  # as ASGI has it: no bare ?
    made = decision.Decision(
        request_id=str(exchange.id),
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
        exchange.core.spawn(connect(exchange))
    else:
        exchange.attach(side)


async def connect(exchange: "Exchange") -> None:
    await guarded(exchange, attach_fresh(exchange))


async def attach_fresh(exchange: "Exchange") -> None:
    pool = exchange.pool
    try:
        side = await pool.acquire(exchange.timeouts[0])
    except (PoolBusyError, TimeoutError, OSError) as error:
        exchange.fail(*connect_failure(exchange, error))
        return
    if exchange.over:
        pool.release(side)
        return
    exchange.attach(side)


def connect_failure(exchange: "Exchange", error: Exception) -> tuple[str, str]:
    """(code, detail); which address failed how is nothing a client must know."""
    if isinstance(error, PoolBusyError):
        return "upstream_busy", "Too many requests wait for this upstream."
    if exchange.target is None:
        return "not_ready", "The application does not answer."
    if isinstance(error, TimeoutError):
        return "upstream_timeout", "The upstream did not accept a connection in time."
    return "upstream_unreachable", ""


def read_django(exchange: "Exchange", response: ResponseHead) -> None:
    """What Django says to us alone: the operation, the code, and whether the call was free."""
    free = False
    for name, value in response.headers:
        if name == b"x-momentry-operation":
            exchange.operation = value.decode("latin-1")
        elif name == b"x-momentry-code":
            exchange.code = value.decode("latin-1")[:CODE_LENGTH]
        elif name == b"x-momentry-charge":
            free = response.status == 403 and value == b"0"
    if free and exchange.verdict is not None and exchange.verdict.charges:
        exchange.core.spawn(exchange.core.door.give_back(exchange.verdict.charges))
