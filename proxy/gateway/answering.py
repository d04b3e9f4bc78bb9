"""The answer of an upstream or of Django on its way down to the client."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic
from typing import Final

from apikeys.gate.headers import limit_lines
from proxy.gateway import attempts, forwarding, record
from proxy.gateway.chunked import encode, encode_last
from proxy.gateway.facts import Facts
from proxy.gateway.head import BadMessage, Fields
from proxy.gateway.hygiene import (
    CHUNKED,
    CLOSED,
    client_framing,
    interim_to_client,
    to_client,
    trailers_to_client,
)
from proxy.gateway.injection import withheld
from proxy.gateway.response import ResponseHead

JOINED: Final = 16_384  # bytes; more are not worth a copy


class Answering(Facts, ABC):
    """What the upstream's side calls as an answer comes."""

    __slots__ = ()

    @abstractmethod
    def may_keep(self) -> bool:
        """May the client's connection be used again?"""

    @abstractmethod
    def fail(self, code: str, detail: str | None = None, **extra: object) -> None:
        """A problem document, or a cut that the client can see."""

    @abstractmethod
    def finish(self, status: int, code: str, detail: str, *, close: bool) -> None:
        """The end of the exchange."""

    def interim(self, response: ResponseHead) -> None:
        """100 was answered here, if it was asked for; HTTP/1.0 knows no 1xx."""
        if response.status != 100 and self.head.version == 11:
            self.rewrite(response)
            self.client.write(interim_to_client(response))

    def rewrite(self, response: ResponseHead) -> None:
        """Of an upstream: the credential is not the client's to know, and staff may have rules."""
        if self.target is None:
            return
        place = self.target.destination
        if own := place.injection.spellings:
            response.withhold(own)
        if place.answered is not None:
            place.answered.rewrite(response)

    def told(self, trailers: Fields) -> Fields:
        """As rewrite(), of what follows the body; a rule puts nothing there."""
        own: tuple[bytes, ...] = ()
        if self.target is not None:
            place = self.target.destination
            own = place.injection.spellings
            if place.answered is not None:
                trailers = place.answered.kept(trailers)
        return [(name, withheld(value, own)) for name, value in trailers_to_client(trailers)]

    def response_whole(
        self, response: ResponseHead, body: bytes, leave: Callable[[], None]
    ) -> None:
        """An answer that came in one piece; its connection is left first, as at the end of others:
        a client that has all of it may ask again at once."""
        if self.metering is not None and self.metering.hides:
            self.response_parts(response, body, leave)
            return
        head = self.begin_answer(response)
        self.side = None
        leave()
        self.bytes_out = len(body)
        if self.metering is not None:
            self.metering.feed(body)
            self.metering.is_whole = True
        record.settle(self)
        self.client.write(head + body if len(body) < JOINED else head)
        if len(body) >= JOINED:
            self.client.write(body)
        self.finish(self.status, self.code, self.detail, close=not self.keeps)

    def response_parts(
        self, response: ResponseHead, body: bytes, leave: Callable[[], None]
    ) -> None:
        """The same of one that may become shorter on its way."""
        self.response_head(response)
        self.side = None
        leave()
        self.response_piece(body)
        if not self.over:
            self.response_end([])

    def response_head(self, response: ResponseHead) -> None:
        self.client.write(self.begin_answer(response))

    def begin_answer(self, response: ResponseHead) -> bytes:
        """Its head for the client."""
        self.first_byte = monotonic()
        limits = b""
        if self.target is None:
            forwarding.read_django(self, response)
        else:
            health = self.target.health
            if health.failures or response.status > 501:
                health.answered(response.status, self.core.loop.time(), self)
            if self.tried:
                attempts.arrived(self)
            limits = self.limits()
            if self.target.turns is not None:
                self.target.turns.answered(self.target, response.status, response.headers)
            if self.metering is not None:
                self.metering.open(response)
            self.rewrite(response)
        if not response.bodiless and (response.content_length or 0) > self.max_response:
            raise BadMessage("upstream_failed", forwarding.TOO_LARGE)
        if self.metering is not None and self.metering.hider is not None:
            response.content_length = None  # it is another one
        self.status = response.status
        self.framing = client_framing(response, self.head.version)
        self.keeps = self.may_keep() and self.framing is not CLOSED
        return to_client(
            response,
            version=self.head.version,
            request_id=self.id.encode(),
            limits=limits,
            close=not self.keeps,
            foreign=self.target is not None,
        )

    def limits(self) -> bytes:
        """What the head of an upstream's answer says of them."""
        verdict = self.verdict
        if verdict is None or not verdict.limits:
            return b""
        return limit_lines(verdict.limits, self.core.now())

    def response_piece(self, data: bytes) -> None:
        if self.metering is not None:
            data = self.metering.take(data)
        self.bytes_out += len(data)
        if self.bytes_out > self.max_response:
            self.fail("upstream_failed", forwarding.TOO_LARGE)
            return
        self.client.write(encode(data) if self.framing is CHUNKED else data)

    def response_end(self, trailers: Fields) -> None:
        self.side = None
        if self.metering is not None:
            self.metering.is_whole = True
            self.pour_rest()
        if self.framing is CHUNKED:
            self.client.write(encode_last(self.told(trailers) if trailers else trailers))
        self.finish(self.status, self.code, self.detail, close=not self.keeps)

    def pour_rest(self) -> None:
        """What waited for the end of its event; none will come."""
        if self.metering is not None and (rest := self.metering.rest()):
            self.bytes_out += len(rest)
            self.client.write(encode(rest) if self.framing is CHUNKED else rest)
