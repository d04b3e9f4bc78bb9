"""When an attempt that failed is made again. Pure."""

import random
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

# Seconds before each attempt, from the one before it: Standard Webhooks 1.0.
DELAYS: Final = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER: Final = 0.1  # of the delay, added: what failed together does not come back together
LONGEST: Final = 86_400.0


def delay_after(tries: int, asked: float = 0.0) -> float | None:
    """Seconds until the next, after so many that failed; None when that was the last. ``asked``:
    the receiver's Retry-After, which puts it off but does not bring it forward."""
    if tries >= len(DELAYS):
        return None
    planned = DELAYS[tries] * random.uniform(1, 1 + JITTER)  # noqa: S311  no secret
    return max(planned, min(asked, LONGEST))


def asked_by(text: str, now: datetime) -> float:
    """Retry-After in seconds (RFC 9110 §10.2.3), from seconds or a date; 0 for anything else."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        return max((moment - now).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
        return 0.0
