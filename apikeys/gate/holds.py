"""Holds on budgets: what a call may cost at most is taken before it, what it did not cost goes back
after it. Pure; who gives back is the caller's matter.

Cost is counted in millionths of the operator's currency, as whole numbers (``cost_micro``).
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from apikeys.gate.verdict import Charge, Verdict

METRICS: Final = ("tokens", "cost_micro")
MAX_HELD: Final = 10**12  # of either, by one call


class Hold(NamedTuple):
    """What one call asks to hold. ``anywhere``: any process may end it, so its units are no part of
    a lease; else only the one that holds it. Not ``taken``: a budget that has less refuses, that is
    all."""

    tokens: int
    cost_micro: int
    anywhere: bool = False
    taken: bool = True

    def of(self, metric: str) -> int:
        return self.tokens if metric == "tokens" else self.cost_micro


LOOK: Final = Hold(0, 0)  # takes nothing: what is left of the budgets is only told


def hold_of(tokens: int, cost_micro: int, *, anywhere: bool = False) -> Hold:
    """At least one of each, so that a budget that is used up refuses also whom nobody estimated."""
    return Hold(max(1, tokens), max(1, cost_micro), anywhere)


LEAST: Final = hold_of(0, 0)
LEFT: Final = LEAST._replace(taken=False)  # of a call that is counted elsewhere, if at all


def unspent(
    charges: tuple[Charge, ...], tokens: int | None, cost_micro: int | None
) -> tuple[Charge, ...]:
    """What goes back of a call that cost this much; negative: what it cost beyond its hold. None:
    nobody knows, so what was held counts. The request itself stays counted."""
    actual = {"tokens": tokens, "cost_micro": cost_micro}
    back = []
    for charge in charges:
        cost = actual.get(charge.metric)
        if cost is not None and cost != charge.units:
            back.append(charge._replace(units=charge.units - cost))
    return tuple(back)


def held_of(verdict: Verdict | None) -> dict[str, int]:
    """Units that an admitted call holds, by metric; of a key's and its member's budgets alike."""
    charges = () if verdict is None else verdict.charges
    return {charge.metric: charge.units for charge in charges if charge.metric in METRICS}


class Held:
    """What one admitted call holds, of a verdict's charges. It ends once: the first of settle() and
    refund() counts, so refund() in ``finally`` undoes only what nobody settled. Never ended, it
    stays counted."""

    __slots__ = ("charges", "give_back")

    def __init__(
        self, charges: tuple[Charge, ...], give_back: Callable[[tuple[Charge, ...]], None]
    ) -> None:
        self.charges: tuple[Charge, ...] | None = charges
        self.give_back = give_back

    def settle(self, tokens: int | None, cost_micro: int | None) -> bool:
        """The call cost this much; None: what was held. False: it had ended."""
        return self.end(lambda charges: unspent(charges, tokens, cost_micro))

    def refund(self) -> bool:
        """The call came to nothing: all goes back, its request too. False: it had ended."""
        return self.end(lambda charges: charges)

    def end(self, back_of: Callable[[tuple[Charge, ...]], tuple[Charge, ...]]) -> bool:
        charges, self.charges = self.charges, None
        if charges is None:
            return False
        if back := back_of(charges):
            self.give_back(back)
        return True
