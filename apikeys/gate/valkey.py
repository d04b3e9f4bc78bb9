"""Valkey as the gateway asks it: over one connection, in order, briefly, and not while it is away.

Requests that come together share the way there and back; a general client costs several times the
time of the answer. Only what scripts reply is read: whole numbers, short texts, lists of these.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any, Final

from redis.asyncio.connection import parse_url

from apikeys.gate.link import LATE_SECONDS, Link, LinkError, Word
from apikeys.gate.outage import AWAY_SECONDS, TIMEOUT_SECONDS, Outage
from apikeys.gate.shapes import Fits, anything, is_text, says
from momentry.common.clock import clock

Now = Callable[[], float]
PORT: Final = 6379
OK: Final = says(b"OK")
PONG: Final = says(b"PONG")


class Valkey:
    """Never raises; what it was asked is answered None while it is away."""

    __slots__ = ("away_until", "before", "connecting", "link", "now", "outage", "place")

    def __init__(self, url: str, now: Now = clock) -> None:
        """ValueError for what is no URL of a Valkey."""
        self.place: dict[str, Any] = dict(parse_url(url))
        self.now = now
        self.away_until = 0.0
        self.outage = Outage()
        self.link: Link | None = None
        self.connecting: asyncio.Task[Link] | None = None
        self.before: Callable[[Link], object] = bool  # says what Valkey must know before a question

    def is_away(self) -> bool:
        return self.now() < self.away_until

    async def ask(
        self,
        script: str,
        keys: tuple[str, ...],
        arguments: tuple[Word, ...],
        fits: Fits = anything,
    ) -> Any:
        """The script's reply; None when Valkey is away, or says what does not fit."""
        return await self.call("EVAL", script, len(keys), *keys, *arguments, fits=fits)

    async def call(self, *words: Word, fits: Fits = anything) -> Any:
        if self.is_away():
            return None
        link = self.link
        try:
            if link is None or link.ended:
                link = await self.connected()
            self.before(link)
            reply = await link.send(*words, fits=fits)
        except (LinkError, OSError, TimeoutError) as error:
            return self.failed(error, link)
        self.outage.ended()
        return reply

    def failed(self, error: Exception, link: Link | None) -> None:
        """Who refused once (as a replica, without a password) is not asked again: the next
        connection may lead to another server."""
        self.outage.began(error)
        self.away_until = self.now() + AWAY_SECONDS
        if link is not None:
            link.close()

    async def keep(self) -> None:
        """Connect again, so that no request has to."""
        if self.link is None or self.link.ended:
            await self.call("PING", fits=PONG)

    async def info(self, section: str) -> str | None:
        """What it says of itself: None without a connection, "" when it may not be asked that."""
        if self.link is None or self.link.ended:
            return None
        try:
            reply: bytes = await self.link.send("INFO", section, fits=is_text)
        except (LinkError, TimeoutError):
            return ""
        return reply.decode("utf-8", "replace")

    def tell(self, *words: Word, fits: Fits) -> None:
        """Sent at once, in front of all that is asked later; without a connection it is dropped."""
        if self.link is not None and not self.link.ended and not self.is_away():
            self.link.send(*words, fits=fits).add_done_callback(consume)

    async def connected(self) -> Link:
        """All who need it wait for the same connection."""
        if self.connecting is None or self.connecting.done():
            self.connecting = asyncio.get_running_loop().create_task(self.connect())
        return await asyncio.shield(self.connecting)

    async def connect(self) -> Link:
        link = await self.opened()
        try:
            await self.log_in(link)
        except BaseException:
            link.close()
            raise
        self.link = link
        return link

    async def log_in(self, link: Link) -> None:
        given = [self.place.get(name) for name in ("username", "password")]
        if given[1]:
            await link.send("AUTH", *(word for word in given if word), fits=OK)
        if number := self.place.get("db"):
            await link.send("SELECT", int(number), fits=OK)

    async def opened(self) -> Link:
        """Raises TimeoutError, but not because our own loop stood still."""
        loop = asyncio.get_running_loop()
        opening = loop.create_task(self.open())
        is_late = True
        while is_late and not opening.done():
            due = loop.time() + TIMEOUT_SECONDS
            await asyncio.wait({opening}, timeout=TIMEOUT_SECONDS)
            is_late = loop.time() > due + LATE_SECONDS
        if not opening.done():
            opening.cancel()
            raise TimeoutError
        return opening.result()

    async def open(self) -> Link:
        loop, place = asyncio.get_running_loop(), self.place
        if "path" in place:
            _, link = await loop.create_unix_connection(Link, place["path"])
        else:
            _, link = await loop.create_connection(
                Link,
                place.get("host", "localhost"),
                place.get("port", PORT),
                ssl=tls_of(place) if "SSL" in str(place.get("connection_class")) else None,
            )
        return link

    async def close(self) -> None:
        """What was told is still sent."""
        if self.link is not None and not self.link.ended:
            with contextlib.suppress(LinkError, TimeoutError):
                await asyncio.wait_for(self.link.send("PING", fits=PONG), TIMEOUT_SECONDS)
            self.link.close()


def tls_of(place: dict[str, Any]) -> ssl.SSLContext:
    """The URL's ssl_ca_certs, and ssl_cert_reqs=none for who insists."""
    context = ssl.create_default_context(cafile=place.get("ssl_ca_certs"))
    if place.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def consume(told: "asyncio.Future[Any]") -> None:
    """Its failure is seen by whoever asks next."""
    if not told.cancelled():
        told.exception()
