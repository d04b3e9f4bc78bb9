"""Requests that came before: the same head from the same address, admitted by memory, goes the same
way again without being read again (docs/decisions/012).

What one head comes to follows from its bytes, the client's address, the key, the rules and the
upstreams. It is kept under a digest of the bytes, never the bytes: they hold the key. Everything
that is not exactly as before, and every refusal, goes the long way (admission.py).
"""

import hashlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from apikeys.gate.standing import Standing
from proxy.gateway.attempts import caller
from proxy.gateway.clients import Client
from proxy.gateway.connection import BODY, WAIT
from proxy.gateway.exchange import Exchange
from proxy.gateway.facts import NEVER, Texts
from proxy.gateway.head import RequestHead
from proxy.gateway.hygiene import forwarding_fields, framing_of, upstream_fields
from proxy.gateway.names import CREDENTIALS
from proxy.gateway.paths import Kind, Route
from proxy.gateway.record import texts_of
from proxy.gateway.upstreams import Target, Upstream

if TYPE_CHECKING:
    from apikeys.gate.request import GateRequest
    from apikeys.gate.verdict import Verdict
    from proxy.gateway.client_side import ClientSide
    from proxy.gateway.pool import Pool

MAX_KEPT: Final = 4096  # about 3 KB each
MAX_LENGTHS: Final = 64  # of one head
MAX_DIGITS: Final = 15
MARK_BYTES: Final = 16
PROXIED: Final = b" /proxy/"
PUBLIC: Final = b" /v1/"
FIRST: Final = 15  # bytes: OPTIONS, and the path's beginning
NAMES: Final = (b"ontent-Length: ", b"ontent-length: ")  # the C may be small
LINE_BEGINS: Final = (b"\r\nC", b"\r\nc")
UPSTREAMS: Final = frozenset((Kind.PROXY, Kind.V1))


class Shown:
    """A head by its mark; ``length``: digits of its Content-Length, b"" without one."""

    __slots__ = ("length", "mark")

    def __init__(self, mark: bytes, length: bytes) -> None:
        self.mark = mark
        self.length = length


class Passage:
    """``heads``: the head as it was read, without credentials, by the digits of its length."""

    __slots__ = (
        "end", "head", "heads", "max_body", "max_response", "metering", "pool", "route", "standing",
        "start", "target", "texts", "timeouts", "total", "upstream", "who",
    )  # fmt: skip

    def __init__(self, exchange: "Exchange", standing: Standing, target: Target) -> None:
        head, route = head_of(exchange), exchange.route
        told = caller(exchange)
        self.standing = standing
        self.head = replace(
            head,
            headers=[field for field in head.headers if field[0] not in CREDENTIALS],
            content_length=None,
        )
        self.heads: dict[bytes, tuple[RequestHead, bytes]] = {}
        self.who: Client = exchange.who
        self.route: Route = route
        self.target = target
        self.upstream: Upstream | None = exchange.upstream
        self.metering = exchange.metering
        self.max_body = exchange.max_body
        self.max_response = exchange.max_response
        self.total = self.upstream.total if self.upstream is not None else NEVER
        self.pool: Pool = exchange.pool
        self.timeouts = exchange.timeouts
        self.start = b"".join(upstream_fields(head, route.rest, target.destination, told))
        self.end = forwarding_fields(exchange.who)
        self.texts: Texts = texts_of(exchange)

    def open(self, exchange: "Exchange", verdict: "Verdict", ending: bytes) -> None:
        """As admission.begin and forwarding.forward_to_upstream leave it."""
        exchange.verdict = verdict
        exchange.who = self.who
        exchange.route = self.route
        exchange.upstream = self.upstream
        exchange.target = self.target
        exchange.load = self.target.health
        exchange.load.enter(exchange)
        exchange.max_body = self.max_body
        exchange.max_response = self.max_response
        exchange.timeouts = self.timeouts
        exchange.total_deadline = exchange.core.loop.time() + self.total
        exchange.pool = self.pool
        exchange.texts = self.texts
        if self.metering is not None:
            exchange.metering = self.metering.again(exchange.core)
        exchange.block = b"".join((self.start, exchange.id.encode(), ending))

    def sized(self, length: bytes) -> tuple[RequestHead, bytes]:
        """The head with this length, and how what goes up ends."""
        found = self.heads.get(length)
        if found is None:
            head = replace(self.head, content_length=int(length) if length else None)
            found = head, self.end + framing_of(head)
            if len(self.heads) < MAX_LENGTHS:
                self.heads[length] = found
        return found


class Passages:
    """Of one process. A head that came once is only noted: most of those never come again."""

    __slots__ = ("kept", "key")

    def __init__(self) -> None:
        self.key = os.urandom(32)
        self.kept: dict[bytes, Passage | None] = {}

    def show(self, block: bytes, peer: str) -> Shown | None:
        """Of a whole head; None for one that cannot go this way."""
        length = b""
        place = block.find(NAMES[0])
        if place < 0:
            place = block.find(NAMES[1])
        if place > 0:
            begin = place + len(NAMES[0])
            end = block.find(b"\r\n", begin)
            length = block[begin:end]
            is_field = block[place - 3 : place] in LINE_BEGINS
            if not is_field or not length.isdigit() or len(length) > MAX_DIGITS:
                return None
            block = block[:begin] + block[end:]
        digest = hashlib.blake2b(block, key=self.key, digest_size=MARK_BYTES)
        digest.update(peer.encode())
        return Shown(digest.digest(), length)

    def find(self, client: "ClientSide", shown: Shown) -> "Exchange | None":
        """An exchange that is admitted and may go on; None: the long way."""
        core, passage = client.core, self.kept.get(shown.mark)
        if passage is None or core.load.is_heavy:
            return None
        head, ending = passage.sized(shown.length)
        if (head.content_length or 0) > passage.max_body:
            return None
        at = core.now()
        verdict = core.door.again(passage.standing, at)
        if verdict is None:
            return None
        exchange = Exchange(core, client, head, at)
        passage.open(exchange, verdict, ending)
        return exchange

    def note(
        self, exchange: "Exchange", shown: Shown, request: "GateRequest", verdict: "Verdict"
    ) -> None:
        """It was admitted by memory alone, just now. The second time it is kept."""
        kept = self.kept
        if len(kept) >= MAX_KEPT:
            kept.clear()
        if shown.mark not in kept:
            kept[shown.mark] = None
        elif can_pass(exchange, shown) and exchange.target is not None:
            standing = exchange.core.door.standing(request, verdict)
            if standing is not None:
                kept[shown.mark] = Passage(exchange, standing, exchange.target)


def show(client: "ClientSide", block: bytes) -> Shown | None:
    """Of a head that may be one of those that are kept."""
    first = block[:FIRST]
    known = PROXIED in first or PUBLIC in first
    return client.core.passages.show(block, client.peer) if known else None


def take(client: "ClientSide", shown: Shown, block: bytes) -> bool:
    """On the short way, if there is one; what came of the body is in the client's buffer."""
    exchange = client.core.passages.find(client, shown)
    if exchange is None:
        return False
    client.scanned = 0
    client.deadline = NEVER
    client.left = exchange.head.content_length or 0
    client.phase = BODY if client.left else WAIT
    client.exchange = exchange
    exchange.shown = block
    exchange.resume()
    return True


def head_of(exchange: "Exchange") -> RequestHead:
    """As it came; it may have been altered since, for the upstream to tell what a stream used."""
    metering = exchange.metering
    return exchange.head if metering is None or metering.came is None else metering.came


def names_matter(exchange: "Exchange", upstream: Upstream) -> bool:
    """Does it matter which model a body names? The next one may name another."""
    verdict = exchange.verdict
    return upstream.models is not None or (verdict is not None and verdict.has_models)


def can_pass(exchange: "Exchange", shown: Shown) -> bool:
    """Is everything that it came to the same for the next one?"""
    head, upstream = head_of(exchange), exchange.upstream
    length = int(shown.length) if shown.length else None
    return (
        head.content_length == length  # a length may be written in ways that show() does not know
        and exchange.route.kind in UPSTREAMS
        and upstream is not None
        and len(upstream.targets) == 1
        and not (head.has_body and names_matter(exchange, upstream))
        and upstream.targets[0].turns is None  # else the next one has another credential
        and head.version == 11
        and head.keep_alive
        and not head.chunked
        # Another length may make these ask for a 100, or for a WebSocket.
        and b"upgrade" not in head.nominated
        and all(name != b"expect" for name, _ in head.headers)
    )
