"""A bucket of usage as the API and the reports show it. Pure."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from apikeys.usage.query import Bucket

TOKENS: Final = ("in", "out", "cached", "reasoning")
WIRE: Final = ("in", "out")


def shown(bucket: Bucket) -> dict[str, Any]:
    sums = bucket.sums
    return {
        "period_start": moment(bucket.start),
        "period_end": moment(bucket.end),
        "group": bucket.group,
        "total_requests": sums["total_requests"],
        "successful_requests": sums["successful_requests"],
        "failed_requests": sums["failed_requests"],
        "total_response_time_ms": sums["total_response_time_us"] / 1000,
        "tool_usage": bucket.tools,
        "tokens": {name: sums[f"tokens_{name}"] for name in TOKENS},
        "cost": money(sums["cost_micro"]),
        "bytes": {name: sums[f"bytes_{name}"] for name in WIRE},
    }


def moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def money(micro: int) -> str:
    return f"{Decimal(micro).scaleb(-6):.6f}"
