"""POST /api/v1/webhooks/wordpress/member: a member's own page, asked for by their WordPress."""

import json
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Site, Status, User
from apikeys.api import reference as ref
from apikeys.api.limits import effective
from apikeys.api.serializers import LimitSerializer, StorageSerializer
from apikeys.api.views import storage_of
from apikeys.gate.periods import LIMIT_NAMES, period_at
from apikeys.models import ApiKey, Counter, Tier
from apikeys.usage.query import Question, read_usage
from momentry.common.serializers import StrictSerializer
from provisioning.api.webhooks import event_id_of, proven_sender, signed_parts
from provisioning.services.inbox import sender_of
from provisioning.services.memberpage import ACTIONS, Order, carry_out, keys_of, member_of
from provisioning.wordpress import invalid

MOST_KEYS: Final = 100
STATES: Final = ("active", "disabled", "unclaimed", "expired", "revoked")
PERIODS: Final = ("day", "month", "lifetime")


class MemberQuestion(StrictSerializer):
    user_id = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, help_text="The WordPress id of whoever is logged in."
    )
    action = serializers.ChoiceField(ACTIONS)
    key_id = serializers.UUIDField(required=False, help_text="Needed to rotate and to claim.")

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if (given["action"] == "show") == ("key_id" in given):
            raise serializers.ValidationError({"key_id": ["goes with rotate and claim"]})
        return given


class PageMember(serializers.Serializer[Any]):
    username = serializers.CharField()
    status = serializers.ChoiceField(Status.choices)
    tier = serializers.CharField()


class PageUsage(serializers.Serializer[Any]):
    total_requests = serializers.IntegerField(help_text="In the calendar month.")


class PageLimit(LimitSerializer):
    reset_at = None  # type: ignore[assignment]  # a field of the base that is not told here


class PageKey(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    key_prefix = serializers.CharField(help_text="Masked.")
    state = serializers.ChoiceField(STATES)
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)


class MemberPageAnswer(serializers.Serializer[Any]):
    member = PageMember()
    storage = StorageSerializer()
    usage = PageUsage()
    limits = PageLimit(many=True)
    keys = PageKey(many=True)
    api_key = serializers.CharField(
        allow_null=True, help_text="Of rotate and claim: the secret, this one time."
    )


class MemberPage(APIView):
    """Signed by the site like its webhooks; no key, no session."""

    authentication_classes: list[type] = []
    permission_classes: list[type] = []

    @extend_schema(
        operation_id="webhook_wordpress_member",
        request=MemberQuestion,
        responses={
            200: MemberPageAnswer,
            **ref.problems(
                "signature_invalid", "member_suspended", "not_found", "conflict", "body_too_large",
                "invalid_input", "rate_limited",
            ),
        },
        auth=[],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """What the member's page shows. ``rotate`` and ``claim`` give one key of theirs a new
        secret, which is in this answer only; the same ``webhook-id`` again is 409 `conflict`."""
        http = request._request
        body, headers = signed_parts(http)
        site = proven_sender(http, lambda: sender_of(body, headers))
        asked = read_question(body)
        secret = order(site, asked, event_id_of(headers))
        member = member_of(site, asked["user_id"])
        shown = MemberPageAnswer({**page_of(member), "api_key": secret}).data
        return Response(shown, headers={"Cache-Control": "no-store"})


def read_question(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid("#", "is not JSON") from None
    found = MemberQuestion(data=data)
    found.is_valid(raise_exception=True)
    return dict(found.validated_data)


def order(site: Site, asked: dict[str, Any], event_id: str) -> str | None:
    if asked["action"] == "show":
        return None
    key_id: UUID = asked["key_id"]
    return carry_out(site, Order(event_id, asked["action"], asked["user_id"], key_id)).secret


def page_of(member: User) -> dict[str, Any]:
    """Everything the page shows; no secret, and no digest of one."""
    now = timezone.now()
    return {
        "member": member,
        "storage": storage_of(member),
        "usage": {"total_requests": requests_this_month(member, now)},
        "limits": limits_of(member, now),
        "keys": [
            {
                "id": key.pk, "name": key.name, "key_prefix": key.key_prefix,
                "state": state_of(key, now), "created_at": key.created_at,
                "last_used_at": key.last_used_at, "expires_at": key.expires_at,
            }
            for key in keys_of(member).order_by("-created_at", "-pk")[:MOST_KEYS]
        ],
    }  # fmt: skip


def state_of(key: ApiKey, now: datetime) -> str:
    if key.revoked_at or key.quarantined_at:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    if not key.is_claimed:
        return "unclaimed"
    return "disabled" if key.disabled_at else "active"


def zone() -> ZoneInfo:
    return ZoneInfo(settings.QUOTA_TIMEZONE)


def requests_this_month(member: User, now: datetime) -> int:
    """Of whole UTC hours, as usage is kept."""
    start = period_at("month", now, zone()).start.replace(minute=0)
    end = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    asked = Question(start, end, groups=("member",), filters={"member": member.pk})
    _, buckets = read_usage(asked, limit=1)
    return sum(bucket.sums["total_requests"] for bucket in buckets)


def limits_of(member: User, now: datetime) -> list[dict[str, Any]]:
    """The member's quotas and what is left of each; bursts have nothing to tell. Units that
    gateways hold on lease count as left."""
    tier = Tier.objects.filter(slug=member.tier).first()
    places = {name: counted for counted, name in LIMIT_NAMES.items()}
    spent = spent_by(member, now)
    return [
        {**limit, "remaining": max(0, limit["limit"] - spent.get(places[limit["name"]], 0))}
        for limit in effective(tier, member.limit_overrides.all(), "")
        if limit["name"] in places
    ]


def spent_by(member: User, now: datetime) -> dict[tuple[str, str], int]:
    """Units spent in the periods of now, by metric and period."""
    starts = {name: period_at(name, now, zone()).start for name in PERIODS}
    rows = Counter.objects.filter(
        subject=f"member:{member.pk.hex}", period_start__in=set(starts.values())
    )
    return {
        (row.metric, row.period): row.used - row.leased
        for row in rows
        if starts[row.period] == row.period_start
    }
