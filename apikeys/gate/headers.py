"""RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10) from a verdict's limits. Pure."""

from datetime import datetime

from apikeys.gate.verdict import Limit


def limit_headers(limits: tuple[Limit, ...], now: datetime) -> list[tuple[bytes, bytes]]:
    """``RateLimit-Policy`` and ``RateLimit``; no limits, no fields."""
    if not limits:
        return []
    policy = ", ".join(
        f'"{limit.name}";q={limit.limit};w={limit.window_seconds}' for limit in limits
    )
    left = ", ".join(
        f'"{limit.name}";r={limit.remaining};t={seconds_until(limit.reset_at, now)}'
        for limit in limits
    )
    return [(b"RateLimit-Policy", policy.encode()), (b"RateLimit", left.encode())]


def legacy_headers(limits: tuple[Limit, ...], now: datetime) -> list[tuple[bytes, bytes]]:
    """``X-RateLimit-*`` of the scarcest limit, for answers momentry makes itself."""
    if not limits:
        return []
    scarce = min(limits, key=lambda limit: limit.remaining)
    reset = seconds_until(scarce.reset_at, now)
    return [
        (b"X-RateLimit-Limit", b"%d" % scarce.limit),
        (b"X-RateLimit-Remaining", b"%d" % scarce.remaining),
        (b"X-RateLimit-Reset", b"%d" % reset),
    ]


def seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, int((moment - now).total_seconds()) + 1)
