"""The addresses of one host: looked up beside, kept for a while, followed when they change."""

import asyncio
import contextlib
import socket
from ipaddress import ip_address
from typing import Final

LIFE: Final = 30.0  # seconds; getaddrinfo(3) tells no TTL
AFTER_FAILURE: Final = 1.0
PATIENCE: Final = 1.0  # for a look-up while older addresses are known
NEVER: Final = float("inf")


class Resolver:
    """``known``: in the order to try them. What a failed look-up cannot replace goes on to hold."""

    __slots__ = ("fresh_until", "host", "known", "looking", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, host: str) -> None:
        """``host``: a name, an address, or "" for a unix socket, which has neither."""
        is_fixed = is_address(host)
        self.loop = loop
        self.host = host
        self.known: tuple[str, ...] = (host,) if is_fixed else ()
        self.fresh_until = NEVER if is_fixed else 0.0
        self.looking: asyncio.Task[None] | None = None

    async def addresses(self) -> tuple[str, ...]:
        """At least one. Raises OSError."""
        if self.loop.time() >= self.fresh_until:
            await self.wait()
        if not self.known:
            raise socket.gaierror(socket.EAI_NONAME, "The name has no address.")
        return self.known

    async def wait(self) -> None:
        """While nothing is known all wait for the look-up, else only who begins it, and not long:
        a name server that hangs must not hold up every new connection."""
        begins = self.looking is None
        looking = asyncio.shield(self.renew())
        if not self.known:
            await looking
        elif begins:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(looking, PATIENCE)

    def renew(self) -> "asyncio.Task[None]":
        """The look-up that runs, or a new one."""
        if self.looking is None:
            self.looking = self.loop.create_task(self.look_up())
        return self.looking

    async def look_up(self) -> None:
        found: tuple[str, ...] = ()
        with contextlib.suppress(OSError, UnicodeError):  # the latter of what cannot be a name
            told = await self.loop.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
            found = tuple(dict.fromkeys(str(place[0]) for *_, place in told))
        self.looking = None
        self.known = found or self.known
        self.fresh_until = self.loop.time() + (LIFE if found else AFTER_FAILURE)

    def put_last(self, address: str) -> None:
        """Nobody answered there: until the next look-up the others come first."""
        if len(self.known) > 1 and address in self.known:
            self.known = (*(each for each in self.known if each != address), address)


def is_address(host: str) -> bool:
    try:
        return not host or bool(ip_address(host))
    except ValueError:
        return False
