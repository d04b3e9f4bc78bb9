"""/api/v1/admin/users/{id}/limits: limits of one member's own instead of their tier's."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from apikeys.api import reference as ref
from apikeys.api.answers import maker_of, read
from apikeys.api.inputs import LimitsInput
from apikeys.api.serializers import LimitsSerializer
from apikeys.services.makers import check_rules
from apikeys.services.overrides import overrides_of, set_member_limits
from momentry.common.errors import MomentryError


class MemberLimits(APIView):
    scopes = {"GET": "members:read", "PUT": "*:*"}
    staff_permissions = {"GET": "accounts.view_user", "PUT": "accounts.change_user"}

    @extend_schema(
        operation_id="admin_users_limits_retrieve",
        parameters=[ref.MEMBER_ID],
        responses={200: LimitsSerializer, **ref.problems(*ref.ALWAYS, "not_found")},
        examples=[ref.LIMITS_ANSWER],
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """The member's own limits, by name. A name that is not there is their tier's matter."""
        return Response(overrides_of(member(pk).limit_overrides.all()))

    @extend_schema(
        operation_id="admin_users_limits_update",
        parameters=[ref.MEMBER_ID],
        request=LimitsInput,
        responses={200: LimitsSerializer, **ref.problems(*ref.WRITES, "invalid_input")},
        examples=[ref.LIMITS, ref.LIMITS_ANSWER],
    )
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace them all; ``{}`` leaves everything to the tier. Counts from the next request
        on. Takes a key that holds everything, or staff."""
        check_rules(maker := maker_of(request))
        wanted = read(LimitsInput, request)
        return Response(set_member_limits(member(pk).pk, wanted, actor=maker.actor))


def member(pk: UUID) -> User:
    found = User.objects.filter(pk=pk, is_staff=False).first()
    if found is None:
        raise MomentryError("not_found")
    return found
