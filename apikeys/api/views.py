"""GET /api/v1/me and /api/v1/admin/keys: thin doors to the services."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from apikeys.api.serializers import KeySerializer, MeSerializer
from apikeys.models import ApiKey
from apikeys.services.keys import revoke_key
from momentry.common.idempotency import actor_of


class Me(APIView):
    """The caller: its member, its key, every limit and what is left of it."""

    scopes = {"GET": ""}

    @extend_schema(operation_id="me", responses=MeSerializer)
    def get(self, request: Request) -> Response:
        http: Any = request._request
        member: User | None = http.member
        key: ApiKey = http.api_key
        found = {
            "member": member,
            "status": member.status if member else None,
            "tier": member.tier if member else key.tier_id,
            "key": key,
            "limits": [limit._asdict() for limit in http.limits],
            "storage": storage_of(member) if member else None,
        }
        return Response(MeSerializer(found, context={"now": timezone.now()}).data)


def storage_of(member: User) -> dict[str, int | None]:
    return {
        "quota": member.quota_size,
        "used": member.quota_used,
        "reserved": member.quota_reserved,
    }


class KeyViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[ApiKey]):
    """Every key, newest first, masked."""

    serializer_class = KeySerializer
    queryset = ApiKey.objects.select_related("owner").order_by("-created_at", "-id")
    scopes = {"GET": "keys:read", "DELETE": "keys:write"}
    staff_permissions = {"GET": "apikeys.view_apikey", "DELETE": "apikeys.delete_apikey"}
    lookup_value_converter = "uuid"

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "now": timezone.now()}

    @extend_schema(
        parameters=[OpenApiParameter("id", UUID, OpenApiParameter.PATH)],
        responses={204: None},
    )
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Revoke a key for good: from this answer on it opens nothing. Repeating it is harmless."""
        revoke_key(self.get_object(), actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
