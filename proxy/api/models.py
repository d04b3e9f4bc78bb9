"""/api/v1/admin/upstreams/{slug}/models: what an upstream offers, under which names."""

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.answers import read, versions_in
from momentry.common.errors import MomentryError
from momentry.common.idempotency import actor_of, run_once
from momentry.common.serializers import StrictSerializer
from proxy.api import reference
from proxy.models import Upstream, UpstreamModel
from proxy.services.models import add_model, change_model, delete_model
from proxy.services.wanted import MAX_TARGETS

READ: Final = "upstreams:read"
WRITE: Final = "upstreams:write"
MAY: Final = "proxy.change_upstream"
SLUG: Final = ref.slug_parameter("The upstream's slug.")
ID: Final = OpenApiParameter("id", UUID, OpenApiParameter.PATH, description="The model's id.")


class ModelChanges(StrictSerializer):
    sent_as = serializers.RegexField(
        r"\A[!-~]*\Z", max_length=100, required=False, allow_blank=True,
        help_text="The upstream's own name of it; empty: the same.",
    )  # fmt: skip
    targets = serializers.ListField(
        child=serializers.CharField(max_length=200), max_length=MAX_TARGETS, required=False,
        help_text="Base URLs of the targets that serve it; empty: all of them.",
    )  # fmt: skip
    is_active = serializers.BooleanField(required=False, help_text="False: calls are refused.")


class NewModel(ModelChanges):
    name = serializers.RegexField(
        r"\A[!-~]+\Z", max_length=100, help_text="As clients say it; stays."
    )


class UpstreamModelSerializer(serializers.ModelSerializer[UpstreamModel]):
    class Meta:
        model = UpstreamModel
        fields = ["id", "name", "sent_as", "targets", "is_active", "created_at"]
        read_only_fields = fields


class UpstreamModelViewSet(ListModelMixin, GenericViewSet[UpstreamModel]):
    """Every gateway process follows a change before it is answered."""

    serializer_class = UpstreamModelSerializer
    queryset = UpstreamModel.objects.order_by("name")
    scopes = {"GET": READ, "POST": WRITE, "PATCH": WRITE, "DELETE": WRITE}
    staff_permissions = {
        "GET": "proxy.view_upstream", "POST": MAY, "PATCH": MAY, "DELETE": MAY,
    }  # fmt: skip

    def get_queryset(self) -> QuerySet[UpstreamModel]:
        return super().get_queryset().filter(upstream__slug=self.kwargs.get("slug"))

    @extend_schema(
        operation_id="admin_upstreams_models_list",
        parameters=[SLUG, *ref.PAGING],
        responses={
            200: UpstreamModelSerializer(many=True),
            **ref.problems(*ref.ALWAYS, "not_found", "invalid_input"),
        },
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The upstream's models, by name."""
        if not Upstream.objects.filter(slug=kwargs["slug"]).exists():
            raise MomentryError("not_found")
        return super().list(request, *args, **kwargs)

    @extend_schema(
        operation_id="admin_upstreams_models_create",
        parameters=[SLUG, ref.IDEMPOTENCY_KEY, ref.IF_MATCH],
        request=NewModel,
        responses={
            201: UpstreamModelSerializer,
            **ref.problems(*ref.MAKES, "not_found", "precondition_failed"),
        },
        examples=[reference.MODEL],
    )
    def create(self, request: Request, slug: str) -> Response:
        """Offer a model."""

        def effect() -> Response:
            made = add_model(
                slug, UpstreamModel(**read(NewModel, request)),
                actor=actor_of(request), versions=versions_in(request),
            )  # fmt: skip
            return Response(UpstreamModelSerializer(made).data, status=status.HTTP_201_CREATED)

        return run_once(request, route="admin/upstreams/models", effect=effect)

    @extend_schema(
        operation_id="admin_upstreams_models_partial_update",
        parameters=[SLUG, ID, ref.IF_MATCH],
        request=ModelChanges,
        responses={
            200: UpstreamModelSerializer,
            **ref.problems(*ref.ALWAYS, "not_found", "precondition_failed", "invalid_input"),
        },
        examples=[reference.MODEL_CHANGE],
    )
    def partial_update(self, request: Request, slug: str, pk: UUID) -> Response:
        """Change what is named; the name stays."""
        changed = change_model(
            slug, pk, read(ModelChanges, request),
            actor=actor_of(request), versions=versions_in(request),
        )  # fmt: skip
        return Response(UpstreamModelSerializer(changed).data)

    @extend_schema(
        operation_id="admin_upstreams_models_destroy",
        parameters=[SLUG, ID, ref.IF_MATCH],
        responses={
            204: None, **ref.problems(*ref.ALWAYS, "not_found", "precondition_failed"),
        },
    )  # fmt: skip
    def destroy(self, request: Request, slug: str, pk: UUID) -> Response:
        """Take it off the list: an upstream that serves its models only refuses it then."""
        delete_model(slug, pk, actor=actor_of(request), versions=versions_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
