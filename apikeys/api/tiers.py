"""/api/v1/admin/tiers: limits by name, for the members and keys that are in them."""

from typing import Any, Final

from django.db import IntegrityError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.answers import maker_of, read
from apikeys.api.filters import NoFilters, read_filters
from apikeys.api.inputs import limit_input
from apikeys.models import Tier
from apikeys.models.rights import LIMITS
from apikeys.services.tiers import FIELDS, delete_tier, save_tier
from momentry.common.errors import MomentryError
from momentry.common.idempotency import run_once
from momentry.common.serializers import StrictSerializer

EVERYTHING: Final = "*:*"
SLUG: Final = ref.slug_parameter("The tier's slug.")


class TierSerializer(serializers.ModelSerializer[Tier]):
    class Meta:
        model = Tier
        fields = ["slug", *FIELDS, "created_at"]
        read_only_fields = fields


class TierInput(StrictSerializer):
    """Each limit: null is unlimited."""

    name = serializers.CharField(max_length=64)

    def get_fields(self) -> dict[str, Any]:
        days = limit_input(allow_null=True, most=36_500)
        limits = {name: limit_input(allow_null=True) for name in LIMITS}
        return {**super().get_fields(), **limits, "key_lifetime_days": days}


class NewTierInput(TierInput):
    slug = serializers.SlugField(max_length=32)


class TierViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Tier]):
    """Reading takes ``keys:read``; writing, a key that holds everything, or staff."""

    serializer_class = TierSerializer
    queryset = Tier.objects.order_by("-created_at", "slug")
    scopes = {
        "GET": "keys:read", "POST": EVERYTHING, "PATCH": EVERYTHING, "DELETE": EVERYTHING,
    }  # fmt: skip
    staff_permissions = {
        "GET": "apikeys.view_tier", "POST": "apikeys.add_tier",
        "PATCH": "apikeys.change_tier", "DELETE": "apikeys.delete_tier",
    }  # fmt: skip
    lookup_value_converter = "slug"

    @extend_schema(
        responses={
            200: TierSerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tiers, newest first. There are no filters."""
        read_filters(NoFilters, request)
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[SLUG],
        responses={200: TierSerializer, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One tier."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        parameters=[ref.IDEMPOTENCY_KEY],
        request=NewTierInput,
        responses={201: TierSerializer, **ref.problems(*ref.MAKES)},
        examples=[ref.TIER],
    )
    def create(self, request: Request) -> Response:
        """Make a tier. What is left out is unlimited; it gives no upstream before it has grants."""

        def effect() -> Response:
            tier = keep(Tier(**read(NewTierInput, request)), request)
            place = {"Location": f"/api/v1/admin/tiers/{tier.pk}"}
            body = TierSerializer(tier).data
            return Response(body, status=status.HTTP_201_CREATED, headers=place)

        return run_once(request, route="admin/tiers", effect=effect)

    @extend_schema(
        parameters=[SLUG],
        request=TierInput,
        responses={200: TierSerializer, **ref.problems(*ref.ALWAYS, "not_found", "invalid_input")},
        examples=[ref.TIER_CHANGE],
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is named, for all who are in it. A lowered limit counts from the next
        request on."""
        tier = self.get_object()
        for name, value in read(TierInput, request, partial=True).items():
            setattr(tier, name, value)
        return Response(TierSerializer(keep(tier, request)).data)

    @extend_schema(
        parameters=[SLUG], responses={204: None, **ref.problems(*ref.WRITES)}
    )  # fmt: skip
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a tier with its grants; 409 while members, keys or templates are in it."""
        delete_tier(self.get_object(), maker=maker_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def keep(tier: Tier, request: Request) -> Tier:
    try:
        return save_tier(tier, maker=maker_of(request))
    except IntegrityError:
        raise MomentryError("conflict", f"There is a tier {tier.pk}: change that one.") from None
