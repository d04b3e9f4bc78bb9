"""/api/v1/admin/key-templates: what keys of one sort are made with, and how far they may differ."""

from typing import Any, Final

from django.db import IntegrityError
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.answers import maker_of, read
from apikeys.api.filters import NoFilters, read_filters
from apikeys.api.inputs import (
    BoundsInput,
    GrantInput,
    LimitsInput,
    check_number,
    check_tier,
    networks_input,
    scopes_input,
)
from apikeys.api.serializers import KeyGrantSerializer, LimitsSerializer
from apikeys.models import KeyTemplate, KeyType
from apikeys.services.templates import delete_template, save_template
from momentry.common.errors import MomentryError
from momentry.common.idempotency import run_once
from momentry.common.serializers import StrictSerializer

SLUG: Final = ref.slug_parameter("The template's slug.")


@extend_schema_field(LimitsSerializer)
class LimitsField(serializers.JSONField):
    """Only the names that are there."""


class KeyTemplateSerializer(serializers.ModelSerializer[KeyTemplate]):
    tier = serializers.SlugField(source="tier_id", allow_null=True)
    metadata = serializers.DictField()
    limits = LimitsField()
    grants = KeyGrantSerializer(many=True)
    max_limits = LimitsField()

    class Meta:
        model = KeyTemplate
        fields = [
            "slug", "description", "key_type", "role", "scopes", "tier", "expires_in_days",
            "rotate_every_days", "allowed_networks", "metadata", "limits", "grants", "max_scopes",
            "max_days", "max_limits", "created_at",
        ]  # fmt: skip
        read_only_fields = fields


class TemplateInput(StrictSerializer):
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    key_type = serializers.ChoiceField(KeyType.choices, required=False)
    role = serializers.CharField(max_length=16, required=False, allow_blank=True)
    scopes = scopes_input()
    tier = serializers.SlugField(max_length=32, required=False, allow_null=True)
    expires_in_days = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=36_500
    )
    rotate_every_days = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=3650
    )
    allowed_networks = networks_input()
    metadata = serializers.DictField(required=False, help_text="The request's wins, name by name.")
    limits = LimitsInput(required=False, help_text="Overrides, by name.")
    grants = GrantInput(many=True, required=False)
    max_scopes = scopes_input("No key holds others; none: no bound.")
    max_days = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=36_500,
        help_text="No key ends later than so many days after it was made.",
    )  # fmt: skip
    max_limits = BoundsInput(required=False, help_text="By name; no key has a higher one, or none.")

    def validate_tier(self, slug: str | None) -> str | None:
        return check_tier(slug)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "grants" in attrs:
            check_number(attrs["grants"])
            attrs["grants"] = [as_kept(grant._asdict()) for grant in attrs["grants"]]
        if "tier" in attrs:
            attrs["tier_id"] = attrs.pop("tier")
        return attrs


class NewTemplateInput(TemplateInput):
    slug = serializers.SlugField(max_length=32)


class KeyTemplateViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[KeyTemplate]):
    """Nobody makes a template for keys that they could not make themselves."""

    serializer_class = KeyTemplateSerializer
    queryset = KeyTemplate.objects.order_by("-created_at", "slug")
    scopes = {
        "GET": "keys:read", "POST": "keys:write", "PATCH": "keys:write", "DELETE": "keys:write",
    }  # fmt: skip
    staff_permissions = {
        "GET": "apikeys.view_keytemplate", "POST": "apikeys.add_keytemplate",
        "PATCH": "apikeys.change_keytemplate", "DELETE": "apikeys.delete_keytemplate",
    }  # fmt: skip
    lookup_value_converter = "slug"

    @extend_schema(
        responses={
            200: KeyTemplateSerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Templates, newest first. There are no filters."""
        read_filters(NoFilters, request)
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[SLUG],
        responses={200: KeyTemplateSerializer, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One template."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        parameters=[ref.IDEMPOTENCY_KEY],
        request=NewTemplateInput,
        responses={201: KeyTemplateSerializer, **ref.problems(*ref.ISSUES)},
        examples=[ref.TEMPLATE],
    )
    def create(self, request: Request) -> Response:
        """Make a template: defaults for what an issuer leaves out, bounds for what they say.
        Its defaults have to lie within its bounds."""

        def effect() -> Response:
            template = keep(KeyTemplate(**read(NewTemplateInput, request)), request)
            place = {"Location": f"/api/v1/admin/key-templates/{template.pk}"}
            body = KeyTemplateSerializer(template).data
            return Response(body, status=status.HTTP_201_CREATED, headers=place)

        return run_once(request, route="admin/key-templates", effect=effect)

    @extend_schema(
        parameters=[SLUG],
        request=TemplateInput,
        responses={
            200: KeyTemplateSerializer,
            **ref.problems(*ref.WRITES, "invalid_input", "upstream_forbidden",
                           "permission_denied"),
        },
        examples=[ref.TEMPLATE_CHANGE],
    )  # fmt: skip
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is named. Keys made from it stay as they are; the new bounds hold from
        their next change or rotation on."""
        template = self.get_object()
        for name, value in read(TemplateInput, request, partial=True).items():
            setattr(template, name, value)
        return Response(KeyTemplateSerializer(keep(template, request)).data)

    @extend_schema(parameters=[SLUG], responses={204: None, **ref.problems(*ref.WRITES)})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a template; 409 while there are keys that were made from it."""
        delete_template(self.get_object(), maker=maker_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def as_kept(grant: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: lists, no tuples."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in grant.items()}


def keep(template: KeyTemplate, request: Request) -> KeyTemplate:
    try:
        return save_template(template, maker=maker_of(request))
    except IntegrityError:
        what = f"There is a template {template.pk}: change that one."
        raise MomentryError("conflict", what) from None
