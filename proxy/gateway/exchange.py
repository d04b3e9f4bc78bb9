"""One request through both connections: what the client sends goes up, what comes back goes down.

Admission (the gate, the choice of an upstream, the connection) is in admission.py.
"""

from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Final

from apikeys.gate.headers import legacy_headers, limit_headers
from proxy.gateway import admission, record, verify
from proxy.gateway.answers import CONTINUE, Answer, refusal
from proxy.gateway.chunked import encode, encode_last
from proxy.gateway.facts import NEVER, Facts
from proxy.gateway.head import Fields
from proxy.gateway.hygiene import (
    Framing,
    client_framing,
    interim_to_client,
    to_client,
    trailers_to_client,
    trailers_to_upstream,
)
from proxy.gateway.metrics import ABORTED, IN_FLIGHT
from proxy.gateway.response import ResponseHead

if TYPE_CHECKING:
    from proxy.gateway.upstream_side import UpstreamSide

CLIENT_LEFT: Final = 499  # in the log only, as nginx writes it
SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))


class Exchange(Facts):
    """The behaviour of one request; both protocols call it, it calls both."""

    __slots__ = ()

    def begin(self) -> None:
        self.core.metrics.counts[IN_FLIGHT] += 1
        admission.begin(self)

    # From the client, upwards.

    def attach(self, side: "UpstreamSide") -> None:
        """The connection stands: the head goes out, then the body as it comes."""
        self.side = side
        self.reused = side.idle_since > 0
        side.start(self)
        side.transport.write(self.block)
        self.sent = True
        if not self.head.has_body:
            self.request_end([])
            return
        self.touch()
        if self.head.expect_continue:
            self.client.write(CONTINUE)
        self.client.start_body()

    def request_piece(self, data: bytes) -> None:
        self.bytes_in += len(data)
        if self.bytes_in > self.max_body:
            self.fail("body_too_large")
        elif self.side is not None:
            self.side.transport.write(encode(data) if self.head.chunked else data)
        elif self.held is not None:
            self.held += data

    def request_end(self, trailers: Fields) -> None:
        if self.head.chunked and self.side is not None:
            self.side.transport.write(encode_last(self.trailers_up(trailers)))
        self.request_sent = True
        if not self.status:
            self.deadline = self.core.loop.time() + self.timeouts[1]
        if self.held is not None:
            verify.body_came(self, bytes(self.held))

    def trailers_up(self, trailers: Fields) -> Fields:
        """Django is shown none (DESIGN §8)."""
        if not trailers or self.target is None:
            return []
        return trailers_to_upstream(trailers, self.target.destination.injection)

    def client_full(self, full: bool) -> None:
        if self.side is None or self.side.transport.is_closing():
            return
        if full:
            self.side.transport.pause_reading()
        else:
            self.side.transport.resume_reading()
        self.touch()

    def client_left(self) -> None:
        """Its connection is gone: the upstream's goes too, at once."""
        if not self.over:
            self.drop_side()
            self.core.metrics.counts[ABORTED] += 1
            self.finish(self.status or CLIENT_LEFT, "", "The client left.", close=True)

    # From the upstream, downwards.

    def touch(self) -> None:
        """Something moved: the idle time starts anew."""
        self.deadline = self.core.loop.time() + self.timeouts[2]

    def upstream_full(self, full: bool) -> None:
        self.touch()
        if not full and self.request_sent and not self.status:
            self.deadline = self.core.loop.time() + self.timeouts[1]
        self.client.upload_full(full)

    def interim(self, response: ResponseHead) -> None:
        """100 was answered here, if it was asked for; HTTP/1.0 knows no 1xx."""
        if response.status != 100 and self.head.version == 11:
            self.client.write(interim_to_client(response))

    def response_head(self, response: ResponseHead) -> None:
        self.first_byte = monotonic()
        limits: list[tuple[bytes, bytes]] = []
        if self.target is None:
            admission.read_django(self, response)
        elif self.verdict is not None:
            limits = limit_headers(self.verdict.limits, datetime.now(UTC))
        self.status = response.status
        self.framing = client_framing(response, self.head.version)
        self.keeps = self.may_keep() and self.framing is not Framing.CLOSE
        head = to_client(
            response,
            version=self.head.version,
            request_id=str(self.id).encode(),
            limits=limits,
            close=not self.keeps,
            foreign=self.target is not None,
        )
        self.client.write(head)

    def response_piece(self, data: bytes) -> None:
        self.bytes_out += len(data)
        self.client.write(encode(data) if self.framing is Framing.CHUNKED else data)

    def response_end(self, trailers: Fields) -> None:
        self.side = None
        if self.framing is Framing.CHUNKED:
            self.client.write(encode_last(trailers_to_client(trailers)))
        self.finish(self.status, self.code, self.detail, close=not self.keeps)

    def upstream_failed(self, detail: str | None) -> None:
        self.fail("upstream_failed", detail)

    def upstream_lost(self, untouched: bool) -> None:
        """It closed before its time; ``untouched``: not a byte of an answer had come."""
        self.side = None
        stale = untouched and self.reused and not self.retried
        if stale and self.head.method in SAFE and not self.head.has_body:
            self.retried = True
            self.request_sent = False
            self.core.spawn(admission.connect(self))
        else:
            self.fail("upstream_failed", "The upstream closed the connection.")

    def check(self, now: float) -> None:
        if now < self.deadline and now < self.total_deadline:
            return
        if self.client.full:
            self.fail("request_timeout", "The client did not take the answer.")
        else:
            self.fail("upstream_timeout")

    # The end.

    def may_keep(self) -> bool:
        whole = self.request_sent if self.side is not None else self.client.skip_body()
        return whole and self.head.keep_alive and not self.core.draining

    def answer(self, answer: Answer) -> None:
        """An answer of our own instead of an upstream's."""
        self.drop_side()
        keeps = self.may_keep()
        self.client.write(self.encode(answer, close=not keeps))
        self.finish(answer.status, answer.code, answer.detail, close=not keeps)

    def encode(self, answer: Answer, *, close: bool) -> bytes:
        extra: list[tuple[bytes, bytes]] = []
        if self.verdict is not None and self.verdict.limits:
            now = self.verdict.at or datetime.now(UTC)
            limits = self.verdict.limits
            extra = limit_headers(limits, now) + legacy_headers(limits, now)
        self.first_byte = monotonic()
        self.bytes_out = len(answer.body)
        head = self.head
        return answer.encode(
            str(self.id), close=close, method=head.method, version=head.version, extra=extra
        )

    def fail(self, code: str, detail: str | None = None, **extra: object) -> None:
        """A problem document, or, when the answer had begun, a cut that the client can see."""
        if self.over:
            return
        if not self.status:
            self.answer(refusal(code, str(self.id), detail, **extra))
            return
        self.drop_side()
        self.core.metrics.counts[ABORTED] += 1
        self.client.cut(hard=self.framing is Framing.CLOSE)
        self.finish(self.status, code, detail or "", close=True)

    def broke(self, error: BaseException) -> None:
        """A defect of ours: said once in the log, and this exchange ends."""
        self.core.report("an exchange failed", error, str(self.id))
        if self.over:
            self.client.abort()
        else:
            self.fail("internal_error")

    def drop_side(self) -> None:
        if self.side is not None:
            self.side.abort()
            self.side = None

    def finish(self, status: int, code: str, detail: str, *, close: bool) -> None:
        self.over = True
        self.deadline = self.total_deadline = NEVER
        self.status, self.code, self.detail = status, code, detail
        record.write(self)
        if self.verdict is not None and self.verdict.charges and not self.sent:
            self.core.spawn(self.core.door.give_back(self.verdict.charges))
        self.client.exchange_over(close)
