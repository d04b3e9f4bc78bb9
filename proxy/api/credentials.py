"""/api/v1/admin/upstreams/{slug}/targets/{id}/credentials: added, switched off and on, taken away.
They are read with their upstream."""

from typing import Final
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api import reference as ref
from apikeys.api.answers import read, versions_in
from momentry.common.idempotency import actor_of, run_once
from proxy.api import reference
from proxy.api.shapes import CredentialChanges, CredentialSerializer, NewCredential
from proxy.models import TargetCredential
from proxy.services.credentials import add_credential, change_credential, delete_credential

WRITE: Final = "upstreams:write"
MAY: Final = "proxy.change_upstream"
SLUG: Final = ref.slug_parameter("The upstream's slug.")
TARGET: Final = OpenApiParameter(
    "target_id", UUID, OpenApiParameter.PATH, description="The target's id."
)
ID: Final = OpenApiParameter("id", UUID, OpenApiParameter.PATH, description="The credential's id.")


class TargetCredentials(APIView):
    scopes = {"POST": WRITE}
    staff_permissions = {"POST": MAY}

    @extend_schema(
        operation_id="admin_upstreams_targets_credentials_create",
        parameters=[SLUG, TARGET, ref.IDEMPOTENCY_KEY, ref.IF_MATCH],
        request=NewCredential,
        responses={
            201: CredentialSerializer,
            **ref.problems(*ref.MAKES, "not_found", "precondition_failed"),
        },
        examples=[reference.SECOND_KEY],
    )
    def post(self, request: Request, slug: str, target_id: UUID) -> Response:
        """Send one more credential, by turns with those that are active already."""

        def effect() -> Response:
            given = read(NewCredential, request)
            row = TargetCredential(secret=given.pop("api_key"), **given)
            made = add_credential(
                slug, target_id, row, actor=actor_of(request), versions=versions_in(request)
            )
            return Response(CredentialSerializer(made).data, status=status.HTTP_201_CREATED)

        return run_once(request, route="admin/upstreams/credentials", effect=effect)


class TargetCredentialChange(APIView):
    scopes = {"PATCH": WRITE, "DELETE": WRITE}
    staff_permissions = {"PATCH": MAY, "DELETE": MAY}

    @extend_schema(
        operation_id="admin_upstreams_targets_credentials_partial_update",
        parameters=[SLUG, TARGET, ID, ref.IF_MATCH],
        request=CredentialChanges,
        responses={
            200: CredentialSerializer,
            **ref.problems(*ref.ALWAYS, "not_found", "precondition_failed", "invalid_input"),
        },
        examples=[reference.RETIRED_KEY],
    )
    def patch(self, request: Request, slug: str, target_id: UUID, pk: UUID) -> Response:
        """Name it, switch it off or on. A target whose credentials are all off gets no requests."""
        changed = change_credential(
            slug, target_id, pk, read(CredentialChanges, request),
            actor=actor_of(request), versions=versions_in(request),
        )  # fmt: skip
        return Response(CredentialSerializer(changed).data)

    @extend_schema(
        operation_id="admin_upstreams_targets_credentials_destroy",
        parameters=[SLUG, TARGET, ID, ref.IF_MATCH],
        responses={
            204: None, **ref.problems(*ref.ALWAYS, "not_found", "precondition_failed"),
        },
    )  # fmt: skip
    def delete(self, request: Request, slug: str, target_id: UUID, pk: UUID) -> Response:
        """Take it away. Without its last one a target is sent no credential at all."""
        delete_credential(
            slug, target_id, pk, actor=actor_of(request), versions=versions_in(request)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)
