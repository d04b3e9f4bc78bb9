"""What one gateway process holds of the counters, and how it spends that without asking. Pure.

A purse holds units of one counter's present period. A request spends from all of its purses or
from none. What is short is asked for by an order (sql.LEASE), all of a request's counters at once;
the reply fills the purses. Whoever runs this sends one statement at a time, in the order they were
made, and an order whose reply was lost again as it was.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from apikeys.gate.effects import Take, Taken
from apikeys.gate.periods import EPOCH, Period, period_at
from apikeys.gate.snapshot import Quota
from apikeys.gate.verdict import Charge
from apikeys.ledger.purse import Order, Parameters, Purse, new
from apikeys.ledger.take import scarcest

REST_SECONDS: Final = 1.0  # what nobody spends from for so long goes back
SHOWN_SECONDS: Final = 1.0  # how old a figure may be that is only shown
SURE_SECONDS: Final = 0.05  # for so long "nowhere a unit left" is believed
LOW: Final = 4  # filled up ahead of need once a quarter is left
NO_LIMIT: Final = 0  # not known

Row = tuple[Any, ...]
Place = tuple[str, str, str]  # subject, metric, period


class Purses:
    __slots__ = ("low", "process", "purses", "returning", "seq", "zone")

    def __init__(self, process: str, zone: ZoneInfo) -> None:
        self.process = process
        self.zone = zone
        self.purses: dict[Place, Purse] = {}
        self.low: list[Take] = []  # to be filled up ahead of need
        self.returning: list[Purse] = []  # taken out, to be given back
        self.seq = 0

    def take(self, take: Take, clock: float) -> Taken | None:
        """At once, if what is held here is enough or surely is nowhere; None: ask first."""
        quotas, needs, now = take
        found: list[Purse] = []
        for quota, need in zip(quotas, needs, strict=True):
            purse = self.purses.get(quota[:3])
            if purse is None or not purse.fits(quota, now):
                return None
            if purse.left < need:
                return self.short(take, clock)
            if not need and clock > purse.shown_until:
                return None
            found.append(purse)
        return self.spend(take, found, clock)

    def spend(self, take: Take, found: list[Purse], clock: float) -> Taken:
        charges, limits = [], []
        for purse, need in zip(found, take[1], strict=True):
            if need:
                purse.left -= need
                purse.spent_at = clock
                charges.append(purse.charge(need))
                if purse.left < purse.low and not purse.asked:
                    purse.asked = True
                    self.low.append(take)
            limits.append(purse.limit())
        return new(Taken, (tuple(charges), tuple(limits), None))

    def short(self, take: Take, clock: float) -> Taken | None:
        """A refusal without asking, while the last reply said that no unit is anywhere. Only when
        there is a purse for each quota: the refusal tells them all."""
        is_sure = False
        for quota, need in zip(take.quotas, take.needs, strict=True):
            purse = self.purses.get(quota[:3])
            if purse is None or not purse.fits(quota, take.now):
                return None
            if clock < purse.sure_until and purse.left + purse.free < need:
                is_sure = True
        return self.refuse(take) if is_sure else None

    def knows(self, take: Take) -> bool:
        """Is there a purse for each quota?"""
        return all(quota[:3] in self.purses for quota in take.quotas)

    def refuse(self, take: Take) -> Taken:
        """By what is known; there has to be a purse for each quota."""
        purses = [self.purses[quota[:3]] for quota in take.quotas]
        near = [purse.limit(elsewhere=False) for purse in purses]
        short = scarcest(near, take.needs)
        shown = [
            limit if limit.remaining < need else purse.limit()
            for purse, limit, need in zip(purses, near, take.needs, strict=True)
        ]
        return Taken((), tuple(shown), short)

    def refund(self, charge: Charge) -> bool:
        """Units come back, or more were spent (negative). False: there is no purse for them."""
        purse = self.purses.get(charge[:3])
        if purse is None or not purse.counter or purse.period.start != charge.period_start:
            return False
        purse.left += charge.units
        if purse.left < 0:  # more than it held: the database is told at once
            self.give_up(purse)
        return True

    # What is sent, and what came back.

    def order(self, take: Take, *, ahead: bool = False) -> Order:
        """Ask for what this request needs, or another like it will (``ahead``). Purses of another
        limit or period are given back."""
        purses = tuple([self.purse(quota, take.now) for quota in take.quotas])
        return self.asking(take, purses, ahead=ahead)

    def refunds(self, charges: Sequence[Charge]) -> Order:
        """Units that no purse has room for: each gets one of its own, which is given back once it
        is known to the database. So they come back once, whichever answer is lost."""
        quotas = [Quota(*charge[:3], NO_LIMIT) for charge in charges]
        purses = [
            Purse(quota, Period(charge.period_start, None))
            for quota, charge in zip(quotas, charges, strict=True)
        ]
        order = self.asking(Take(tuple(quotas), (0,) * len(quotas), EPOCH), tuple(purses))
        for purse, charge in zip(purses, charges, strict=True):
            purse.left = charge.units
        return order

    def asking(self, take: Take, purses: tuple[Purse, ...], *, ahead: bool = False) -> Order:
        self.seq += 1
        parameters = {
            "process": self.process,
            "seq": self.seq,
            "ahead": ahead,
            "subjects": [quota.subject for quota in take.quotas],
            "metrics": [quota.metric for quota in take.quotas],
            "periods": [quota.period for quota in take.quotas],
            "starts": [purse.period.start for purse in purses],
            "limits": [quota.limit or None for quota in take.quotas],
            "needs": list(take.needs),
            "lefts": [purse.left for purse in purses],
            "mosts": [purse.most for purse in purses],
        }
        return Order(take, purses, parameters)

    def purse(self, quota: Quota, now: datetime) -> Purse:
        found = self.purses.get(quota[:3])
        if found is not None and found.fits(quota, now):
            return found
        if found is not None:
            self.give_up(found)
        made = Purse(quota, period_at(quota.period, now, self.zone))
        self.purses[quota[:3]] = made
        return made

    def answered(self, order: Order, rows: Iterable[Row], clock: float) -> bool:
        """Fill the purses. False: it was not enough, and others hold units that are called back."""
        purses = {purse.quota[:3]: purse for purse in order.purses}
        needs = dict(zip(order.purses, order.take.needs, strict=True))
        is_final = True
        for *place, counter, units, held, free, others, elsewhere, recalled, said in rows:
            purse = purses[tuple(place)]
            purse.left += units
            purse.counter, purse.held = counter, held
            purse.said = said
            purse.free = free or 0  # NULL where only units went back: no limit was asked for
            purse.elsewhere = elsewhere
            purse.low = purse.left // LOW
            purse.filled(needs[purse], clock)
            purse.asked = False
            purse.spent_at = max(purse.spent_at, clock)
            purse.shown_until = clock + SHOWN_SECONDS
            purse.sure_until = 0.0 if others else clock + SURE_SECONDS
            is_final = is_final and not recalled
            if self.purses.get(purse.quota[:3]) is not purse:
                self.returning.append(purse)
        return is_final

    def is_to_fill(self, take: Take) -> bool:
        """Are all purses still held that were low, and for the same limits?"""
        found = [self.purses.get(quota[:3]) for quota in take.quotas]
        pairs = zip(found, take.quotas, strict=True)
        held = [purse for purse, quota in pairs if purse and purse.fits(quota, take.now)]
        if len(held) < len(found):
            for purse in held:
                purse.asked = False
            return False
        return True

    def give_up(self, purse: Purse) -> None:
        """Nothing is spent from it any more; what is left goes back with the next return."""
        del self.purses[purse.quota[:3]]
        if purse.counter:
            self.returning.append(purse)

    def give_up_idle(self, clock: float) -> None:
        for purse in tuple(self.purses.values()):
            is_idle = purse.spent_at < clock - REST_SECONDS or purse.has_surplus
            if is_idle and purse.counter:
                self.give_up(purse)

    def give_up_recalled(self, counters: frozenset[int]) -> None:
        for purse in tuple(self.purses.values()):
            if purse.counter in counters:
                self.give_up(purse)

    def give_up_all(self) -> None:
        for purse in tuple(self.purses.values()):
            self.give_up(purse)

    def returns(self, most: int) -> Parameters:
        """sql.RETURN's: at most so many of those that were given up."""
        some = self.returning[:most]
        self.returning = self.returning[most:]
        return {
            "process": self.process,
            "counters": [purse.counter for purse in some],
            "lefts": [purse.left for purse in some],
        }

    def report(self, most: int) -> Parameters:
        """sql.REPORT's: what was spent of the leases, where that is news."""
        some = [p for p in self.purses.values() if p.counter and p.said != p.spent][:most]
        for purse in some:
            purse.said = purse.spent
        return {
            "process": self.process,
            "counters": [purse.counter for purse in some],
            "spent": [purse.said for purse in some],
        }

    def reported(self, rows: Iterable[Row], clock: float) -> None:
        known = {purse.counter: purse for purse in self.purses.values()}
        for counter, used, elsewhere in rows:
            if (purse := known.get(counter)) is not None:
                purse.free = purse.quota.limit - used
                purse.elsewhere = elsewhere
                purse.shown_until = clock + SHOWN_SECONDS
