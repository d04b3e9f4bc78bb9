"""The machine's own books beside the database's: what was admitted, given back and lost."""

from collections import defaultdict
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from apikeys.gate.effects import Take, Taken
from apikeys.gate.periods import period_at
from apikeys.gate.snapshot import Quota
from apikeys.gate.verdict import Charge
from apikeys.ledger.purse import Purse

ZONE: Final = ZoneInfo("Europe/Berlin")
Place = tuple[str, str, datetime]  # subject, period, its start


class Account:
    """Of each place. ``lost`` and ``twice`` bound what may be counted and was not admitted,
    ``untold`` what may be missing."""

    def __init__(self) -> None:
        self.admitted: defaultdict[Place, int] = defaultdict(int)  # what was given back is off
        self.beyond: defaultdict[Place, int] = defaultdict(int)  # what calls cost beyond holds
        self.lost: defaultdict[Place, int] = defaultdict(int)
        self.twice: defaultdict[Place, int] = defaultdict(int)  # costs whose answer was lost
        self.untold: defaultdict[Place, int] = defaultdict(int)  # costs that died with processes

    def admit(self, take: Take, found: Taken) -> None:
        limits = {quota[:3]: quota.limit for quota in take.quotas}
        for charge in found.charges:
            period = period_at(charge.period, take.now, ZONE)
            assert charge.period_start == period.start, "counted in another period"
            place = place_of(charge)
            self.admitted[place] += charge.units
            assert self.admitted[place] <= limits[charge[:3]], "over the limit"

    def held(self, place: Place, units: int) -> None:
        """By somebody who will not give it back."""
        self.lost[place] += max(units, 0)
        self.untold[place] += max(-units, 0)

    def spent(self, place: Place) -> int:
        return self.admitted[place] + self.beyond[place]

    def gone(self, place: Place) -> int:
        """At most so much is counted."""
        return self.spent(place) + self.lost[place] + self.twice[place]


def place_of(charge: Charge) -> Place:
    return charge.subject, charge.period, charge.period_start


def place_of_purse(purse: Purse) -> Place:
    return purse.quota.subject, purse.quota.period, purse.period.start


def quotas_of(run: str, limits: tuple[int, int], which: int) -> tuple[Quota, ...]:
    """The key's own limit of a day, its member's of a month, or both."""
    both = (
        Quota(f"key:{run}", "requests", "day", limits[0]),
        Quota(f"member:{run}", "requests", "month", limits[1]),
    )
    return (both[:1], both[1:], both)[which]
