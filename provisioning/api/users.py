"""/api/v1/admin/users: members made by a script or n8n, and the list of members."""

from typing import Any, Final

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.services import Profile
from apikeys.api import reference as ref
from apikeys.api.answers import maker_of
from apikeys.api.filters import NoFilters, read_filters
from apikeys.models import Tier
from apikeys.services.keys import issue_secret
from apikeys.services.makers import Maker, check_makes_keys
from momentry.common.errors import MomentryError
from momentry.common.idempotency import actor_of, run_once
from momentry.common.serializers import StrictSerializer
from provisioning.services.claims import claim_url
from provisioning.services.members import Registered, register_member

KEYS: Final = "/api/v1/admin/keys"


class MemberSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = [
            "id", "username", "email", "display_name", "tier", "status", "status_reason",
            "wordpress_id", "sftpgo_username", "quota_size", "quota_used", "quota_reserved",
            "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields


class NewMemberSerializer(StrictSerializer):
    username = serializers.CharField(max_length=60)
    email = serializers.EmailField(max_length=100, required=False, allow_blank=True, default="")
    display_name = serializers.CharField(
        max_length=250, required=False, allow_blank=True, default=""
    )
    locale = serializers.CharField(max_length=16, required=False, allow_blank=True, default="")
    tier = serializers.SlugField(max_length=32, required=False)
    claim = serializers.BooleanField(
        default=False, help_text="Answer with a claim link instead of the key."
    )

    def validate_tier(self, slug: str) -> str:
        if not Tier.objects.filter(slug=slug).exists():
            raise serializers.ValidationError("is not a tier")
        return slug


class NewMemberAnswer(MemberSerializer):
    key_id = serializers.UUIDField()
    api_key = serializers.CharField(allow_null=True, help_text="The secret, this one time.")
    claim_url = serializers.URLField(allow_null=True)
    rotate_url = serializers.CharField(
        allow_null=True, help_text="Where to get a new secret if this one was lost."
    )
    secret_status = serializers.ChoiceField(
        ["delivered"], required=False, help_text="Only in a replay: the first answer had it."
    )

    class Meta(MemberSerializer.Meta):
        fields = [
            *MemberSerializer.Meta.fields, "key_id", "api_key", "claim_url", "rotate_url",
            "secret_status",
        ]  # fmt: skip
        read_only_fields = fields


class MemberViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[User]):
    """Members, newest first."""

    serializer_class = MemberSerializer
    queryset = User.objects.filter(is_staff=False).order_by("-created_at", "-id")
    scopes = {"GET": "members:read", "POST": "members:write"}
    staff_permissions = {"GET": "accounts.view_user", "POST": "accounts.add_user"}
    lookup_value_converter = "uuid"

    @extend_schema(
        responses={
            200: MemberSerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Members, newest first. There are no filters."""
        read_filters(NoFilters, request)
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewMemberSerializer, responses={201: NewMemberAnswer})
    def create(self, request: Request) -> Response:
        """Make a member with a key. ``Idempotency-Key`` makes a repeat safe; the key (or with
        ``"claim": true`` the link) is in the first answer only. A tier other than that of new
        members takes a key that holds everything."""
        return run_once(request, route="admin/users", effect=lambda: self.make(request))

    def make(self, request: Request) -> Response:
        serializer = NewMemberSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = dict(serializer.validated_data)
        wants_claim = given.pop("claim")
        tier = given.pop("tier", settings.DEFAULT_TIER)
        check_new_member(maker_of(request), tier)
        registered = register_member(
            Profile(**given), actor=actor_of(request), tier=tier, welcome=False
        )
        body = answer(registered, wants_claim=wants_claim)
        return Response(body, status=status.HTTP_201_CREATED)


def check_new_member(maker: Maker, tier: str) -> None:
    """Who makes a member is handed a key, and a tier gives more than that."""
    check_makes_keys(maker)
    if tier != settings.DEFAULT_TIER and maker.key is not None and "*:*" not in maker.held:
        raise MomentryError(
            "permission_denied", f"Only a key that holds everything gives a tier like {tier}."
        )


def answer(registered: Registered, *, wants_claim: bool) -> dict[str, Any]:
    secret = None if wants_claim else issue_secret(registered.key)
    return {
        **MemberSerializer(registered.member).data,
        "key_id": str(registered.key.pk),
        "api_key": secret,
        "claim_url": claim_url(registered.claim) if wants_claim else None,
        "rotate_url": None if wants_claim else f"{KEYS}/{registered.key.pk}/rotate",
    }
