"""Which key a text that was found is the secret of. Pure: the door answers what it asks.

Not the gate's way: who found it is trusted, so a failure counts against nobody and costs no more
than it has to; and what opens a key now is not stored anew for it.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from apikeys import foreign, keyformat
from apikeys.gate.effects import Effect, FindForeign, LoadKey, ProveSlowly
from apikeys.gate.opening import compare, slow_ones
from apikeys.gate.snapshot import KeySnapshot

if TYPE_CHECKING:
    from apikeys.gate.judge import Policy


def prove(secret: str, policy: "Policy") -> Generator[Effect, Any, UUID | None]:
    """The key that the secret would open, if that has not ended; None for any other text."""
    keys = yield from possible(secret)
    found, others = compare(secret, keys, policy.peppers)
    if found is not None:
        return found.key.key_id
    slow = yield from slow_ones(others)
    if not slow:
        return None
    proven: str | None = yield ProveSlowly(secret, tuple(digest for _, digest in slow))
    return next((key.key_id for key, digest in slow if digest == proven), None)


def possible(secret: str) -> Generator[Effect, Any, tuple[KeySnapshot, ...]]:
    parsed = keyformat.parse(secret)
    if parsed is not None:
        key: KeySnapshot | None = yield LoadKey(parsed.key_id)
        return () if key is None else (key,)
    if not foreign.is_secret(secret):
        return ()
    found: tuple[KeySnapshot, ...] = yield FindForeign(secret)
    return found
