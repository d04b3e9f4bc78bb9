"""What the gate asks of its door: the generator yields one of these and is sent the reply."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from apikeys.gate.snapshot import Quota
from apikeys.gate.verdict import Charge, Limit


class LoadKey(NamedTuple):
    """Reply: KeySnapshot, or None when there is no such key."""

    key_id: UUID


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


Effect = LoadKey | Take


class DatabaseUnavailable(Exception):
    """A door sends this when it cannot know: the gate answers 503, never 401, never yes."""
