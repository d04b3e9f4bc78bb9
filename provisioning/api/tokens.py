"""/api/v1/admin/external-tokens: tokens of other systems. They go in and come out masked."""

from typing import Any, Final

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.answers import read, versions_in
from apikeys.api.filters import read_filters
from momentry.common.idempotency import actor_of, run_once
from provisioning.api import tokenshapes as shapes
from provisioning.models import ExternalToken
from provisioning.services.token_checks import revoke_token, verify_token
from provisioning.services.tokens import WantedToken, change_token, create_token, delete_token
from provisioning.tokens.base import Owner

HERE: Final = "/api/v1/admin/external-tokens"
WRITE: Final = "provisioning:write"
CHANGE: Final = {"POST": "provisioning.change_externaltoken"}
DELETE: Final = {"POST": "provisioning.delete_externaltoken"}
CHANGES: Final = {
    200: shapes.TokenSerializer,
    **ref.problems(*ref.WRITES, "precondition_failed", "invalid_input"),
}


class ExternalTokenViewSet(ListModelMixin, GenericViewSet[ExternalToken]):
    """Whoever may read them learns which doors are open where: that takes the scope to write."""

    serializer_class = shapes.TokenSerializer
    queryset = ExternalToken.objects.order_by("-created_at", "-id")
    scopes = {"GET": WRITE, "POST": WRITE, "PATCH": WRITE, "DELETE": WRITE}
    staff_permissions = {
        "GET": "provisioning.view_externaltoken", "POST": "provisioning.add_externaltoken",
        "PATCH": "provisioning.change_externaltoken",
        "DELETE": "provisioning.delete_externaltoken",
    }  # fmt: skip
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[ExternalToken]:
        rows = super().get_queryset()
        if self.action != "list":
            return rows
        wanted = read_filters(shapes.TokenFilters, self.request)
        if wanted.pop("service", False):
            rows = rows.filter(owner=None)
        return rows.filter(**wanted)

    @extend_schema(
        parameters=[shapes.TokenFilters],
        responses={
            200: shapes.TokenSerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """External tokens, newest first, masked. A filter that does not exist is refused."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        responses={200: shapes.TokenSerializer, **ref.problems(*ref.ALWAYS, "not_found")}
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        """One token, masked, with its last states. Its version is the ETag."""
        return answer(self.get_object())

    @extend_schema(
        parameters=[ref.IDEMPOTENCY_KEY],
        request=shapes.TokenInput,
        responses={201: shapes.TokenSerializer, **ref.problems(*ref.MAKES)},
        examples=[shapes.N8N, shapes.GITEA],
    )
    def create(self, request: Request) -> Response:
        """Keep a token. It is `unverified` until it is verified, by `verify` or at night."""

        def effect() -> Response:
            wanted = WantedToken(**read(shapes.TokenInput, request))
            made = create_token(wanted, actor=actor_of(request))
            return answer(made, status.HTTP_201_CREATED, Location=f"{HERE}/{made.pk}")

        return run_once(request, route="admin/external-tokens", effect=effect)

    @extend_schema(
        parameters=[ref.IF_MATCH],
        request=shapes.TokenChanges,
        responses=CHANGES,
        examples=[shapes.REPLACED],
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is named; `token` replaces the secret. Another `base_url` takes the secret
        again: none is sent to an address that it was not given for."""
        wanted = read(shapes.TokenChanges, request, partial=True)
        changed = change_token(
            pk, wanted, actor=actor_of(request), versions=versions_in(request)
        )  # fmt: skip
        return answer(changed)

    @extend_schema(
        parameters=[ref.IF_MATCH],
        responses={204: None, **ref.problems(*ref.ALWAYS, "not_found", "precondition_failed")},
    )
    def destroy(self, request: Request, pk: str) -> Response:
        """Forget it here. Its provider still takes it: see `revoke`."""
        delete_token(pk, actor=actor_of(request), versions=versions_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        request=None,
        responses={200: shapes.TokenSerializer, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    @action(detail=True, methods=["post"], staff_permissions=CHANGE)
    def verify(self, request: Request, pk: str) -> Response:
        """Show it to its provider now, and answer what came of it; 30 seconds at most."""
        return answer(verify_token(pk, actor=actor_of(request)))

    @extend_schema(
        parameters=[ref.IF_MATCH],
        request=shapes.OwnersPassword,
        responses={
            204: None,
            **ref.problems(
                *ref.WRITES, "permission_denied", "precondition_failed", "invalid_input",
                "upstream_unreachable",
            ),
        },
    )  # fmt: skip
    @action(detail=True, methods=["post"], staff_permissions=DELETE)
    def revoke(self, request: Request, pk: str) -> Response:
        """Take it back at its provider (Gitea only), then forget it here. The owner's password and
        OTP are used for this one call and kept nowhere."""
        owner = Owner(**read(shapes.OwnersPassword, request))
        revoke_token(pk, owner, actor=actor_of(request), versions=versions_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def answer(token: ExternalToken, code: int = status.HTTP_200_OK, **headers: str) -> Response:
    """The token as it is now, with its version as a strong ETag."""
    body = shapes.TokenSerializer(token).data
    return Response(body, status=code, headers={"ETag": f'"{token.version}"', **headers})
