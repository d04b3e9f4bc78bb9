"""What is asked about usage, and how it is answered: parameters, fields and examples."""

from datetime import datetime, timedelta
from typing import Any, Final

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.request import Request

from apikeys.api.filters import read_filters
from apikeys.usage.query import BUCKETS, FIELDS, PERIODS, Question
from apikeys.usage.shown import TOKENS, WIRE
from apikeys.usage.spans import DAY, HOUR, day_of, hour_of
from momentry.common.errors import MomentryError
from momentry.common.filters import Instant

MOST_GROUPS: Final = 3
WIDEST: Final = {"hour": 31 * DAY, "day": 400 * DAY}
USUAL: Final = {"hour": DAY, "day": 30 * DAY}


class Moment(Instant):
    """On a whole hour of UTC."""

    def to_internal_value(self, data: str) -> datetime:
        found = super().to_internal_value(data)
        if found != hour_of(found):
            raise serializers.ValidationError("is not on a whole hour of UTC")
        return found


class Groups(serializers.CharField):
    """Names parted by commas: at most one of hour and day, and at most MOST_GROUPS."""

    known = tuple(BUCKETS)

    def to_internal_value(self, data: Any) -> Any:
        names = tuple(super().to_internal_value(data).split(","))
        if unknown := [name for name in names if name not in self.known]:
            raise serializers.ValidationError(f"knows {', '.join(self.known)}, not {unknown[0]!r}")
        if len(set(names)) < len(names) or len(names) > MOST_GROUPS or len(timed(names)) > 1:
            raise serializers.ValidationError(
                f"takes up to {MOST_GROUPS} different names, hour or day once"
            )
        return names


class MyGroups(Groups):
    known = tuple(name for name in BUCKETS if name != "member")


def timed(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in PERIODS]


GROUPS_HELP: Final = "Up to 3 of {}, parted by commas, hour or day once. {}"
HOURS_HELP: Final = "Up to 31 days by hour, 400 otherwise."


class MyUsageFilters(serializers.Serializer[Any]):
    key = serializers.UUIDField(required=False, help_text="Calls with this key.")
    upstream = serializers.CharField(required=False, max_length=60, help_text="Its slug.")
    operation = serializers.CharField(required=False, max_length=100)
    status = serializers.IntegerField(required=False, min_value=100, max_value=999)
    model = serializers.CharField(required=False, max_length=100)

    def get_fields(self) -> dict[str, Any]:
        start = Moment(required=False, help_text=f"First hour, UTC. {HOURS_HELP}")
        end = Moment(required=False, help_text="Up to, not including; the end of this hour.")
        return {**super().get_fields(), "from": start, "to": end, "group_by": self.groups()}

    def groups(self) -> Groups:
        return MyGroups(
            default="day", help_text=GROUPS_HELP.format(", ".join(MyGroups.known), HOURS_HELP)
        )


class UsageFilters(MyUsageFilters):
    member = serializers.UUIDField(required=False, help_text="Calls of this member.")

    def groups(self) -> Groups:
        return Groups(
            default="day", help_text=GROUPS_HELP.format(", ".join(Groups.known), HOURS_HELP)
        )


def question_of(
    kind: type[serializers.Serializer[Any]], request: Request, now: datetime
) -> Question:
    """MomentryError invalid_input for what is not asked well."""
    return question(read_filters(kind, request), now)


def question(wanted: dict[str, Any], now: datetime) -> Question:
    """MomentryError invalid_input for a span that is none, or too wide."""
    groups = wanted.pop("group_by")
    groups = (groups,) if isinstance(groups, str) else groups  # the default
    end = wanted.pop("to", hour_of(now) + HOUR)
    width = "hour" if "hour" in groups else "day"
    start = wanted.pop("from", None) or usual_start(end, width)
    if problem := span_problem(start, end, WIDEST[width]):
        raise MomentryError("invalid_input", errors=[{"detail": problem, "pointer": "?from"}])
    return Question(start, end, groups, {name: wanted[name] for name in FIELDS if name in wanted})


def usual_start(end: datetime, width: str) -> datetime:
    return end - DAY if width == "hour" else day_of(end - USUAL[width])


def span_problem(start: datetime, end: datetime, widest: timedelta) -> str:
    if start >= end:
        return "is not before the end"
    return f"is more than {widest.days} days before the end" if end - start > widest else ""


def whole() -> serializers.IntegerField:
    return serializers.IntegerField(min_value=0)


class UsageGroup(serializers.Serializer[Any]):
    """What the bucket was grouped by besides time; null and "" are calls without it."""

    key = serializers.UUIDField(required=False, allow_null=True)
    member = serializers.UUIDField(required=False, allow_null=True)
    upstream = serializers.CharField(required=False)
    operation = serializers.CharField(required=False)
    status = serializers.IntegerField(required=False)
    model = serializers.CharField(required=False)


class UsageTokens(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        return {name: whole() for name in TOKENS}


class UsageBytes(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        return {name: whole() for name in WIRE}


class UsageBucket(serializers.Serializer[Any]):
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField(help_text="Not included.")
    group = UsageGroup()
    total_requests = whole()
    successful_requests = serializers.IntegerField(min_value=0, help_text="2xx.")
    failed_requests = serializers.IntegerField(min_value=0, help_text="4xx and 5xx.")
    total_response_time_ms = serializers.FloatField(min_value=0)
    tool_usage = serializers.DictField(
        child=whole(),
        help_text="Calls by operation, else by upstream; rare ones together as `other`.",
    )
    tokens = UsageTokens()
    cost = serializers.DecimalField(max_digits=25, decimal_places=6)
    bytes = UsageBytes()


class UsagePage(serializers.Serializer[Any]):
    total = serializers.IntegerField(min_value=0, help_text="Buckets on all pages.")
    page = serializers.IntegerField(min_value=1)
    page_size = serializers.IntegerField(min_value=1)
    results = UsageBucket(many=True)


BUCKET: Final = {
    "period_start": "2026-06-01T00:00:00Z",
    "period_end": "2026-06-02T00:00:00Z",
    "group": {},
    "total_requests": 128,
    "successful_requests": 121,
    "failed_requests": 7,
    "total_response_time_ms": 91873.5,
    "tool_usage": {"llm": 120, "api/v1/me": 8},
    "tokens": {"in": 51200, "out": 20480, "cached": 1024, "reasoning": 0},
    "cost": "0.461000",
    "bytes": {"in": 204800, "out": 819200},
}
PAGE: Final = {"total": 1, "page": 1, "page_size": 20}
MY_EXAMPLE: Final = OpenApiExample(
    "By day", response_only=True, value={**PAGE, "results": [BUCKET]}
)
ADMIN_EXAMPLE: Final = OpenApiExample(
    "By day and upstream: group_by=day,upstream",
    response_only=True,
    value={**PAGE, "results": [{**BUCKET, "group": {"upstream": "llm"}}]},
)
