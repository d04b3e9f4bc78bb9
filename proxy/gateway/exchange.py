"""One request through both connections: what the client sends goes up, what comes back goes down.

Admission (the gate, the choice of an upstream, the connection) is in admission.py.
"""

from time import monotonic
from typing import TYPE_CHECKING

from proxy.gateway import admission, asking, attempts, gathering, record, tunnel
from proxy.gateway.answering import Answering
from proxy.gateway.answers import CONTINUE, Answer
from proxy.gateway.chunked import encode, encode_last
from proxy.gateway.facts import NEVER
from proxy.gateway.forwarding import TOO_LARGE, forward_to_upstream
from proxy.gateway.head import Fields
from proxy.gateway.hygiene import Framing, trailers_to_upstream
from proxy.gateway.metering import CLIENT_LEFT
from proxy.gateway.metrics import ABORTED, IN_FLIGHT, REPEATED
from proxy.gateway.refusals import refusal_of
from proxy.gateway.response import ResponseHead

if TYPE_CHECKING:
    from proxy.gateway.upstream_side import UpstreamSide


class Exchange(Answering):
    """The behaviour of one request; both protocols call it, it calls both."""

    __slots__ = ()

    def begin(self) -> None:
        self.core.metrics.counts[IN_FLIGHT] += 1
        admission.begin(self)

    def gather(self) -> None:
        gathering.begin(self)

    def resume(self) -> None:
        """Admitted as another was before (passages.py): on from there."""
        counts = self.core.metrics.counts
        counts[IN_FLIGHT] += 1
        counts[REPEATED] += 1
        if self.metering is not None and self.metering.looks:
            asking.resume(self, self.metering)
        else:
            self.go_up()

    def go_up(self) -> None:
        side = self.pool.take()
        if side is None:
            attempts.take_connection(self)
        elif not self.head.has_body or (body := self.client.take_body()) is None:
            self.attach(side)
        else:
            self.attach_whole(side, body)

    def attach_whole(self, side: "UpstreamSide", body: bytes) -> None:
        """As attach, with all of a body that the upstream takes."""
        self.side = side
        self.reused = True
        side.start(self)
        side.transport.write(self.block + body)
        self.sent = self.request_sent = True
        self.bytes_in = len(body)
        self.deadline = self.core.loop.time() + self.timeouts[1]

    # From the client, upwards.

    def attach(self, side: "UpstreamSide") -> None:
        """The connection stands: the head goes out, then the body as it comes."""
        self.side = side
        self.reused = side.idle_since > 0
        side.start(self)
        side.transport.write(self.block)
        self.sent = True
        if self.held is not None:
            gathering.pour(self, self.held)
            return
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
            self.touch()
            self.side.transport.write(encode(data) if self.head.chunked else data)
        elif self.held is not None:
            self.held += data
            gathering.more(self, len(self.held))

    def request_end(self, trailers: Fields) -> None:
        if self.head.chunked and self.side is not None:
            self.side.transport.write(encode_last(self.trailers_up(trailers)))
        self.request_sent = True
        if not self.status:
            self.deadline = self.core.loop.time() + self.timeouts[1]
        if self.held is not None:
            gathering.came(self, self.held, trailers)

    def ask_again(self) -> None:
        admission.ask_again(self)

    def forward(self) -> None:
        forward_to_upstream(self)

    def trailers_up(self, trailers: Fields) -> Fields:
        """Django is shown none (DESIGN §8)."""
        if not trailers or self.target is None:
            return []
        place = self.target.destination
        kept = trailers if place.asked is None else place.asked.kept(trailers)
        return trailers_to_upstream(kept, place.injection)

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
            if self.tunnel is not None and self.tunnel.frames.is_closed:
                self.finish(self.status, "", "", close=True)  # both have said that it ends
                return
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

    def switched(self, response: ResponseHead) -> None:
        tunnel.begin(self, response)

    def tunnel_over(self) -> None:
        """The upstream ended it: the client gets what is under way, and its end."""
        self.side = None
        self.finish(self.status, "", "", close=True)

    def upstream_failed(self, detail: str | None) -> None:
        if detail != TOO_LARGE:  # which is what this upstream's setting says of it
            attempts.note_failure(self, "malformed answer")
        self.fail("upstream_failed", detail)

    def upstream_lost(self, untouched: bool) -> None:
        """It closed before its time; ``untouched``: not a byte of an answer had come."""
        self.side = None
        if not attempts.after_loss(self, untouched=untouched):
            self.fail("upstream_failed", attempts.ENDED)

    def check(self, now: float) -> None:
        if now < self.deadline and now < self.total_deadline:
            return
        if self.client.full:
            self.fail("request_timeout", "The client did not take the answer.")
        else:
            if self.request_sent and self.tunnel is None:
                attempts.note_failure(self, "no answer in time")
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
            extra = record.limit_fields(self, self.verdict, answer.status)
        self.first_byte = monotonic()
        self.bytes_out = len(answer.body)
        head = self.head
        return answer.encode(
            self.id, close=close, method=head.method, version=head.version, extra=extra
        )

    def fail(self, code: str, detail: str | None = None, **extra: object) -> None:
        """A problem document, or, when the answer had begun, a cut that the client can see."""
        if self.over:
            return
        if not self.status:
            self.answer(refusal_of(self, code, detail, extra))
            return
        self.drop_side()
        self.pour_rest()
        self.core.metrics.counts[ABORTED] += 1
        if self.tunnel is not None:
            self.tunnel.say_why(code)
        self.client.cut(hard=self.framing is Framing.CLOSE)
        self.finish(self.status, code, detail or "", close=True)

    def broke(self, error: BaseException) -> None:
        """A defect of ours: said once in the log, and this exchange ends."""
        self.core.report("an exchange failed", error, self.id)
        if self.over:
            self.client.abort()
        else:
            self.fail("internal_error")

    def drop_side(self) -> None:
        if self.connecting is not None:
            self.connecting.cancel()
            self.connecting = None
        if self.side is not None:
            self.side.abort()
            self.side = None

    def finish(self, status: int, code: str, detail: str, *, close: bool) -> None:
        self.over = True
        self.deadline = self.total_deadline = NEVER
        self.status, self.code, self.detail = status, code, detail
        record.write(self)
        record.settle(self)
        self.client.exchange_over(close)
