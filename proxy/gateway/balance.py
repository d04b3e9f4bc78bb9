"""Which of an upstream's targets a request goes to, and how many requests go to a second one.

Weights are shares of the requests while all targets are idle; a target's share shrinks with what
is under way there, so one that is slow is spared before it fails (Envoy's weighted least request).
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy.gateway.upstreams import Target

SHARE: Final = 0.2  # of the requests under way may be at their second target or a later one
LEAST: Final = 3


def choose(targets: "Sequence[Target]", now: float) -> "Target | None":
    """By weight and load, of those that are in. Where more than half are out all are tried: the
    fault may be ours, and few must not bear everything."""
    live = [target for target in targets if target.health.is_in(now)]
    if len(live) * 2 < len(targets):
        live = list(targets)
    if not live:
        return None
    shares = [target.weight / (target.health.load + 1) for target in live]
    return random.choices(live, shares)[0]  # noqa: S311  balancing, no secret


class Budget:
    """Of one upstream in one process: who goes to another target beyond the share waits in line, so
    a target that dies is not answered with a storm, and nobody is lost for want of leave."""

    __slots__ = ("line", "moving")

    def __init__(self) -> None:
        self.moving = 0
        self.line: deque[Callable[[], bool]] = deque()

    def ask(self, active: int, go: Callable[[], bool]) -> None:
        """Calls ``go``, at once or later; it says whether it went."""
        if self.moving >= max(LEAST, active * SHARE):
            self.line.append(go)
            return
        self.moving += 1
        if not go():
            self.done()

    def done(self) -> None:
        """One that moved is over: its place is the next one's."""
        self.moving -= 1
        while self.line:
            if self.line.popleft()():
                self.moving += 1
                return
