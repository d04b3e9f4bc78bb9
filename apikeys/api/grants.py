"""/api/v1/admin/grants: leave to call an upstream, of a tier, a member or a key."""

from typing import Any, Final

from django.db import IntegrityError
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from apikeys.api import reference as ref
from apikeys.api.answers import maker_of, read
from apikeys.api.filters import read_filters
from apikeys.api.inputs import methods_input, models_input, paths_input
from apikeys.models import ApiKey, Grant, Tier
from apikeys.services.grants import delete_grant, save_grant
from momentry.common.errors import MomentryError
from momentry.common.idempotency import run_once
from momentry.common.serializers import StrictSerializer

SUBJECTS: Final = ("tier", "member", "key")
ROWS: Final = {
    "tier": Tier.objects.all(),
    "member": User.objects.filter(is_staff=False),
    "key": ApiKey.objects.filter(purged_at=None),
}


class GrantSerializer(serializers.ModelSerializer[Grant]):
    tier = serializers.SlugField(source="tier_id", allow_null=True)
    member = serializers.UUIDField(source="member_id", allow_null=True)
    key = serializers.UUIDField(source="key_id", allow_null=True)

    class Meta:
        model = Grant
        fields = ["id", *SUBJECTS, "upstream", "methods", "paths", "models", "created_at"]
        read_only_fields = fields


class GrantFilters(serializers.Serializer[Any]):
    tier = serializers.SlugField(required=False, help_text="Of this tier.")
    member = serializers.UUIDField(required=False, help_text="Of this member.")
    key = serializers.UUIDField(required=False, help_text="Of this key.")
    upstream = serializers.SlugField(required=False, help_text="On this upstream.")


class GrantChanges(StrictSerializer):
    methods = methods_input(required=False)
    paths = paths_input(required=False)
    models = models_input(required=False)


class NewGrant(GrantChanges):
    """Exactly one of tier, member and key."""

    tier = serializers.SlugField(max_length=32, required=False)
    member = serializers.UUIDField(required=False, help_text="The member's id.")
    key = serializers.UUIDField(required=False, help_text="The key's id.")
    upstream = serializers.SlugField(max_length=60, help_text="Slug; it need not exist yet.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = [name for name in SUBJECTS if name in attrs]
        if len(named) != 1:
            raise serializers.ValidationError("must name exactly one of tier, member and key")
        if not ROWS[named[0]].filter(pk=attrs[named[0]]).exists():
            raise serializers.ValidationError({named[0]: [f"is not a {named[0]}"]})
        return attrs


class GrantViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Grant]):
    """A key's grants: for whoever may hand out that key. Those of tiers and members: for a key
    that holds everything, or staff."""

    serializer_class = GrantSerializer
    queryset = Grant.objects.order_by("-created_at", "-id")
    scopes = {
        "GET": "keys:read", "POST": "keys:write", "PATCH": "keys:write", "DELETE": "keys:write",
    }  # fmt: skip
    staff_permissions = {
        "GET": "apikeys.view_grant", "POST": "apikeys.add_grant",
        "PATCH": "apikeys.change_grant", "DELETE": "apikeys.delete_grant",
    }  # fmt: skip
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Grant]:
        rows = super().get_queryset()
        return rows.filter(**read_filters(GrantFilters, self.request)) if self.is_list else rows

    @property
    def is_list(self) -> bool:
        return self.action == "list"

    @extend_schema(
        parameters=[GrantFilters],
        responses={
            200: GrantSerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Grants, newest first. A filter that does not exist is refused, not ignored."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        responses={200: GrantSerializer, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One grant."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        parameters=[ref.IDEMPOTENCY_KEY],
        request=NewGrant,
        responses={
            201: GrantSerializer,
            **ref.problems(*ref.MAKES, "upstream_forbidden", "permission_denied"),
        },
        examples=[ref.GRANT],
    )
    def create(self, request: Request) -> Response:
        """Let a tier, a member or a key call an upstream. One grant per upstream; no methods, no
        paths or no models mean all of them."""

        def effect() -> Response:
            given = read(NewGrant, request)
            for name in SUBJECTS:
                if name in given:
                    given[f"{name}_id"] = given.pop(name)
            grant = keep(Grant(**given), request)
            place = {"Location": f"/api/v1/admin/grants/{grant.pk}"}
            body = GrantSerializer(grant).data
            return Response(body, status=status.HTTP_201_CREATED, headers=place)

        return run_once(request, route="admin/grants", effect=effect)

    @extend_schema(
        request=GrantChanges,
        responses={
            200: GrantSerializer,
            **ref.problems(*ref.WRITES, "invalid_input", "upstream_forbidden",
                           "permission_denied"),
        },
        examples=[ref.GRANT_CHANGE],
    )  # fmt: skip
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change methods, paths or models; whose it is and the upstream stay."""
        grant = self.get_object()
        for name, value in read(GrantChanges, request).items():
            setattr(grant, name, value)
        return Response(GrantSerializer(keep(grant, request)).data)

    @extend_schema(
        responses={
            204: None, **ref.problems(*ref.WRITES, "upstream_forbidden", "permission_denied"),
        },
    )  # fmt: skip
    def destroy(self, request: Request, pk: int) -> Response:
        """Take a grant back. A key's last one gone, it may call what its member may."""
        delete_grant(self.get_object(), maker=maker_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def keep(grant: Grant, request: Request) -> Grant:
    try:
        return save_grant(grant, maker=maker_of(request))
    except IntegrityError:
        what = f"There is a grant for {grant.upstream}: change that one."
        raise MomentryError("conflict", what) from None
