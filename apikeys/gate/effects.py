"""What the gate asks of its door: the generator yields one of these and is sent the reply."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from apikeys.gate.snapshot import Quota, Window
from apikeys.gate.verdict import Charge, Entry, Limit


class IsBlocked(NamedTuple):
    """Reply: bool. Do the global IP rules block this address?"""

    address: str


class Secret:
    """No tuple: its repr must not tell the secret."""

    __slots__ = ("secret",)

    def __init__(self, secret: str) -> None:
        self.secret = secret


class MayLookUp(Secret):
    """Reply: lockout.Permit. May this address ask the database about this secret now? ``key_id``
    None: it is no key's text of our own."""

    __slots__ = ("address", "key_id")

    def __init__(self, address: str, secret: str, key_id: UUID | None = None) -> None:
        super().__init__(secret)
        self.address = address
        self.key_id = key_id


class Proven(MayLookUp):
    """No reply is looked at. The secret opened its key: no lock-out ever slows it."""

    __slots__ = ()


class CountFailure(NamedTuple):
    """Reply: seconds the address is still locked, 0 when it was not and the failure counted."""

    address: str


class Recall(NamedTuple):
    """Reply: KeySnapshot, or None when this process does not remember the key."""

    key_id: UUID
    with_metadata: bool = False


class LoadKey(NamedTuple):
    """Reply: KeySnapshot, or None when there is no such key."""

    key_id: UUID
    with_metadata: bool = False


class IsForeign(Secret):
    """Reply: bool. Does it begin as a secret that was imported once? From memory."""

    __slots__ = ()


class FindForeign(Secret):
    """Reply: a KeySnapshot, with this one digest, for each imported secret that it may be."""

    __slots__ = ("with_metadata",)

    def __init__(self, secret: str, *, with_metadata: bool = False) -> None:
        super().__init__(secret)
        self.with_metadata = with_metadata


class ProveSlowly(Secret):
    """Reply: the one of these Argon2id digests that is the secret's, or None."""

    __slots__ = ("digests",)

    def __init__(self, secret: str, digests: tuple[str, ...]) -> None:
        super().__init__(secret)
        self.digests = digests


class Upgrade(Secret):
    """No reply is looked at. The secret proved ``digest``, which has not the form of today."""

    __slots__ = ("digest", "key_id")

    def __init__(self, secret: str, key_id: UUID, digest: str) -> None:
        super().__init__(secret)
        self.key_id = key_id
        self.digest = digest

    @property
    def mark(self) -> str:
        """What tells it from others."""
        return f"{self.key_id.hex} {self.digest}"


class Damaged(NamedTuple):
    """No reply is looked at. A stored digest of this key cannot be read: an alarm for staff."""

    key_id: UUID


class Enter(NamedTuple):
    """Reply: Entered. ``units`` of each second and minute, and one slot of each concurrency, all
    or none. ``dry``: look only. ``holds``: the slots are kept until Leave; else they are only
    looked for. ``units`` 0 reads what is left.
    """

    windows: tuple[Window, ...]
    units: int
    now: datetime
    dry: bool = False
    holds: bool = True


class Entered(NamedTuple):
    """All or nothing: with ``exceeded`` nothing was taken. ``entry`` None: nothing to leave."""

    entry: Entry | None
    limits: tuple[Limit, ...]
    exceeded: tuple[Limit, ...]


class Leave(NamedTuple):
    """No reply is looked at. The request came to nothing: its units go back too."""

    entry: Entry


class Take(NamedTuple):
    """Reply: Taken. ``needs``: units of each quota, in their order; 0 reads what is left."""

    quotas: tuple[Quota, ...]
    needs: tuple[int, ...]
    now: datetime


class TakeStored(NamedTuple):
    """Reply: Taken. As Take, but past the leases: any process may give its charges back."""

    quotas: tuple[Quota, ...]
    needs: tuple[int, ...]
    now: datetime


class Taken(NamedTuple):
    """All or nothing: with ``exceeded`` set no counter was changed."""

    charges: tuple[Charge, ...]
    limits: tuple[Limit, ...]
    exceeded: Limit | None


Asked = IsBlocked | Secret | CountFailure | Recall | LoadKey | Damaged
Effect = Asked | Enter | Leave | Take | TakeStored


class DatabaseUnavailable(Exception):
    """A door sends this when it cannot know: the gate answers 503, never 401, never yes."""


class Overloaded(Exception):
    """A door sends this when too many slow proofs wait: the gate answers 503, not 401."""
