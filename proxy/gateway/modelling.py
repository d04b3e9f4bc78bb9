"""What the model that a call names comes to: a target, another name in its body, or a refusal."""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from apikeys.gate.checks import models_on
from apikeys.gate.request import Named
from proxy.gateway import attempts
from proxy.gateway.answers import Answer, lines_of
from proxy.gateway.asking import may_look
from proxy.gateway.balance import choose
from proxy.gateway.metering import METERED
from proxy.gateway.models import HIDDEN, Choice, Models, listed, named_in, pick, renamed
from proxy.gateway.paths import Kind
from proxy.gateway.upgrade import nonce_of
from proxy.gateway.upstreams import Target, Upstream

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

V1: Final = Kind.V1
LIST: Final = b"/v1/models"
LINES: Final = lines_of(200, [("Content-Type", "application/json"), ("Cache-Control", "no-store")])


def target_of(exchange: "Exchange", upstream: Upstream, models: Models) -> Target | None:
    """Where the call goes. None when it is over: answered here, or refused."""
    if exchange.route == (V1, exchange.route.slug, LIST) and exchange.head.method == b"GET":
        tell(exchange, upstream, models)
        return None
    names, hidden = names_of(exchange)
    choice = pick(models, names, hidden=hidden)
    if choice.refused:
        exchange.fail("model_unknown", choice.refused)
        return None
    exchange.within = choice.targets
    target = choose(attempts.open_to(exchange, upstream), exchange.core.loop.time())
    if target is None:
        exchange.fail("upstream_unavailable")
    elif choice.sent_as and not rename(exchange, choice):
        exchange.fail("model_unknown", HIDDEN)
        return None
    return target


def named(exchange: "Exchange", upstream: Upstream) -> Named | None:
    """As the gate asks. None: its body has not been looked at yet, and will be."""
    head, metering = exchange.head, exchange.metering
    if metering is not None and metering.is_known:
        return names_of(exchange)
    if upstream.form and head.method == METERED and may_look(head):
        return None
    return names_of(exchange)


def names_of(exchange: "Exchange") -> tuple[list[str], bool]:
    """The models that it names, and whether it may use one that it does not name."""
    names = named_in(exchange.head.query)
    if not exchange.head.has_body:
        # What is said inside of a WebSocket nobody looks at.
        return names, not names and bool(nonce_of(exchange.head))
    model = "" if exchange.metering is None else exchange.metering.model
    return ([model, *names], False) if model else (names, True)


def rename(exchange: "Exchange", choice: Choice) -> bool:
    """In a body that is held and whole: only then its name was read. False: it lies so deep that it
    could be read there and cannot here."""
    if exchange.held is None or not exchange.head.has_body:
        return True
    try:
        body = renamed(exchange.held, choice.sent_as)
    except RecursionError:
        return False
    exchange.held = bytearray(body)
    if exchange.metering is not None and exchange.metering.asked is not None:
        exchange.metering.asked = exchange.metering.asked._replace(model=choice.sent_as)
    if exchange.head.content_length is not None:
        exchange.head = replace(exchange.head, content_length=len(body))
    return True


def tell(exchange: "Exchange", upstream: Upstream, models: Models) -> None:
    offered = [
        model
        for model in models.by_name.values()
        if model.is_active and may_use(exchange, upstream, model.name)
    ]
    exchange.answer(Answer(200, LINES, listed(offered, upstream.slug)))


def may_use(exchange: "Exchange", upstream: Upstream, name: str) -> bool:
    """Nothing is told of a key that was forgotten since it was judged."""
    verdict, door = exchange.verdict, exchange.core.door
    if verdict is None or verdict.key_id is None or not verdict.has_models:
        return True
    key = door.memory.find(verdict.key_id, door.fence.clock())
    return key is not None and all(name in found for found in models_on(upstream.slug, key))
