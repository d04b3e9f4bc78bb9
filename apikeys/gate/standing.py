"""A judgement that stands: the same request of the same remembered key, while nothing changes.

What was judged by memory alone rests on the key as it was read, on rules and on upstreams. While
all these are the same (``Replies.epoch``) only time and limits remain to be looked at. It only
ever admits; everything else is the judge's to say.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from apikeys.gate.effects import Enter, Take
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import KeySnapshot
from apikeys.gate.verdict import Charge, Entry, Limit, Verdict

if TYPE_CHECKING:
    from apikeys.gate.replies import Replies

new: Final = tuple.__new__  # a named tuple's own costs a third more, for every request


class Standing:
    """``until``: seconds of the fence's clock; the memory would read the key anew then."""

    __slots__ = ("burst", "epoch", "key", "needs", "until", "verdict")

    def __init__(
        self, epoch: int, key: KeySnapshot, until: float, request: GateRequest, verdict: Verdict
    ) -> None:
        self.epoch = epoch
        self.key = key
        self.until = until
        self.burst = request.burst
        self.needs = (request.weight,) * len(key.quotas)
        # What it says whatever the limits are.
        self.verdict = verdict[:9], verdict.credential, verdict.tier

    def again(self, door: "Replies", now: datetime) -> Verdict | None:
        """The verdict, with what it took; None, with nothing taken: the judge must be asked."""
        key = self.key
        if key.expires_at is not None and key.expires_at <= now:
            return None
        limits: tuple[Limit, ...] = ()
        charges: tuple[Charge, ...] = ()
        entry: Entry | None = None
        if key.windows:
            wanted = new(Enter, (key.windows, self.burst, now, False, True))
            entered = door.entrance.enter_now(wanted)
            if entered is None or entered.exceeded:
                return None
            entry, limits = entered.entry, entered.limits
        if key.quotas:
            taken = door.keeper.take_now(new(Take, (key.quotas, self.needs, now)))
            if taken is None or taken.exceeded is not None:
                if entry is not None:
                    door.entrance.leave(entry, back=True)
                return None
            charges = taken.charges
            limits = limits + taken.limits if limits else taken.limits
        first, credential, tier = self.verdict
        has_models = key.has_models
        return new(Verdict, (*first, charges, limits, credential, None, entry, tier, has_models))
