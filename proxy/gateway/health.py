"""What one process thinks of one target, by the answers it gets; no clock and no I/O of its own.

Failures in a row put a target out. A probe that succeeds brings it back; where nobody can probe
what failed (it accepts connections, and answers badly), single requests are let through, ever more
seldom, until one succeeds.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

FIRST_REST: Final = 0.5  # seconds until it is let in again, doubled by each time that fails
LONGEST_REST: Final = 30.0
BAD: Final = frozenset((502, 503, 504))  # answers of who cannot answer


class Health:
    """``load``: requests under way. ``since``: the loop's time at which it was put out, or 0.0.
    ``is_provable``: a probe can tell when it is back, so no request need be risked."""

    __slots__ = (
        "asked_at", "failures", "id", "is_provable", "load", "note", "on_trust", "reason", "rest",
        "since", "threshold", "trial", "trial_at",
    )  # fmt: skip

    def __init__(self, target: UUID) -> None:
        self.id = target
        self.threshold = 1
        self.note: Callable[[UUID], object] = str  # told of who was put out
        self.load = 0
        self.failures = 0  # in a row
        self.since = self.trial_at = 0.0
        self.rest = FIRST_REST
        self.reason = ""
        self.is_provable = False
        self.on_trust = False  # in by a probe, and no request was answered since
        self.trial: object = None  # the one request that was let through, while it is under way
        self.asked_at = 0.0  # by a probe

    def follow(self, threshold: int, note: "Callable[[UUID], object]") -> None:
        """What the upstream says of it now."""
        self.threshold = threshold
        self.note = note

    def is_in(self, now: float) -> bool:
        """May a request go there? While it is out that is one at a time, and only after a rest."""
        if not self.since:
            return True
        return not self.is_provable and self.trial is None and now >= self.trial_at

    def enter(self, request: object) -> None:
        self.load += 1
        if self.since:
            self.trial = request

    def leave(self, request: object) -> None:
        """Those that were under way when it was put out are not the one that was let through."""
        self.load -= 1
        if self.trial is request:
            self.trial = None

    def answered(self, status: int, now: float, request: object) -> None:
        if status in BAD:
            self.failed(f"it answered {status}", now, request=request)
        else:
            self.succeeded()

    def failed(
        self, reason: str, now: float, *, provable: bool = False, request: object = None
    ) -> None:
        """``provable``: what failed is what a probe asks too; ``request``: None for a probe."""
        self.failures += 1
        if self.since:
            if request is not self.trial:
                return  # under way since before, or beside it: of now it says nothing
            if now >= self.trial_at and not self.is_provable:
                self.rest = min(LONGEST_REST, self.rest * 2)
        elif self.failures >= self.threshold:
            self.since = now
            self.rest = min(LONGEST_REST, self.rest * 2) if self.on_trust else FIRST_REST
            self.note(self.id)
        else:
            return
        self.reason = reason
        self.is_provable = provable
        self.trial_at = now + self.rest

    def succeeded(self) -> None:
        """A request was answered."""
        self.failures = 0
        self.rest = FIRST_REST
        self.come_back(on_trust=False)

    def proved(self, now: float) -> None:
        """A probe was answered. The first request that fails nevertheless puts it out again, for
        twice as long: probes may be answered where requests are not."""
        if self.since and now >= self.trial_at:
            self.failures = max(1, self.threshold - 1)  # never 0: a request answered is noted
            self.come_back(on_trust=True)

    def come_back(self, *, on_trust: bool) -> None:
        self.on_trust = on_trust
        if self.since:
            self.since = 0.0
            self.reason = ""
            self.trial = None
