"""RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10) from a verdict's limits. Pure."""

from datetime import datetime
from functools import lru_cache

from apikeys.gate.holds import METRICS
from apikeys.gate.verdict import Limit

Fields = list[tuple[bytes, bytes]]


def limit_headers(limits: tuple[Limit, ...], now: datetime) -> Fields:
    """``RateLimit-Policy`` and ``RateLimit``; no limits, no fields. What was left of a window that
    has ended meanwhile is not told."""
    texts = zip((b"RateLimit-Policy", b"RateLimit"), values(limits, now), strict=True)
    return [(name, text.encode()) for name, text in texts if text]


def limit_lines(limits: tuple[Limit, ...], now: datetime) -> bytes:
    """The same as field lines."""
    policies, left = values(limits, now)
    if not left:
        return f"RateLimit-Policy: {policies}\r\n".encode() if policies else b""
    return f"RateLimit-Policy: {policies}\r\nRateLimit: {left}\r\n".encode()


def values(limits: tuple[Limit, ...], now: datetime) -> tuple[str, str]:
    policies, left = [], []
    for name, unit, most, remaining, reset_at, window in limits:
        policies.append(policy_of(name, unit, most, window))
        if reset_at is None:
            left.append(f'"{name}";r={remaining}')
        elif reset_at > now:
            left.append(f'"{name}";r={remaining};t={seconds_until(reset_at, now)}')
    return ", ".join(policies), ", ".join(left)


@lru_cache(maxsize=1024)
def policy_of(name: str, unit: str, most: int, window_seconds: int) -> str:
    """The same for every request of a tier."""
    text = f'"{name}";q={most}'
    if window_seconds:
        text += f";w={window_seconds}"
    return text if unit == "requests" else f'{text};qu="{unit}"'


def has_ended(limit: Limit, now: datetime) -> bool:
    return limit.reset_at is not None and limit.reset_at <= now


def legacy_headers(limits: tuple[Limit, ...], now: datetime) -> Fields:
    """``X-RateLimit-*`` of the scarcest limit that resets, for answers momentry makes itself: of
    requests, which others who know these fields take them for. As there, none that has ended."""
    lasting = [limit for limit in limits if not has_ended(limit, now)]
    some = [limit for limit in lasting if limit.unit not in METRICS] or lasting
    found = [limit for limit in some if limit.reset_at is not None] or some
    if not found:
        return []
    scarce = min(found, key=lambda limit: limit.remaining)
    fields = [
        (b"X-RateLimit-Limit", b"%d" % scarce.limit),
        (b"X-RateLimit-Remaining", b"%d" % scarce.remaining),
    ]
    if scarce.reset_at is not None:
        reset = seconds_until(scarce.reset_at, now)
        fields.append((b"X-RateLimit-Reset", b"%d" % reset))
    return fields


def seconds_until(moment: datetime, now: datetime) -> int:
    """Rounded up, and a whole one more of what is round; at least 1."""
    left = moment - now
    return left.days * 86_400 + left.seconds + 1 if left.days >= 0 else 1
