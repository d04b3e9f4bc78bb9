"""The long poll of jobs/claim, around Django: who waits holds neither a thread nor a connection.

Django is asked, and says in a header that there is nothing yet and how long the worker would wait.
One look for all who wait is taken from time to time; those for whom there may be something ask
Django again, in their order. What one process's waiters cost the database does not grow with them.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NamedTuple

from django.db import DatabaseError, InterfaceError

logger = logging.getLogger(__name__)
PATH: Final = "/api/v1/jobs/claim"
WAIT: Final = "X-Momentry-Wait"
HEADER: Final = WAIT.lower().encode()
RETRY: Final = b"retry-after"
WAITED: Final = b"x-momentry-waited"  # milliseconds, for the gateway: it was not slow so long
PAUSES: Final = range(3, 8)  # seconds, for who is not let in: not all at once
LOOK_SECONDS: Final = 0.5
MOST_WAITERS: Final = 64  # a quarter of what a gateway process holds open to Django
LARGEST_BODY: Final = 64 * 1024

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]
Look = Callable[[frozenset[str], int], Mapping[str, int]]


class Waiters:
    """Of one process. ``look``: how many steps wait for each processor, asked in a thread."""

    def __init__(self, look: Look, most: int = MOST_WAITERS) -> None:
        self.look = look
        self.most = most
        self.waiting: dict[asyncio.Future[None], frozenset[str]] = {}
        self.looker: asyncio.Task[None] | None = None
        self.is_over = False

    def has_room(self) -> bool:
        return not self.is_over and len(self.waiting) < self.most

    async def wait(self, processors: frozenset[str], seconds: float) -> bool:
        """Whether there may be something before the time is over."""
        place = asyncio.get_running_loop().create_future()
        self.waiting[place] = processors
        if self.looker is None or self.looker.done():
            self.looker = asyncio.create_task(self.look_out())
        try:
            async with asyncio.timeout(seconds):
                await place
        except TimeoutError:
            return False
        finally:
            self.waiting.pop(place, None)
        return not self.is_over

    async def look_out(self) -> None:
        """Until nobody waits any more."""
        while self.waiting:
            await asyncio.sleep(LOOK_SECONDS)
            wanted = frozenset[str]().union(*self.waiting.values())
            if not wanted:
                return
            try:
                self.call(await asyncio.to_thread(self.look, wanted, self.most))
            except (DatabaseError, InterfaceError) as error:
                logger.warning("no look at the queue: %s", error)

    def call(self, found: Mapping[str, int]) -> None:
        """As many as there are steps for, who came first first."""
        left = dict(found)
        for place, processors in list(self.waiting.items()):
            if not place.done() and any(left.get(name, 0) > 0 for name in processors):
                place.set_result(None)
                for name in processors:
                    left[name] = left.get(name, 0) - 1

    def end(self) -> None:
        """The server ends: all are answered. Safe in a signal's handler, and in any thread."""
        self.is_over = True
        for place in list(self.waiting):
            place.get_loop().call_soon_threadsafe(finish, place)


def finish(place: "asyncio.Future[None]") -> None:
    if not place.done():
        place.set_result(None)


class Held(NamedTuple):
    """Django's word that there is nothing yet; ``message`` is the head of its answer."""

    message: Message
    seconds: float
    processors: frozenset[str]


class Request:
    """One claim: its body is read once and told to Django each time."""

    def __init__(self, application: Application, scope: Any, receive: Receive, send: Send) -> None:
        self.application = application
        self.scope = scope
        self.receive = receive
        self.send = send
        self.body = b""
        self.waited = 0.0  # seconds

    async def serve(self, waiters: Waiters) -> None:
        if not await self.read():
            return
        leaving = asyncio.create_task(self.leave())
        try:
            await self.hold(waiters, leaving)
        finally:
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving

    async def read(self) -> bool:
        """False when the client left meanwhile. What is too long Django refuses, unread."""
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                return False
            self.body += message.get("body", b"")
            more = message.get("more_body", False) and len(self.body) <= LARGEST_BODY
        return True

    async def leave(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def hold(self, waiters: Waiters, leaving: "asyncio.Task[None]") -> None:
        end = None
        while not leaving.done():
            held = await self.ask(leaving)
            if held is None:
                return
            now = asyncio.get_running_loop().time()
            end = end or now + held.seconds
            if not waiters.has_room() or len(self.body) > LARGEST_BODY:
                await self.answer(held, with_pause=True)
                return
            waiting = asyncio.ensure_future(waiters.wait(held.processors, end - now))
            try:
                await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                self.waited += asyncio.get_running_loop().time() - now
            if leaving.done():
                return
            if not waiting.result():
                await self.answer(held, with_pause=waiters.is_over)
                return

    async def ask(self, leaving: "asyncio.Task[None]") -> Held | None:
        """Django; None when it has answered."""
        found: Held | None = None
        told = False

        async def receive() -> Message:
            nonlocal told
            if told:
                await asyncio.wait((leaving,))
                return {"type": "http.disconnect"}
            told = True
            return {"type": "http.request", "body": self.body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal found
            if message["type"] == "http.response.start":
                found = held_in(message)
            if found is None:
                await self.send(self.with_waited(message))

        await self.application(self.scope, receive, send)
        return found

    async def answer(self, held: Held, *, with_pause: bool) -> None:
        """Nothing. Who has waited asks again at once, who has not after a while."""
        hidden = (HEADER,) if with_pause else (HEADER, RETRY)
        headers = [pair for pair in held.message["headers"] if pair[0].lower() not in hidden]
        await self.send(self.with_waited({**held.message, "headers": headers}))
        await self.send({"type": "http.response.body", "body": b""})

    def with_waited(self, message: Message) -> Message:
        if message["type"] != "http.response.start" or not self.waited:
            return message
        waited = (WAITED, b"%d" % (self.waited * 1000))
        return {**message, "headers": [*message["headers"], waited]}


def held_in(message: Message) -> Held | None:
    for name, value in message["headers"]:
        if name.lower() == HEADER:
            seconds, *processors = value.decode().split()
            return Held(message, float(seconds), frozenset(processors))
    return None
