"""The places for connections of one process: newcomers take those of clients that only wait.

Who makes room is looked for once for many newcomers; each is looked at again before it goes.
"""

import array
import fcntl
import termios
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final

from proxy.gateway.connection import HEAD, Connection
from proxy.gateway.metrics import SHED, YIELDED
from proxy.gateway.yielding import GRACE_SECONDS, KEPT, SLOW, Candidate, first, state_of

if TYPE_CHECKING:
    from proxy.gateway.core import Core

FULL: Final = "This server has as many connections as it may have."
OTHERS_WAIT: Final = "The client was too slow, and others wait for its place."
AT_ONCE: Final = 16  # this part of all places is looked for in one go
GOOD_SECONDS: Final = 1.0  # for which what was found is in the right order
PAUSE: Final = 16  # times what a look took that found few: a look costs some 6 % of a core at most
LINGERING: Final = 8  # this part of the places more, for who reads our last words
LEAST_LINGERING: Final = 16


class Places:
    """``lingering`` are answered and half closed, oldest first; of ``leaving`` the loop's next turn
    will say that they are gone. Neither takes a place."""

    __slots__ = (
        "core", "found", "leaving", "lingering", "looked_at", "most", "paused_until", "wanted",
        "were_many",
    )  # fmt: skip

    def __init__(self, core: "Core", most: int) -> None:
        self.core = core
        self.most = most
        self.lingering: dict[Connection, None] = {}
        self.leaving: set[Connection] = set()
        self.found: list[Candidate] = []  # the first is the last of the list
        self.looked_at = 0.0
        self.paused_until = 0.0  # by the monotonic clock; the loop's stands still in a turn
        self.wanted = most // AT_ONCE + 1
        self.were_many = False

    def taken(self) -> int:
        return len(self.core.clients) - len(self.lingering) - len(self.leaving)

    def admit(self, newcomer: Connection) -> None:
        """Called once it is among the clients."""
        while self.taken() > self.most:
            if not self.make_room(newcomer):
                self.core.metrics.counts[SHED] += 1
                newcomer.reject("overloaded", FULL)
                return

    def lost(self, client: Connection) -> None:
        self.lingering.pop(client, None)
        self.leaving.discard(client)

    def linger(self, client: Connection) -> None:
        self.lingering[client] = None
        if len(self.lingering) > self.most // LINGERING + LEAST_LINGERING:
            oldest = next(iter(self.lingering))
            del self.lingering[oldest]
            self.leaving.add(oldest)
            oldest.abort()

    def make_room(self, newcomer: Connection) -> bool:
        now = self.core.loop.time()
        if now <= self.looked_at + GOOD_SECONDS and self.end_first(now):
            return True
        if self.may_look():
            self.look(newcomer, now)
        return self.end_first(now)

    def end_first(self, now: float) -> bool:
        """Of those that were found, the first that is as it was, or is going by itself."""
        while self.found:
            candidate = self.found.pop()
            client = candidate.client
            if client not in self.core.clients or client in self.leaving:
                continue
            if client.phase == HEAD and client.transport.is_closing():
                self.leaving.add(client)
                return True
            if is_still(candidate, now):
                self.end(candidate, now)
                return True
        return False

    def may_look(self) -> bool:
        """Not at once again where few were found. Where many were, each that is not as it was has
        cost its client a request."""
        return self.were_many or monotonic() >= self.paused_until

    def look(self, newcomer: Connection, now: float) -> None:
        began = thread_time()
        others = (
            client
            for client in self.core.clients
            if client is not newcomer and client not in self.leaving
        )
        self.found = first(others, now, self.most, self.wanted)
        self.were_many = len(self.found) == self.wanted
        self.found.reverse()
        self.paused_until = monotonic() + PAUSE * (thread_time() - began)
        self.looked_at = now

    def end(self, candidate: Candidate, now: float) -> None:
        """Who may be in the middle of a head is told; a kept connection ends as it does when its
        time is over."""
        client, counts = candidate.client, self.core.metrics.counts
        counts[YIELDED] += 1
        if candidate.kind == SLOW:
            self.end_slow(client)
        elif client.buffer or (candidate.kind != KEPT and now - candidate.since < GRACE_SECONDS):
            counts[SHED] += 1
            client.reject("overloaded", FULL)
        else:
            client.close()
        if client not in self.lingering:
            self.leaving.add(client)

    def end_slow(self, client: Connection) -> None:
        takes_nothing = client.full or client.exchange is None
        if client.exchange is not None:
            client.exchange.fail("request_timeout", OTHERS_WAIT)
        if takes_nothing:
            client.abort()


def is_still(candidate: Candidate, now: float) -> bool:
    """As it was when it was found? What waits in the kernel may be the request."""
    client = candidate.client
    state = state_of(client, now)
    if state is None or state[0] != candidate.kind:
        return False
    if candidate.kind == SLOW:
        return True
    return state[1] == candidate.since and is_quiet(client)


def is_quiet(client: Connection) -> bool:
    """Is nothing under way, in either direction?"""
    waiting = array.array("i", [0])
    try:
        fcntl.ioctl(client.transport.get_extra_info("socket").fileno(), termios.FIONREAD, waiting)
    except OSError:
        return False
    return not waiting[0] and not client.transport.get_write_buffer_size()
