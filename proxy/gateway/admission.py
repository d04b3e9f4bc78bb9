"""Which door a request comes to, what the gate says of it there, and where it goes on."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from apikeys.gate.checks import Refusal
from apikeys.gate.credential import find_credential
from apikeys.gate.door import CLOSED, Paused
from apikeys.gate.effects import DatabaseUnavailable, Overloaded
from apikeys.gate.request import GateRequest, shown_of, weight_of
from apikeys.gate.slow import PACED
from apikeys.gate.verdict import ANONYMOUS, Verdict
from proxy.gateway import asking, forward_auth, modelling, own, verify
from proxy.gateway.clients import describe_client
from proxy.gateway.forwarding import forward_to_django, forward_to_upstream
from proxy.gateway.head import METHODS, BadMessage, parse_request
from proxy.gateway.metrics import SHED
from proxy.gateway.own import guarded
from proxy.gateway.paths import Kind, Route, classify

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

OPEN: Final = Route(Kind.OPEN)
PROXIED: Final = Route(Kind.PROXY)
PROBES: Final = frozenset((Kind.HEALTH, Kind.READY))
UPSTREAMS: Final = frozenset((Kind.PROXY, Kind.V1))
DJANGO_TIMEOUTS: Final = (5.0, 60.0, 60.0)  # connect, first byte, idle
NO_CREDENTIAL: Final = Verdict(ok=True, actor=ANONYMOUS)
SCOPES: Final = {Kind.METRICS: "metrics:read", Kind.KEYS_VERIFY: "keys:verify"}
GATE_SECONDS: Final = 8.0  # above the pool's wait and the statement time-out together


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
        if exchange.route.kind is V1:
            exchange.route = exchange.route._replace(slug=core.table.v1)
    except BadMessage as error:
        fault = error
    if core.load.is_heavy and exchange.route.kind not in PROBES:
        core.metrics.counts[SHED] += 1
        exchange.fail("overloaded", "Too much waits to be taken by slow clients and upstreams.")
    elif exchange.route.kind not in PROBES and core.door.rules.blocks(exchange.who.address):
        exchange.fail("ip_blocked")
    elif fault is not None and fault.code != "upstream_unknown":  # said only to who has a key
        exchange.fail(fault.code, fault.detail, **fault.extra)
    else:
        DOORS.get(exchange.route.kind, ask)(exchange)


def tell_readiness(exchange: "Exchange") -> None:
    exchange.core.spawn(guarded(exchange, own.readiness(exchange)))


def ask_if_credential(exchange: "Exchange") -> None:
    if find_credential(exchange.head.headers) is None:
        exchange.verdict = NO_CREDENTIAL
        forward_to_django(exchange)
    else:
        ask(exchange)


def ask_for_front(exchange: "Exchange") -> None:
    judge(exchange, forward_auth.gate_request(exchange))


def ask(exchange: "Exchange") -> None:
    judge(exchange, gate_request(exchange))


def judge(exchange: "Exchange", request: GateRequest) -> None:
    """Ask the gate: at once if what this process remembers is enough, else beside."""
    found = exchange.core.door.judge_now(request)
    if isinstance(found, Verdict):
        proceed(exchange, found)
        shown = exchange.client.shown
        if shown is not None and exchange.target is not None:
            exchange.core.passages.note(exchange, shown, request, found)
    else:
        exchange.core.spawn(guarded(exchange, admit(exchange, request, found)))


def ask_again(exchange: "Exchange") -> None:
    """Its body is known: what its head was admitted with goes back, and all of it is judged."""
    door, first = exchange.core.door, exchange.verdict
    if first is not None:
        if first.entry is not None:
            door.entrance.leave(first.entry, back=True)
        door.keeper.give_back(first.charges)
        exchange.verdict = first._replace(charges=(), entry=None)
    request = gate_request(exchange)
    found = door.judge_now(request)
    if isinstance(found, Verdict):
        proceed(exchange, found)
    else:
        exchange.core.spawn(guarded(exchange, admit(exchange, request, found)))


async def admit(
    exchange: "Exchange", request: GateRequest, paused: "Paused[Verdict] | None"
) -> None:
    door = exchange.core.door
    verdict = await door.within(GATE_SECONDS, door.judge(request, paused)) or CLOSED
    if exchange.over:  # the client left meanwhile, or its body was malformed
        await door.undo(verdict)
    else:
        proceed(exchange, verdict)


def proceed(exchange: "Exchange", verdict: Verdict) -> None:
    """On with the gate's verdict, or a refusal."""
    exchange.verdict = verdict
    if verdict.ok:
        ADMITTED.get(exchange.route.kind, forward_to_django)(exchange)
    else:
        refuse(exchange, verdict)


def tell_figures(exchange: "Exchange") -> None:
    exchange.core.spawn(guarded(exchange, own.figures(exchange)))


def refuse(exchange: "Exchange", verdict: Verdict) -> None:
    if verdict.code in PACED:
        fail = partial(exchange.fail, verdict.code, verdict.detail or None, **verdict.extra)
        leaves_at = exchange.started + exchange.core.door.prover.refusal_seconds()
        exchange.core.pace.at(leaves_at, fail)
    else:
        exchange.fail(verdict.code, verdict.detail or None, **verdict.extra)


async def recheck(exchange: "Exchange") -> None:
    """Rights that this request was admitted by may be gone: then it ends, visibly."""
    verdict = exchange.verdict
    if verdict is None or verdict.key_id is None:
        return
    request = gate_request(exchange)
    if exchange.shown:
        request.headers = parse_request(exchange.shown).headers
    try:
        refusal = await exchange.core.door.refusal(request, verdict.key_id)
    except DatabaseUnavailable:
        refusal = Refusal("database_unavailable")
    except Overloaded:
        refusal = Refusal("overloaded")
    if refusal is not None:
        exchange.fail(refusal.code, refusal.detail or None, **refusal.extra)


def gate_request(exchange: "Exchange") -> GateRequest:
    head, route = exchange.head, exchange.route
    path = head.path.decode("latin-1")
    upstream = exchange.core.table.get(route.slug) if route.kind in UPSTREAMS else None
    return GateRequest(
        head.headers,
        method=METHODS[head.method],
        path=path,
        client=exchange.who.address,
        upstream=route.slug.decode(),
        rest=route.rest.decode("latin-1"),
        weight=upstream.request_weight if upstream is not None else weight(route.kind, path),
        scope=SCOPES.get(route.kind, ""),
        hold=shown_of(path) if route.kind is API else asking.first_hold(exchange, upstream),
        models=None if upstream is None else partial(modelling.named, exchange, upstream),
    )


def weight(kind: Kind, path: str) -> int:
    """Units of quota: what a REST route's calls cost, or an upstream's that is not there."""
    if kind is API:
        return weight_of(path)
    return 1 if kind in UPSTREAMS else 0


Step = Callable[["Exchange"], None]
# By names of this module, not by members of Kind: Enum makes each look-up of a member a call.
API: Final = Kind.API
V1: Final = Kind.V1
DOORS: Final[dict[Kind, Step]] = {  # else the gate is asked
    Kind.HEALTH: own.health,
    Kind.READY: tell_readiness,
    Kind.OPEN: forward_to_django,
    Kind.API: ask_if_credential,
    Kind.VERIFY: ask_for_front,
}
ADMITTED: Final[dict[Kind, Step]] = {  # else on to Django
    Kind.PROXY: forward_to_upstream,
    Kind.V1: forward_to_upstream,
    Kind.METRICS: tell_figures,
    Kind.KEYS_VERIFY: verify.begin,
    Kind.VERIFY: forward_auth.allow,
}
