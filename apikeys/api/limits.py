"""The limits a key is held to, as its JSON shows them; what is left of them is the gate's."""

from collections.abc import Iterable
from typing import Any, Final

from apikeys.gate.periods import LIMIT_NAMES
from apikeys.gate.snapshot import COUNTED
from apikeys.models import ApiKey, LimitOverride, RequestLimit, Tier

NAMES: Final = {
    RequestLimit.PER_SECOND: ("second", "requests"),
    RequestLimit.PER_MINUTE: ("minute", "requests"),
    RequestLimit.CONCURRENT: ("concurrent", "concurrent-requests"),
    **{RequestLimit(name): (LIMIT_NAMES[counted], counted[0]) for name, counted in COUNTED.items()},
}  # what clients call it, and its unit


def limits_of(key: ApiKey, tiers: dict[str, Tier]) -> list[dict[str, Any]]:
    """Those of the member, and those of the key's own; unlimited ones are left out."""
    found: list[dict[str, Any]] = []
    if key.owner is not None:
        found += effective(tiers.get(key.owner.tier), key.owner.limit_overrides.all(), "")
    return found + effective(tiers.get(key.tier_id or ""), key.limit_overrides.all(), "key-")


def effective(
    tier: Tier | None, overrides: Iterable[LimitOverride], prefix: str
) -> list[dict[str, Any]]:
    """An override of a limit if there is one, else the tier's."""
    own = {override.name: override.value for override in overrides}
    found = ((name, own.get(name, getattr(tier, name, None))) for name in NAMES)
    return [
        {"name": prefix + NAMES[name][0], "unit": NAMES[name][1], "limit": limit}
        for name, limit in found
        if limit is not None
    ]
