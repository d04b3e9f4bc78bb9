"""/api/v1/me/keys: a member's own keys, managed with one of them."""

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from apikeys.api import reference as ref
from apikeys.api.answers import (
    answer,
    answer_issued,
    answer_rotated,
    maker_of,
    new_key,
    read,
)
from apikeys.api.filters import NoFilters, read_filters
from apikeys.api.inputs import NewOwnKeyInput, RotateInput
from apikeys.api.serializers import FOR_KEYS, IssuedKeySerializer, KeySerializer, context, grace_end
from apikeys.models import ApiKey, KeyType
from apikeys.services.issue import issue_own_key
from apikeys.services.keys import revoke_key
from momentry.common.access import access_of
from momentry.common.errors import MomentryError
from momentry.common.idempotency import actor_of, run_once

HERE: Final = "/api/v1/me/keys"


class MyKeyViewSet(ListModelMixin, GenericViewSet[ApiKey]):
    """The calling member's keys, newest first, masked. Another member's key is not there."""

    serializer_class = KeySerializer
    queryset = ApiKey.objects.filter(purged_at=None, key_type=KeyType.USER)
    scopes = {"GET": "keys:read", "POST": "keys:write"}
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[ApiKey]:
        rows = super().get_queryset().filter(owner=self.member()).select_related("owner")
        rows = rows.annotate(grace_ends_at=grace_end(timezone.now())).prefetch_related(*FOR_KEYS)
        return rows.order_by("-created_at", "-id")

    def member(self) -> User:
        """Whose key calls. A service's key has no keys of its own, whoever its owner is."""
        http: Any = self.request._request
        if http.member is None or not access_of(http).is_member_key:
            raise MomentryError("permission_denied", "Only members' keys have keys of their own.")
        found: User = http.member
        return found

    def get_serializer_context(self) -> dict[str, Any]:
        found = dict(super().get_serializer_context())
        if getattr(self, "swagger_fake_view", False):  # the OpenAPI document asks no database
            return found
        return {**found, **context(timezone.now())}

    @extend_schema(
        responses={
            200: KeySerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The caller's keys, newest first, masked. There are no filters."""
        read_filters(NoFilters, request)
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[ref.KEY_ID],
        responses={200: KeySerializer, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One of the caller's keys, masked. Its version is the ETag."""
        return answer(self.get_object())

    @extend_schema(
        parameters=[ref.IDEMPOTENCY_KEY],
        request=NewOwnKeyInput,
        responses={201: IssuedKeySerializer, **ref.problems(*ref.ISSUES)},
        examples=[ref.OWN_KEY, ref.REPLAY],
    )
    def create(self, request: Request) -> Response:
        """Issue another key of one's own. What is not said is taken over from the calling key,
        and nothing goes beyond it. The secret is in this answer only."""
        member = self.member()

        def effect() -> Response:
            given = {**read(NewOwnKeyInput, request), "owner": member.pk}
            issued = issue_own_key(new_key(given), maker=maker_of(request))
            return answer_issued(issued, f"{HERE}/{issued.key.pk}", status.HTTP_201_CREATED)

        return run_once(request, route="me/keys", effect=effect)

    @extend_schema(
        parameters=[ref.KEY_ID, ref.IDEMPOTENCY_KEY],
        request=RotateInput,
        responses={200: IssuedKeySerializer, **ref.problems("not_found", *ref.ISSUES)},
        examples=[ref.ROTATE, ref.REPLAY],
    )
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: UUID) -> Response:
        """A new secret for one's key; the old one works until the end of its grace. A key that
        may do more than the calling one is refused: rotate it with itself."""
        key = self.get_object()
        effect = lambda: answer_rotated(request, key, f"{HERE}/{key.pk}")  # noqa: E731  one call, put off
        return run_once(request, route="me/keys/rotate", effect=effect)

    @extend_schema(
        parameters=[ref.KEY_ID],
        request=None,
        responses={200: KeySerializer, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: UUID) -> Response:
        """End one of one's keys for good, the calling one too. Repeating it is harmless."""
        revoke_key(self.get_object(), actor=actor_of(request))
        return answer(self.get_object())
