"""What is asked about the request log, and how a row is shown: never with a secret in it."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from apikeys.models import RequestLog
from apikeys.usage.shown import TOKENS, WIRE, money
from momentry.common.errors import MomentryError
from momentry.common.filters import Instant
from momentry.common.scrub import scrub

WIDEST: Final = timedelta(days=31)
USUAL: Final = timedelta(days=7)
INDEXED: Final = frozenset({"key", "member"})
SOUGHT: Final = frozenset({"upstream", "status", "code", "method", "model"})
REST: Final = "-"


class LogFilters(serializers.Serializer[Any]):
    since = Instant(required=False, help_text="From this time on.")
    until = Instant(required=False, help_text="Up to, not including.")
    key = serializers.UUIDField(required=False, help_text="Calls with this key.")
    member = serializers.UUIDField(required=False, help_text="Calls of this member.")
    upstream = serializers.CharField(
        required=False, max_length=60, help_text="Its slug; `-` for calls of the REST API."
    )
    status = serializers.RegexField(
        r"\A[1-9][0-9]{2}\Z|\A[1-5]xx\Z", required=False, help_text="429, or 4xx for all of a kind."
    )
    code = serializers.CharField(required=False, max_length=40, help_text="Of a refusal.")
    method = serializers.CharField(required=False, max_length=16)
    model = serializers.CharField(required=False, max_length=100)


def log_filter(wanted: dict[str, Any], now: datetime) -> Q:
    """MomentryError invalid_input for a span that is none, or too wide."""
    since, until = span_of(wanted, now)
    found = Q(**{name: wanted[name] for name in ("code", "method", "model") if name in wanted})
    for name, at in (("ts__gte", since), ("ts__lt", until)):
        found &= Q(**{name: at}) if at else Q()
    for name in INDEXED & wanted.keys():
        found &= Q(**{f"{name}_id": wanted[name]})
    if "upstream" in wanted:
        found &= Q(upstream="" if wanted["upstream"] == REST else wanted["upstream"])
    if "status" in wanted:
        low, high = statuses(wanted["status"])
        found &= Q(status__gte=low, status__lte=high)
    return found


def span_of(wanted: dict[str, Any], now: datetime) -> tuple[datetime | None, datetime | None]:
    """What has no index would be sought through all of the log, where few rows have it: so not
    without a first day."""
    since, until = wanted.get("since"), wanted.get("until")
    if SOUGHT & wanted.keys() and not INDEXED & wanted.keys():
        end = until or now
        since = since or end - USUAL
        if end - since > WIDEST:
            refuse(f"is more than {WIDEST.days} days before the end: name a key or a member too")
    if since and until and since >= until:
        refuse("is not before the end")
    return since, until


def refuse(detail: str) -> None:
    raise MomentryError("invalid_input", errors=[{"detail": detail, "pointer": "?since"}])


def statuses(text: str) -> tuple[int, int]:
    """First and last of ``429`` or ``4xx``."""
    return (
        (int(text[0]) * 100, int(text[0]) * 100 + 99) if text.endswith("xx") else (int(text),) * 2
    )


class Clean(serializers.CharField):
    """What strangers wrote: what looks like a secret was taken out when the row was made, and what
    has been learned since is taken out here."""

    def to_representation(self, value: str) -> str:
        return scrub(value)


class LogTokens(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        return {name: number(f"tokens_{name}") for name in TOKENS}


class LogBytes(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        return {name: number(f"bytes_{name}", known=True) for name in WIRE}


def number(source: str, *, known: bool = False) -> serializers.IntegerField:
    return serializers.IntegerField(source=source, min_value=0, allow_null=not known)


class LogEntry(serializers.ModelSerializer[RequestLog]):
    """One call. null is what is not known, never 0."""

    time = serializers.DateTimeField(source="ts")
    key = serializers.UUIDField(source="key_id", allow_null=True)
    member = serializers.UUIDField(source="member_id", allow_null=True)
    target = Clean(help_text="The base URL it was sent to.")
    path = Clean(help_text="Without the query.")
    operation = Clean()
    model = Clean()
    error_detail = Clean()
    user_agent = Clean()
    bytes = LogBytes(source="*")
    tokens = LogTokens(source="*")
    cost = serializers.SerializerMethodField()

    class Meta:
        model = RequestLog
        fields = [
            "id", "time", "key", "member", "upstream", "target", "method", "path", "operation",
            "model", "status", "code", "error_detail", "first_byte_ms", "total_ms", "bytes",
            "tokens", "cost", "usage_source", "client_address", "user_agent",
        ]  # fmt: skip
        read_only_fields = fields

    def get_cost(self, row: RequestLog) -> str | None:
        """As in usage: `0.461000`."""
        return None if row.cost_micro is None else money(row.cost_micro)


ENTRY: Final = {
    "id": "0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e",
    "time": "2026-06-01T12:00:00.123456Z",
    "key": "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0",
    "member": "0193a1c8-aaaa-7c8e-9d0b-7d1f2c3a4b5e",
    "upstream": "llm",
    "target": "https://api.example.org",
    "method": "POST",
    "path": "/proxy/llm/v1/chat/completions",
    "operation": "",
    "model": "",
    "status": 200,
    "code": "",
    "error_detail": "",
    "first_byte_ms": 312.5,
    "total_ms": 4210.0,
    "bytes": {"in": 812, "out": 20480},
    "tokens": {"in": None, "out": None, "cached": None, "reasoning": None},
    "cost": None,
    "usage_source": "",
    "client_address": "192.0.2.7",
    "user_agent": "curl/8.5.0",
}
LOG_EXAMPLE: Final = OpenApiExample("A call", response_only=True, value=ENTRY)
