"""What is known of one request, from its head to its log row; no behaviour."""

from asyncio import Task
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Final
from uuid import UUID

from apikeys.gate.verdict import Verdict
from momentry.common.ids import uuid7_text
from proxy.gateway.clients import Client
from proxy.gateway.head import RequestHead
from proxy.gateway.hygiene import UNFRAMED
from proxy.gateway.paths import Route
from proxy.gateway.upstreams import Target, Upstream

if TYPE_CHECKING:
    from proxy.gateway.client_side import ClientSide
    from proxy.gateway.core import Core
    from proxy.gateway.health import Health
    from proxy.gateway.metering import Metering
    from proxy.gateway.pool import Pool
    from proxy.gateway.tunnel import Tunnel
    from proxy.gateway.upstream_side import UpstreamSide

NEVER: Final = float("inf")
Texts = tuple[str, str, str, str]  # method, path, upstream and user agent as the log has them


class Facts:
    """``deadline`` and ``total_deadline`` belong to the upstream; the client's are its own."""

    __slots__ = (
        "at",
        "block",
        "bytes_in",
        "bytes_out",
        "client",
        "code",
        "connecting",
        "core",
        "deadline",
        "detail",
        "first_byte",
        "framing",
        "free",
        "head",
        "held",
        "id",
        "keeps",
        "load",
        "max_body",
        "max_response",
        "metering",
        "nonce",
        "operation",
        "over",
        "pool",
        "request_sent",
        "retried",
        "reused",
        "route",
        "sent",
        "settled",
        "shown",
        "side",
        "started",
        "status",
        "target",
        "texts",
        "timeouts",
        "total_deadline",
        "tried",
        "tunnel",
        "upstream",
        "verdict",
        "waited",
        "who",
        "within",
    )

    who: Client
    route: Route
    pool: "Pool"
    timeouts: tuple[float, float, float]  # connect, first byte, idle

    def __init__(
        self,
        core: "Core",
        client: "ClientSide",
        head: RequestHead,
        at: datetime | None = None,
    ) -> None:
        self.core = core
        self.client = client
        self.head = head
        self.id = uuid7_text()
        self.at = at or core.now()
        self.started = monotonic()
        self.verdict: Verdict | None = None
        self.upstream: Upstream | None = None
        self.target: Target | None = None
        self.load: Health | None = None  # the target's, on which this request counts
        self.within: frozenset[str] | None = None  # base URLs of targets; None for all
        self.tried: tuple[UUID, ...] = ()  # targets that it went on from
        self.side: UpstreamSide | None = None
        self.connecting: Task[None] | None = None  # while no connection is its own
        self.held: bytearray | None = None  # the body, until its connection stands or we answer it
        self.metering: Metering | None = None  # of a call whose answer tells what it used
        self.nonce = b""  # of the WebSocket that the client asks for
        self.tunnel: Tunnel | None = None  # once it stands
        self.texts: Texts | None = None  # what the log row says of the head, if it is known
        self.shown = b""  # the head as it came, where ``head`` is without the credential
        self.block = b""  # the head as the upstream gets it
        self.sent = self.request_sent = False  # something, and all, of the request went up
        self.reused = self.retried = False  # the upstream's connection; the request
        self.free = False  # Django says that the call is not charged
        self.settled = False  # its slots and units
        self.over = self.keeps = False  # the exchange; the client's connection goes on after it
        self.framing = UNFRAMED
        self.status = 0  # of the head that went to the client; 0 while none did
        self.first_byte: float | None = None
        self.bytes_in = self.bytes_out = 0  # of bodies
        self.waited = 0.0  # seconds of Django's, in a long poll
        self.max_body = self.max_response = self.deadline = self.total_deadline = NEVER
        self.code = self.detail = self.operation = ""
