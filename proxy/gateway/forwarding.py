"""Where an admitted request goes: to an upstream's target or to Django, and with which head."""

import time
from typing import TYPE_CHECKING, Final

from apikeys.gate import decision
from apikeys.gate.verdict import Verdict
from proxy.gateway import asking, modelling
from proxy.gateway.attempts import aim, caller, take_connection
from proxy.gateway.balance import choose
from proxy.gateway.hygiene import to_django
from proxy.gateway.metering import METERED, Metering
from proxy.gateway.response import ResponseHead
from proxy.gateway.table import Table
from proxy.gateway.upgrade import nonce_of
from proxy.gateway.upstreams import Target, Upstream

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange
    from proxy.gateway.facts import Facts

DJANGO_MAX_BODY: Final = 10 << 20  # bytes; Django keeps a body whole before it looks at it
CODE_LENGTH: Final = 40
NO_V1: Final = "No upstream serves /v1 here."
TOO_LARGE: Final = "The upstream's answer is larger than it may be."


def forward_to_upstream(exchange: "Exchange") -> None:
    table = exchange.core.table
    upstream = table.get(exchange.route.slug)
    if upstream is None:
        tell_unknown(exchange, table)
        return
    exchange.upstream = upstream
    if (exchange.head.content_length or 0) > upstream.max_body:
        exchange.fail("body_too_large")
        return
    exchange.max_body = upstream.max_body
    exchange.max_response = upstream.max_response
    exchange.timeouts = (upstream.connect, upstream.first_byte, upstream.idle)
    exchange.total_deadline = exchange.core.loop.time() + upstream.total
    if upstream.form and exchange.metering is None and exchange.head.method == METERED:
        exchange.metering = Metering(exchange.core, upstream.form)
        if asking.begins(exchange, exchange.metering):
            return
    target = target_of(exchange, upstream)
    if target is None:
        return
    exchange.nonce = nonce_of(exchange.head)
    aim(exchange, target)
    take_connection(exchange)


def tell_unknown(exchange: "Exchange", table: Table) -> None:
    if not table.version:
        exchange.fail("not_ready")
    else:
        exchange.fail("upstream_unknown", None if exchange.route.slug else NO_V1)


def target_of(exchange: "Exchange", upstream: Upstream) -> Target | None:
    """None when the request is over."""
    if upstream.models is not None:
        return modelling.target_of(exchange, upstream, upstream.models)
    target = choose(upstream.targets, exchange.core.loop.time())
    if target is None:
        exchange.fail("upstream_unavailable")
    return target


def forward_to_django(exchange: "Exchange") -> None:
    verdict = exchange.verdict
    if (exchange.head.content_length or 0) > DJANGO_MAX_BODY:
        exchange.fail("body_too_large")
        return
    exchange.max_body = float(DJANGO_MAX_BODY)
    signed = b"" if verdict is None else sign(exchange, verdict)
    exchange.pool = exchange.core.django
    exchange.block = to_django(
        exchange.head,
        caller(exchange),
        judged=verdict.credential if verdict else b"",
        decision=signed,
    )
    exchange.gather()


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


def read_django(exchange: "Facts", response: ResponseHead) -> None:
    """What Django says to us alone: the operation, the code, whether the call was free, and how
    long it waited for something to come, as it was asked to."""
    for name, value in response.headers:
        if name == b"x-momentry-operation":
            exchange.operation = value.decode("latin-1")
        elif name == b"x-momentry-code":
            exchange.code = value.decode("latin-1")[:CODE_LENGTH]
        elif name == b"x-momentry-charge":
            exchange.free = response.status == 403 and value == b"0"
        elif name == b"x-momentry-waited" and value.isdigit():
            exchange.waited = int(value[:9]) / 1000
