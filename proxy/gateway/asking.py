"""The body of a call to an LLM is looked at before it goes up, where a budget has to hold what the
call may use, a stream has to be asked what it used, or the model that it names matters. It is kept
up to LARGEST bytes; a larger one is held by its length and asked nothing."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from apikeys.gate.holds import LEAST, MAX_HELD, METRICS, Hold, hold_of
from apikeys.gate.verdict import Verdict
from proxy.gateway.answers import CONTINUE
from proxy.gateway.facts import NEVER
from proxy.gateway.head import Fields, RequestHead
from proxy.gateway.metering import METERED, Metering
from proxy.gateway.upstreams import Upstream
from proxy.usage import asked

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

LARGEST: Final = 1024 * 1024  # bytes
JSON: Final = b"application/json"
OPENAI: Final = "openai"
BLANK: Final = b" \t\r\n\0\xef\xbb\xbf\xff\xfe"  # and marks of encodings
START: Final = 64 * 1024  # bytes of nothing but blanks are no JSON
UTF_8: Final = re.compile(rb';[ \t]*+charset=("?)utf-?8\1[ \t]*+(?:;|$)')
CODINGS: Final = frozenset((b"content-encoding", b"content_encoding"))  # as CGI reads both


def first_hold(exchange: "Exchange", upstream: Upstream | None) -> Hold | None:
    """What is asked for before the body has come: as little as it may use, so that a budget that
    is used up refuses it at once. None: the call makes nothing."""
    if not is_metered(upstream, exchange.head.method):
        return None
    if exchange.metering is not None:
        return exchange.metering.hold
    head = exchange.head
    length = head.content_length or 0
    if not is_json(head):
        return LEAST
    if length > LARGEST:
        return most_of(exchange, None, length)
    return hold_of(asked.tokens_of(length), 0)


def is_metered(upstream: Upstream | None, method: bytes) -> bool:
    return upstream is not None and bool(upstream.form) and method == METERED


def is_json(head: RequestHead) -> bool:
    for name, value in head.headers:
        if name == b"content-type":
            return value == JSON or value.partition(b";")[0].strip(b" \t").lower() == JSON
    return False


def holds(verdict: Verdict | None) -> bool:
    """Was something taken of a budget?"""
    return verdict is not None and any(charge.metric in METRICS for charge in verdict.charges)


def has_one_reading(head: RequestHead) -> bool:
    """Does every upstream take the body for JSON in UTF-8 (RFC 8259)? One that obeys another
    charset, a coding or a second Content-Type finds another call in the same bytes."""
    kinds = 0
    for name, value in head.headers:
        if name == b"content-type":
            kinds += 1
            said = value.lower()
            if said.count(b"charset") != len(UTF_8.findall(said)):
                return False
    return kinds < 2 and not is_coded(head)


def begins(exchange: "Exchange", metering: Metering) -> bool:
    """Is its body looked at first? Then it goes on once that has come."""
    head = exchange.head
    if not is_json(head):
        if not head.has_body or not holds(exchange.verdict):
            return False
        metering.is_unsure = True
        keep(exchange)
        return True
    metering.counts = not asked.is_free(exchange.route.rest)
    metering.looks = metering.form == OPENAI and asked.is_told(exchange.route.rest)
    if not may_look(head) or not (metering.looks or matters(exchange)):
        return False
    keep(exchange)
    return True


def resume(exchange: "Exchange", metering: Metering) -> None:
    """A call as one before, that was looked at: where this one surely asks for no events, it goes
    up as it is."""
    client, length = exchange.client, exchange.head.content_length or 0
    is_here = len(client.buffer) == length
    if length > LARGEST or (is_here and not asked.may_stream(client.buffer)):
        exchange.go_up()
    else:
        exchange.block = b""  # made anew
        keep(exchange)


def keep(exchange: "Exchange") -> None:
    if exchange.head.expect_continue:
        exchange.client.write(CONTINUE)
    body = exchange.client.take_body()
    exchange.held = bytearray(body or b"")
    if body is None:
        exchange.client.start_body()
    else:
        exchange.bytes_in = len(body)
        exchange.request_end([])


def may_look(head: RequestHead) -> bool:
    """Is there a body that can be looked at?"""
    return head.has_body and (head.content_length or 0) <= LARGEST and is_json(head)


def matters(exchange: "Exchange") -> bool:
    """Does anybody ask what it says?"""
    verdict, upstream = exchange.verdict, exchange.upstream
    if verdict is not None and verdict.has_models:
        return True
    return holds(verdict) or (upstream is not None and upstream.models is not None)


def grown(exchange: "Exchange", metering: Metering, size: int) -> None:
    """So much is held now, and more is to come."""
    if metering.is_known or (metering.is_unsure and passes(exchange, metering, is_whole=False)):
        return
    if size > LARGEST:
        exchange.client.upload_full(True)
        know(exchange, metering, None, size)


def passes(exchange: "Exchange", metering: Metering, *, is_whole: bool) -> bool:
    """Of a body whose type is not JSON's. False: it is JSON after all. Nearly all else is known by
    its first byte, goes up as it comes, and holds the least."""
    held = exchange.held or b""
    begun = held[:START].lstrip(BLANK)
    if begun.startswith(b"{") or is_coded(exchange.head):
        metering.is_unsure = False
        metering.counts = not asked.is_free(exchange.route.rest)
        return False
    if is_whole or begun or len(held) >= START:
        metering.is_known = True
        exchange.deadline = NEVER
        if not is_whole:
            exchange.client.upload_full(True)
        exchange.forward()
    return True


def is_coded(head: RequestHead) -> bool:
    return any(name in CODINGS and value.lower() != b"identity" for name, value in head.headers)


def whole(exchange: "Exchange", metering: Metering, held: bytearray, trailers: Fields) -> None:
    metering.trailers = trailers
    if metering.is_known or (metering.is_unsure and passes(exchange, metering, is_whole=True)):
        return
    size, found = len(held), None
    if size <= LARGEST and (matters(exchange) or asked.may_stream(held)):
        found = asked.read(held) if has_one_reading(exchange.head) else None
    if found is not None and metering.looks and found.streams and not found.tells:
        ask_to_tell(exchange, metering, held)
    know(exchange, metering, found, size)


def ask_to_tell(exchange: "Exchange", metering: Metering, held: bytearray) -> None:
    """The one case in which a body is altered. The answer must be readable, so that what the client
    did not ask for can be kept from it."""
    body = asked.telling(held)
    if body is None:
        return
    held[:] = body
    metering.hides = True
    metering.came = exchange.head
    headers = [field for field in exchange.head.headers if field[0] != b"accept-encoding"]
    headers.append((b"accept-encoding", b"identity"))
    exchange.head = replace(exchange.head, headers=headers, content_length=len(body), chunked=False)


def know(exchange: "Exchange", metering: Metering, found: asked.Asked | None, size: int) -> None:
    metering.is_known = True
    metering.asked = found
    metering.model = "" if found is None else found.model
    exchange.deadline = NEVER  # nothing of it is with the upstream yet
    verdict = exchange.verdict
    if holds(verdict):
        metering.hold = most_of(exchange, found, size)
        exchange.ask_again()
    elif verdict is not None and verdict.has_models:
        exchange.ask_again()
    else:
        exchange.forward()


def most_of(exchange: "Exchange", found: asked.Asked | None, size: int) -> Hold:
    """What it may use: what is read and, where words come back, what is written. Of a model without
    a price only the least is held."""
    asks = found or asked.NOTHING
    slug = exchange.route.slug.decode()
    price = exchange.core.table.prices.find(slug, sent_name(exchange, asks.model), exchange.at)
    read = asked.tokens_of(size)
    most = asked.ANSWER if price is None or price.most is None else price.most
    wrote = 0 if asked.is_wordless(exchange.route.rest) else asks.written(most)
    cost = 0 if price is None else price.at_most(read, wrote)
    return hold_of(min(MAX_HELD, read + wrote), min(MAX_HELD, cost))


def sent_name(exchange: "Exchange", model: str) -> str:
    """What the upstream calls it: prices are found by that."""
    upstream = exchange.upstream
    if upstream is None or upstream.models is None:
        return model
    found = upstream.models.by_name.get(model)
    return model if found is None else found.sent_as or model
