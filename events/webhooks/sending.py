"""The deliverer: what is due is sent from one event loop, so that a receiver that hangs costs a
socket and no thread; the database is asked beside it.

An endpoint is sent EACH at once, and one at a time as long as nothing has arrived there or the last
attempt failed. All of the latter together have half of the places: however many are dead, the
others do not wait for them. The last quarter is for proven endpoints of which nothing is in hand,
one each: those that die at the same moment, each with EACH in hand, do not fill it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from math import inf
from time import monotonic, time
from typing import Final, TypeVar
from uuid import UUID

from events.webhooks.deliveries import (
    Claim,
    Ended,
    Parcel,
    Room,
    claim,
    expand,
    pack,
    release,
    settle,
)
from events.webhooks.health import GONE, judge
from events.webhooks.schedule import asked_by, delay_after
from events.webhooks.signing import headers_of
from momentry.common.beside import beside, in_database
from momentry.common.egress.client import PeerError
from momentry.common.egress.posting import Reply, post

logger = logging.getLogger(__name__)

T = TypeVar("T")
PLACES: Final = 256
SHARED: Final = PLACES * 3 // 4  # the rest: one each, for who has nothing in hand
EACH: Final = 8
SECONDS: Final = 15.0  # for an attempt
POLL_SECONDS: Final = 0.5
GATHER_SECONDS: Final = 0.02  # what ends about then is settled together
STOP_SECONDS: Final = 5.0
LONGEST_ERROR: Final = 200  # as the column


class Deliverer:
    """One of each process. What it has in hand outlives a failure of ``run``, which is called
    again."""

    def __init__(self) -> None:
        self.tasks: dict[asyncio.Task[None], Claim] = {}
        self.busy: Counter[UUID] = Counter()
        self.doubtful = 0  # of the busy ones, those at endpoints that are not proven
        self.ended: list[Ended] = []
        self.changed = asyncio.Event()

    async def run(self, is_over: Callable[[], bool], seconds: float = inf) -> None:
        """For so long, or to the end: then what is in hand is ended or let go. Raises
        django.db.Error when the database is away."""
        self.changed = asyncio.Event()  # of this loop
        until = monotonic() + seconds
        while not is_over():
            if monotonic() >= until:
                return
            self.changed.clear()
            await self.write()
            made = await ask(expand)
            if not await self.begin() and not made:
                await self.rest()
        await self.end()

    async def rest(self) -> None:
        """Until something ends, or may have become due."""
        try:
            await asyncio.wait_for(self.changed.wait(), POLL_SECONDS)
        except TimeoutError:
            return
        await asyncio.sleep(GATHER_SECONDS)

    async def write(self) -> None:
        """What ended; it is kept until it is written."""
        if done := self.ended[:]:
            await ask(partial(settle, done))
            await ask(partial(judge, done))
            del self.ended[: len(done)]

    async def begin(self) -> int:
        """How many attempts were begun: first one at each endpoint where they arrive."""
        begun = await self.fill(Room(proven=True, each=1, most=PLACES - len(self.tasks)))
        if self.busy:  # else nothing is due there
            begun += await self.fill(Room(proven=True, each=EACH, most=SHARED - len(self.tasks)))
        doubtful = min(SHARED - len(self.tasks), PLACES // 2 - self.doubtful)
        return begun + await self.fill(Room(proven=False, each=1, most=doubtful))

    async def fill(self, room: Room) -> int:
        if room.most <= 0:
            return 0
        parcels = await ask(partial(take, room, dict(self.busy)))
        for parcel in parcels:
            self.start(parcel, is_proven=room.proven)
        return len(parcels)

    def start(self, parcel: Parcel, *, is_proven: bool) -> None:
        endpoint = parcel.claim.endpoint
        self.busy[endpoint] += 1
        self.doubtful += not is_proven
        task = asyncio.create_task(self.attempt(parcel))
        self.tasks[task] = parcel.claim

        def leave(ended: asyncio.Task[None]) -> None:
            del self.tasks[ended]
            self.busy[endpoint] -= 1
            self.busy += Counter()  # without those of whom none is left
            self.doubtful -= not is_proven
            self.changed.set()

        task.add_done_callback(leave)

    async def attempt(self, parcel: Parcel) -> None:
        if parcel.fault:
            delay = None if parcel.is_lost else delay_after(parcel.claim.tries + 1)
            self.ended.append(
                Ended(parcel.claim, now(), 0, None, parcel.fault, False, delay, is_theirs=False)
            )
            return
        at, began = now(), monotonic()
        reply, error = await send(parcel)
        milliseconds = round((monotonic() - began) * 1000)
        self.ended.append(judged(parcel.claim, at, milliseconds, reply, error))

    async def end(self) -> None:
        """What is in hand has STOP_SECONDS; the rest is anybody's again."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=STOP_SECONDS)
        left = dict(self.tasks)
        for task in left:
            task.cancel()
        await self.write()
        await ask(partial(release, list(left.values())))


def take(room: Room, busy: dict[UUID, int]) -> list[Parcel]:
    claims = claim(room, busy)
    return pack(claims) if claims else []


async def send(parcel: Parcel) -> tuple[Reply | None, str]:
    """The answer, or why there is none."""
    try:
        headers = headers_of(parcel.claim.event, parcel.body, parcel.keys, int(time()))
        return await post(parcel.url, headers, parcel.body, seconds=SECONDS), ""
    except PeerError as error:
        return None, f"{error.step}: {error}"[:LONGEST_ERROR]
    except Exception as error:  # the outermost of one attempt: the others go on
        logger.exception("delivery not sent", extra={"error": type(error).__name__})
        return None, f"defect: {type(error).__name__}"


def judged(claim: Claim, at: str, milliseconds: int, reply: Reply | None, error: str) -> Ended:
    """A redirect is a failure: nobody said that the new place may be told."""
    if reply is None:
        return Ended(claim, at, milliseconds, None, error, False, delay_after(claim.tries + 1))
    if 200 <= reply.status < 300:
        return Ended(claim, at, milliseconds, reply.status, "", True, None)
    asked = asked_by(reply.headers.get("retry-after", ""), datetime.now(UTC))
    delay = None if reply.status == GONE else delay_after(claim.tries + 1, asked)
    why = f"status: It answered {reply.status}."
    return Ended(claim, at, milliseconds, reply.status, why, False, delay)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def ask(work: Callable[[], T]) -> T:
    """The database."""
    return await beside(partial(in_database, work))
