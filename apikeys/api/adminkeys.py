"""/api/v1/admin/keys: every key, for ADMIN_TOKEN, roles and staff."""

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

from apikeys.api import reference as ref
from apikeys.api.answers import (
    answer,
    answer_issued,
    answer_rotated,
    maker_of,
    new_key,
    read,
    versions_in,
)
from apikeys.api.filters import KeyFilters, filter_keys
from apikeys.api.inputs import ChangeInput, NewKeyInput, QuarantineInput, RotateInput
from apikeys.api.serializers import FOR_KEYS, IssuedKeySerializer, KeySerializer, context, grace_end
from apikeys.models import ApiKey
from apikeys.services.issue import issue_key
from apikeys.services.keys import revoke_key
from apikeys.services.life import disable_key, enable_key, quarantine_key
from apikeys.services.update import update_key
from momentry.common.idempotency import actor_of, run_once

HERE: Final = "/api/v1/admin/keys"
CHANGE: Final = {"POST": "apikeys.change_apikey"}
DELETE: Final = {"POST": "apikeys.delete_apikey"}
MOVES: Final = {200: KeySerializer, **ref.problems(*ref.WRITES)}
ENABLES: Final = {200: KeySerializer, **ref.problems(*ref.WRITES, "permission_denied")}


class KeyViewSet(ListModelMixin, GenericViewSet[ApiKey]):
    """Every key but tombstones, newest first, masked."""

    serializer_class = KeySerializer
    queryset = ApiKey.objects.filter(purged_at=None).select_related("owner")
    scopes = {
        "GET": "keys:read", "POST": "keys:write", "PATCH": "keys:write", "DELETE": "keys:write",
    }  # fmt: skip
    staff_permissions = {
        "GET": "apikeys.view_apikey", "POST": "apikeys.add_apikey",
        "PATCH": "apikeys.change_apikey", "DELETE": "apikeys.delete_apikey",
    }  # fmt: skip
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[ApiKey]:
        now = timezone.now()
        rows = super().get_queryset().annotate(grace_ends_at=grace_end(now))
        rows = rows.prefetch_related(*FOR_KEYS)
        return filter_keys(rows, self.request, now) if self.action == "list" else rows

    def get_serializer_context(self) -> dict[str, Any]:
        found = dict(super().get_serializer_context())
        if getattr(self, "swagger_fake_view", False):  # the OpenAPI document asks no database
            return found
        return {**found, **context(timezone.now())}

    @extend_schema(
        parameters=[KeyFilters],
        responses={
            200: KeySerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Keys, newest first, masked. A filter that does not exist is refused, not ignored."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[ref.KEY_ID],
        responses={200: KeySerializer, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One key, masked. Its version is the ETag."""
        return answer(self.get_object())

    @extend_schema(
        parameters=[ref.IDEMPOTENCY_KEY],
        request=NewKeyInput,
        responses={201: IssuedKeySerializer, **ref.problems(*ref.ISSUES)},
        examples=[ref.MEMBER_KEY, ref.SERVICE_KEY, ref.TEMPLATE_KEY, ref.REPLAY],
    )
    def create(self, request: Request) -> Response:
        """Issue a key for a member (``owner``) or a service (``service_name``). The secret is in
        this answer only. Nobody hands out more than they hold."""

        def effect() -> Response:
            issued = issue_key(new_key(read(NewKeyInput, request)), maker=maker_of(request))
            return answer_issued(issued, f"{HERE}/{issued.key.pk}", status.HTTP_201_CREATED)

        return run_once(request, route="admin/keys", effect=effect)

    @extend_schema(
        parameters=[ref.KEY_ID, ref.IF_MATCH],
        request=ChangeInput,
        responses={
            200: KeySerializer,
            **ref.problems(*ref.WRITES, "upstream_forbidden", "precondition_failed",
                           "invalid_input"),
        },
        examples=[ref.CHANGE, ref.NARROWER],
    )  # fmt: skip
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change what is named; the rest stays. Each change raises the version."""
        wanted = read(ChangeInput, request, partial=True)
        if "tier" in wanted:
            wanted["tier_id"] = wanted.pop("tier")
        key = self.get_object()
        update_key(key.pk, wanted, maker=maker_of(request), versions=versions_in(request))
        return answer(self.get_object())

    @extend_schema(
        parameters=[ref.KEY_ID], responses={204: None, **ref.problems(*ref.ALWAYS, "not_found")}
    )
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Revoke a key for good: from this answer on it opens nothing. Repeating it is harmless."""
        revoke_key(self.get_object(), actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        parameters=[ref.KEY_ID, ref.IDEMPOTENCY_KEY],
        request=RotateInput,
        responses={200: IssuedKeySerializer, **ref.problems("not_found", *ref.ISSUES)},
        examples=[ref.ROTATE, ref.REPLAY],
    )
    @action(detail=True, methods=["post"], staff_permissions=CHANGE)
    def rotate(self, request: Request, pk: UUID) -> Response:
        """A new secret for the same key; the old one works until the end of its grace."""
        key = self.get_object()
        effect = lambda: answer_rotated(request, key, f"{HERE}/{key.pk}")  # noqa: E731  one call, put off
        return run_once(request, route="admin/keys/rotate", effect=effect)

    @extend_schema(parameters=[ref.KEY_ID], request=None, responses=MOVES)
    @action(detail=True, methods=["post"], staff_permissions=CHANGE)
    def disable(self, request: Request, pk: UUID) -> Response:
        """Stop a key until it is enabled. Repeating it is harmless."""
        disable_key(self.get_object(), actor=actor_of(request))
        return answer(self.get_object())

    @extend_schema(parameters=[ref.KEY_ID], request=None, responses=ENABLES)
    @action(detail=True, methods=["post"], staff_permissions=CHANGE)
    def enable(self, request: Request, pk: UUID) -> Response:
        """Let a disabled key work again, by whoever could hand out its scopes. Repeating it is
        harmless."""
        enable_key(self.get_object(), maker=maker_of(request))
        return answer(self.get_object())

    @extend_schema(
        parameters=[ref.KEY_ID], request=QuarantineInput, responses=MOVES, examples=[ref.LEAKED]
    )
    @action(detail=True, methods=["post"], staff_permissions=CHANGE)
    def quarantine(self, request: Request, pk: UUID) -> Response:
        """End a key that leaked, old secrets included. There is no way back."""
        reason = read(QuarantineInput, request)["reason"]
        quarantine_key(self.get_object(), actor=actor_of(request), reason=reason)
        return answer(self.get_object())

    @extend_schema(parameters=[ref.KEY_ID], request=None, responses=MOVES)
    @action(detail=True, methods=["post"], staff_permissions=DELETE)
    def revoke(self, request: Request, pk: UUID) -> Response:
        """End a key for good. Repeating it is harmless."""
        revoke_key(self.get_object(), actor=actor_of(request))
        return answer(self.get_object())
