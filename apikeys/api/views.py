"""GET /api/v1/me: who calls, with which key, and what is left of its limits."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from apikeys.api import reference as ref
from apikeys.api.filters import NoFilters, read_filters
from apikeys.api.serializers import MeSerializer, context
from apikeys.api.storage import TellsStorage, whole_storage
from apikeys.models import ApiKey


class Me(TellsStorage, APIView):
    """The caller: its member, its key, every limit and what is left of it."""

    scopes = {"GET": ""}

    @extend_schema(
        operation_id="me",
        responses={200: MeSerializer, **ref.problems("missing_key", "invalid_input")},
    )
    def get(self, request: Request) -> Response:
        read_filters(NoFilters, request, besides=frozenset())
        http: Any = request._request
        member: User | None = http.member
        key: ApiKey = http.api_key
        found = {
            "member": member,
            "status": member.status if member else None,
            "tier": member.tier if member else key.tier_id,
            "key": key,
            "limits": [limit._asdict() for limit in http.limits],
            "storage": whole_storage(member.pk) if member else None,
        }
        return Response(MeSerializer(found, context=context(timezone.now())).data)


def storage_of(member: User) -> dict[str, int | None]:
    return {
        "quota": member.quota_size,
        "used": member.quota_used,
        "reserved": member.quota_reserved,
    }
