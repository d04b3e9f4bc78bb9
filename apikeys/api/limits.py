"""The limits that tiers give a key, as its JSON shows them; what is left of them is the gate's."""

from typing import Any

from apikeys.models import ApiKey, Tier

PERIODS = (("daily", "requests_per_day"), ("monthly", "requests_per_month"))


def limits_of(key: ApiKey, tiers: dict[str, Tier]) -> list[dict[str, Any]]:
    """Those of the member's tier, and those of the key's own; unlimited ones are left out."""
    found = tier_limits(tiers.get(key.owner.tier), "") if key.owner else []
    return found + tier_limits(tiers.get(key.tier_id or ""), "key-")


def tier_limits(tier: Tier | None, prefix: str) -> list[dict[str, Any]]:
    return [
        {"name": prefix + name, "unit": "requests", "limit": getattr(tier, field)}
        for name, field in PERIODS
        if getattr(tier, field, None) is not None
    ]
