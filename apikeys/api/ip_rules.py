"""/api/v1/admin/ip-rules: which addresses are shut out, or let in in spite of that."""

from typing import Any

from django.db import IntegrityError
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.filters import NoFilters, read_filters
from apikeys.models import IpRule
from apikeys.models.network import RuleKind
from apikeys.services.rules import delete_rule, save_rule
from momentry.common.errors import MomentryError
from momentry.common.idempotency import actor_of, run_once
from momentry.common.serializers import StrictSerializer
from momentry.common.validators import validate_network

EXAMPLE = OpenApiExample(
    "Shut a network out for a while",
    {"network": "198.51.100.0/24", "kind": "block", "expires_at": "2027-01-01T00:00:00Z"},
    request_only=True,
)


class IpRuleSerializer(serializers.ModelSerializer[IpRule]):
    class Meta:
        model = IpRule
        fields = ["id", "network", "kind", "note", "expires_at", "created_at"]
        read_only_fields = fields


class NewIpRuleSerializer(StrictSerializer):
    network = serializers.CharField(
        max_length=43, validators=[validate_network], help_text="CIDR, v4 or v6, host bits zero."
    )
    kind = serializers.ChoiceField(choices=RuleKind.choices, default=RuleKind.BLOCK)
    note = serializers.CharField(max_length=200, allow_blank=True, default="")
    expires_at = serializers.DateTimeField(allow_null=True, default=None)


class IpRuleChangesSerializer(StrictSerializer):
    kind = serializers.ChoiceField(choices=RuleKind.choices, required=False)
    note = serializers.CharField(max_length=200, allow_blank=True, required=False)
    expires_at = serializers.DateTimeField(allow_null=True, required=False)


class IpRuleViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[IpRule]):
    """The narrowest network that holds an address decides; with none it is let in."""

    serializer_class = IpRuleSerializer
    queryset = IpRule.objects.order_by("-created_at", "-id")
    scopes = {
        "GET": "keys:read",
        "POST": "keys:write",
        "PATCH": "keys:write",
        "DELETE": "keys:write",
    }
    staff_permissions = {
        "GET": "apikeys.view_iprule",
        "POST": "apikeys.add_iprule",
        "PATCH": "apikeys.change_iprule",
        "DELETE": "apikeys.delete_iprule",
    }
    lookup_value_converter = "int"

    @extend_schema(
        responses={
            200: IpRuleSerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Rules, newest first. There are no filters."""
        read_filters(NoFilters, request)
        return super().list(request, *args, **kwargs)

    @extend_schema(
        request=NewIpRuleSerializer, responses={201: IpRuleSerializer}, examples=[EXAMPLE]
    )
    def create(self, request: Request) -> Response:
        """Block or allow a network on every route, within half a second, in every process.
        ``Idempotency-Key`` makes a repeat safe; a second rule for one network is 409."""
        return run_once(request, route="admin/ip-rules", effect=lambda: self.make(request))

    def make(self, request: Request) -> Response:
        serializer = NewIpRuleSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        rule = IpRule(**serializer.validated_data)
        if IpRule.objects.filter(network=rule.network).exists():
            raise taken(rule)
        try:
            save_rule(rule, actor=actor_of(request))
        except IntegrityError:
            raise taken(rule) from None
        return Response(IpRuleSerializer(rule).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=IpRuleChangesSerializer, responses=IpRuleSerializer)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change the kind, the note or the end; a rule's network never changes."""
        serializer = IpRuleChangesSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        rule = self.get_object()
        for name, value in serializer.validated_data.items():
            setattr(rule, name, value)
        save_rule(rule, actor=actor_of(request))
        return Response(IpRuleSerializer(rule).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """Remove a rule."""
        delete_rule(self.get_object(), actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def taken(rule: IpRule) -> MomentryError:
    return MomentryError("conflict", f"There is a rule for {rule.network}: change that one.")
