"""Which letters that nobody needs a member wants: the member's own choice, and by staff."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from apikeys.api import reference as ref
from apikeys.api.answers import read
from apikeys.api.filters import NoFilters, read_filters
from apikeys.api.overrides import member as member_of
from events.topics import Topic, of_members
from events.unsubscribing import choices, choose
from momentry.common.access import access_of
from momentry.common.errors import MomentryError
from momentry.common.idempotency import actor_of
from momentry.common.serializers import StrictSerializer

EXAMPLE = ref.request_example("No reminders of keys that expire", {"expiry": False})


class LettersInput(StrictSerializer):
    """By topic; what is not there stays as it is."""

    def get_fields(self) -> dict[str, Any]:
        return {
            topic.value: serializers.BooleanField(required=False, help_text=str(topic.label))
            for topic in of_members()
        }


class LettersSerializer(serializers.Serializer[object]):
    """Does the member want letters about it? Those about security always come."""

    def get_fields(self) -> dict[str, Any]:
        return {
            topic.value: serializers.BooleanField(help_text=str(topic.label))
            for topic in of_members()
        }


class Letters(APIView):
    def answer(self, member: User) -> Response:
        return Response(choices(member.pk, of_members()))

    def change(self, request: Request, member: User) -> Response:
        wanted = {Topic(name): value for name, value in read(LettersInput, request).items()}
        choose(member.pk, wanted, actor=actor_of(request))
        return self.answer(member)


class MyLetters(Letters):
    """Of the member whose key calls."""

    scopes = {"GET": "keys:read", "PATCH": "keys:write"}

    @extend_schema(
        operation_id="me_letters_retrieve",
        responses={200: LettersSerializer, **ref.problems(*ref.ALWAYS, "invalid_input")},
    )
    def get(self, request: Request) -> Response:
        """Which letters the caller wants."""
        read_filters(NoFilters, request, besides=frozenset())
        return self.answer(calling_member(request))

    @extend_schema(
        operation_id="me_letters_partial_update",
        request=LettersInput,
        responses={200: LettersSerializer, **ref.problems(*ref.ALWAYS, "invalid_input")},
        examples=[EXAMPLE],
    )
    def patch(self, request: Request) -> Response:
        """Call letters off, or want them again."""
        return self.change(request, calling_member(request))


class MemberLetters(Letters):
    """Of one member."""

    scopes = {"GET": "members:read", "PATCH": "members:write"}
    staff_permissions = {"GET": "accounts.view_user", "PATCH": "accounts.change_user"}

    @extend_schema(
        operation_id="admin_users_letters_retrieve",
        parameters=[ref.MEMBER_ID],
        responses={200: LettersSerializer, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """Which letters the member wants."""
        return self.answer(member_of(pk))

    @extend_schema(
        operation_id="admin_users_letters_partial_update",
        parameters=[ref.MEMBER_ID],
        request=LettersInput,
        responses={
            200: LettersSerializer, **ref.problems(*ref.ALWAYS, "not_found", "invalid_input"),
        },
        examples=[EXAMPLE],
    )  # fmt: skip
    def patch(self, request: Request, pk: UUID) -> Response:
        """Call letters off for the member, or send them again, who asked for it."""
        return self.change(request, member_of(pk))


def calling_member(request: Request) -> User:
    """A service's key gets no letters, whoever its owner is."""
    http: Any = request._request
    if http.member is None or not access_of(http).is_member_key:
        raise MomentryError("permission_denied", "Only members get letters.")
    found: User = http.member
    return found
