"""/api/v1/admin/anomalies: hours of keys that were unusual for them."""

from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.filters import NoFilters, read_filters
from apikeys.models import Anomaly, AnomalyRule
from momentry.common.filters import Instant
from momentry.common.pagination import CursorPage

# Of the key only these: its digest and metadata are not fetched to be thrown away.
SHOWN: Final = (
    "id", "key_id", "rule", "hour", "value", "usual", "threshold", "quarantined", "found_at",
    "key__key_prefix", "key__owner_id",
)  # fmt: skip
PAGING: Final = frozenset({"limit", "cursor"})
ANOMALY_ID: Final = OpenApiParameter(
    "id", UUID, OpenApiParameter.PATH, description="The anomaly's id."
)


class AnomalyFilters(serializers.Serializer[Any]):
    key = serializers.UUIDField(required=False, help_text="Of this key.")
    member = serializers.UUIDField(required=False, help_text="Of this member's keys.")
    rule = serializers.ChoiceField(AnomalyRule.choices, required=False)
    since = Instant(required=False, help_text="Found from this time on.")
    until = Instant(required=False, help_text="Up to, not including.")


class AnomalySerializer(serializers.ModelSerializer[Anomaly]):
    """`value`, `usual` and `threshold` are calls, their failed share, new networks, or cost."""

    key = serializers.UUIDField(source="key_id")
    key_prefix = serializers.CharField(source="key.key_prefix")
    member = serializers.UUIDField(source="key.owner_id", allow_null=True)
    hour = serializers.DateTimeField(help_text="When the hour began.")

    class Meta:
        model = Anomaly
        fields = [
            "id", "key", "key_prefix", "member", "rule", "hour", "value", "usual", "threshold",
            "quarantined", "found_at",
        ]  # fmt: skip
        read_only_fields = fields


EXAMPLE: Final = OpenApiExample(
    "A key that suddenly calls a lot",
    {
        "id": "0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e",
        "key": "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0",
        "key_prefix": "muser_0f1e2d3c…****",
        "member": "0193a1c8-aaaa-7c8e-9d0b-7d1f2c3a4b5e",
        "rule": "rate",
        "hour": "2026-06-01T12:00:00Z",
        "value": 5210.0,
        "usual": 140.0,
        "threshold": 420.0,
        "quarantined": False,
        "found_at": "2026-06-01T12:25:03.123456Z",
    },
    response_only=True,
)


class AnomalyViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Anomaly]):
    serializer_class = AnomalySerializer
    queryset = Anomaly.objects.select_related("key").only(*SHOWN)
    pagination_class = CursorPage
    cursor_field = "found_at"
    scopes = {"GET": "keys:read"}
    staff_permissions = {"GET": "apikeys.view_anomaly"}
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Anomaly]:
        rows = super().get_queryset()
        if self.action != "list":
            return rows
        return rows.filter(condition(read_filters(AnomalyFilters, self.request, besides=PAGING)))

    @extend_schema(
        parameters=[AnomalyFilters],
        responses={200: AnomalySerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input")},
        examples=[EXAMPLE],
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What was found, newest first; at most one for each key, rule and hour."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[ANOMALY_ID],
        responses={200: AnomalySerializer, **ref.problems(*ref.ALWAYS, "not_found")},
        examples=[EXAMPLE],
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One of them."""
        read_filters(NoFilters, request, besides=frozenset())
        return super().retrieve(request, *args, **kwargs)


def condition(wanted: dict[str, Any]) -> Q:
    names = {"key": "key_id", "member": "key__owner_id", "rule": "rule",
             "since": "found_at__gte", "until": "found_at__lt"}  # fmt: skip
    return Q(**{names[name]: value for name, value in wanted.items()})
