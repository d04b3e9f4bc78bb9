"""What the gate asks of its door: the generator yields one of these and is sent the reply."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from apikeys.gate.snapshot import Quota
from apikeys.gate.verdict import Charge, Limit


class IsBlocked(NamedTuple):
    """Reply: bool. Do the global IP rules block this address?"""

    address: str


class MayLookUp:
    """Reply: lockout.Permit. May this address ask the database about this secret now?"""

    __slots__ = ("address", "secret")

    def __init__(self, address: str, secret: str) -> None:
        self.address = address
        self.secret = secret


class Proven(MayLookUp):
    """No reply is looked at. The secret opened its key: no lock-out ever slows it."""

    __slots__ = ()


class CountFailure(NamedTuple):
    """Reply: seconds the address is still locked, 0 when it was not and the failure counted."""

    address: str


class LoadKey(NamedTuple):
    """Reply: KeySnapshot, or None when there is no such key."""

    key_id: UUID
    with_metadata: bool = False


class Take(NamedTuple):
    """Reply: Taken. ``units`` 0 reads what is left."""

    quotas: tuple[Quota, ...]
    units: int
    now: datetime


class Taken(NamedTuple):
    """All or nothing: with ``exceeded`` set no counter was changed."""

    charges: tuple[Charge, ...]
    limits: tuple[Limit, ...]
    exceeded: Limit | None


Effect = IsBlocked | MayLookUp | Proven | CountFailure | LoadKey | Take


class DatabaseUnavailable(Exception):
    """A door sends this when it cannot know: the gate answers 503, never 401, never yes."""
