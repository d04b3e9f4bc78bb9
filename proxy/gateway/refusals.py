"""A refusal in the words of who reads it: an SDK, or the front that asked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from proxy.gateway import forward_auth
from proxy.gateway.answers import Answer, refusal
from proxy.gateway.paths import slug_of

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange


def refusal_of(
    exchange: "Exchange", code: str, detail: str | None, extra: Mapping[str, object]
) -> Answer:
    answer = refusal(code, exchange.id, detail, dialect_of(exchange), **extra)
    if exchange.route.kind is forward_auth.VERIFY:
        forward_auth.dress(exchange, answer)
    return answer


def dialect_of(exchange: "Exchange") -> str:
    """That of the upstream the path names, whoever asks."""
    upstream = exchange.core.table.get(slug_of(exchange.head.path) or exchange.route.slug)
    return upstream.usage_format if upstream else ""
