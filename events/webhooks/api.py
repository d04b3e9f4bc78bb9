"""/api/v1/admin/webhooks and /deliveries: who is told of events, and what became of it."""

from datetime import timedelta
from typing import Any, Final

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from events.hookmodels import STATES, WebhookDelivery, WebhookEndpoint
from events.webhooks import services, shapes
from events.webhooks.addresses import fault_inside
from events.webhooks.upkeep import redeliver
from momentry.common.access import ADMIN_TOKEN, Access, access_of
from momentry.common.errors import MomentryError
from momentry.common.filters import CURSOR, NoFilters, read_filters
from momentry.common.idempotency import actor_of, run_once
from momentry.common.pagination import CursorPage
from momentry.common.reference import ALWAYS, problems
from momentry.common.rest import IDEMPOTENCY_KEY, IF_MATCH, MAKES, WRITES, read, versions_in
from momentry.common.scopes import holds

HERE: Final = "/api/v1/admin/webhooks"
READ: Final = "webhooks:read"
WRITE: Final = "webhooks:write"
CHANGE: Final = {"POST": "events.change_webhookendpoint"}
BUSY: Final = "It is being sent just now."


class WebhookViewSet(ListModelMixin, GenericViewSet[WebhookEndpoint]):
    """Whoever may write here has all events sent wherever they like."""

    serializer_class = shapes.EndpointSerializer
    queryset = WebhookEndpoint.objects.order_by("-created_at", "-id")
    scopes = {"GET": READ, "POST": WRITE, "PATCH": WRITE, "DELETE": WRITE}
    staff_permissions = {
        "GET": "events.view_webhookendpoint", "POST": "events.add_webhookendpoint",
        "PATCH": "events.change_webhookendpoint", "DELETE": "events.delete_webhookendpoint",
    }  # fmt: skip
    lookup_value_converter = "uuid"

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "may_see": may_see(self.request)}

    @extend_schema(
        responses={
            200: shapes.EndpointSerializer(many=True), **problems(*ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Endpoints, newest first, without their secrets."""
        read_filters(NoFilters, request)
        return super().list(request, *args, **kwargs)

    @extend_schema(responses={200: shapes.EndpointSerializer, **problems(*ALWAYS, "not_found")})
    def retrieve(self, request: Request, pk: str) -> Response:
        """One endpoint. Its version is the ETag."""
        return answer(request, self.get_object())

    @extend_schema(
        parameters=[IDEMPOTENCY_KEY],
        request=shapes.EndpointInput,
        responses={201: shapes.IssuedEndpointSerializer, **problems(*MAKES)},
        examples=[shapes.ENDPOINT],
    )
    def create(self, request: Request) -> Response:
        """An endpoint that is told of every event from now on that its `kinds` take. Its secret is
        in this answer alone."""

        wanted = services.WantedEndpoint(**read(shapes.EndpointInput, request))
        fault = fault_inside(wanted.url)  # it may take seconds, and others wait for the lock

        def effect() -> Response:
            if fault is not None:
                raise fault
            issued = services.make_endpoint(wanted, actor=actor_of(request))
            return answer_issued(issued, status.HTTP_201_CREATED)

        return run_once(request, route="admin/webhooks", effect=effect)

    @extend_schema(
        parameters=[IF_MATCH],
        request=shapes.EndpointChanges,
        responses={
            200: shapes.EndpointSerializer,
            **problems(*WRITES, "precondition_failed", "invalid_input"),
        },
        examples=[shapes.NARROWER, shapes.OFF],
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is named. What waits goes to the new `url`; `is_active` true after a time
        without sends what waited. 409 for more than
        `is_active` of the endpoint of WEBHOOK_URL."""
        wanted = read(shapes.EndpointChanges, request, partial=True)
        changed = services.change_endpoint(
            pk, wanted, actor=actor_of(request), versions=versions_in(request)
        )
        return answer(request, changed)

    @extend_schema(
        parameters=[IF_MATCH], responses={204: None, **problems(*WRITES, "precondition_failed")}
    )
    def destroy(self, request: Request, pk: str) -> Response:
        """Forget it, with its deliveries: what waits is not sent any more."""
        services.delete_endpoint(pk, actor=actor_of(request), versions=versions_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="admin_webhooks_rotate_secret",
        parameters=[IDEMPOTENCY_KEY, IF_MATCH],
        request=shapes.SecretRotation,
        responses={
            200: shapes.IssuedEndpointSerializer,
            **problems(*MAKES, "not_found", "precondition_failed", "rotation_in_progress"),
        },
        examples=[shapes.GRACE],
    )
    @action(detail=True, methods=["post"], url_path="rotate-secret", staff_permissions=CHANGE)
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """A new secret, in this answer alone. Until the grace is over the one so far signs too, as
        do those of rotations before until theirs is; 409 when five do. A grace of 0 ends all."""

        def effect() -> Response:
            grace = timedelta(seconds=read(shapes.SecretRotation, request)["grace_seconds"])
            issued = services.rotate_secret(
                pk, actor=actor_of(request), grace=grace, versions=versions_in(request)
            )
            return answer_issued(issued)

        return run_once(request, route=f"admin/webhooks/{pk}/rotate-secret", effect=effect)

    @extend_schema(
        request=None,
        responses={202: shapes.DeliverySerializer, **problems(*WRITES)},
    )
    @action(detail=True, methods=["post"], staff_permissions=CHANGE)
    def ping(self, request: Request, pk: str) -> Response:
        """An event `webhook:ping` for this endpoint alone, whatever its `kinds`. The relay sends it
        within a second; the delivery says what became of it."""
        sent = services.ping(pk, actor=actor_of(request))
        return Response(shapes.DeliverySerializer(sent).data, status=status.HTTP_202_ACCEPTED)


class DeliveryViewSet(ListModelMixin, GenericViewSet[WebhookDelivery]):
    """Nothing here counts: a page is read from the newest on."""

    serializer_class = shapes.DeliverySerializer
    queryset = WebhookDelivery.objects.all()
    pagination_class = CursorPage
    cursor_field = "created_at"
    scopes = {"GET": READ, "POST": WRITE}
    staff_permissions = {
        "GET": "events.view_webhookdelivery", "POST": "events.change_webhookdelivery",
    }  # fmt: skip
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        rows = super().get_queryset()
        if self.action != "list":
            return rows
        wanted = read_filters(shapes.DeliveryFilters, self.request, besides=CURSOR)
        state = wanted.pop("state", None)
        return rows.filter(*([STATES[state]] if state else []), **wanted)

    @extend_schema(
        parameters=[shapes.DeliveryFilters],
        responses={
            200: shapes.DeliverySerializer(many=True), **problems(*ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Deliveries, newest first. `next` is the `cursor` of the next page, null on the last."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        responses={200: shapes.WholeDeliverySerializer, **problems(*ALWAYS, "not_found")}
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        """One delivery, with each attempt and what is sent."""
        return Response(shapes.WholeDeliverySerializer(self.get_object()).data)

    @extend_schema(request=None, responses={200: shapes.DeliverySerializer, **problems(*WRITES)})
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, pk: str) -> Response:
        """Due at once, also if it arrived, with the same `webhook-id`. 409 while it is being sent,
        and for an endpoint that is disabled."""
        row = self.get_object()
        if not redeliver(row, actor=actor_of(request)):
            raise MomentryError("conflict", BUSY)
        row.refresh_from_db()
        return Response(shapes.DeliverySerializer(row).data)


def may_see(request: Request) -> bool:
    """The URLs: who may change them."""
    access = access_of(request)
    if isinstance(request.auth, Access):
        access = request.auth
    if access.actor.startswith("staff:"):
        return bool(request.user.has_perm(CHANGE["POST"]))
    return access.actor == ADMIN_TOKEN or holds(access.scopes, WRITE)


def answer(request: Request, row: WebhookEndpoint) -> Response:
    """The endpoint as it is now, with its version as a strong ETag."""
    body = shapes.EndpointSerializer(row, context={"may_see": may_see(request)}).data
    return Response(body, headers={"ETag": f'"{row.version}"'})


def answer_issued(issued: services.IssuedEndpoint, code: int = status.HTTP_200_OK) -> Response:
    """The one answer with the secret. What is stored for its Idempotency-Key has no URL."""
    row = issued.endpoint
    body = {**shapes.EndpointSerializer(row).data, "secret": issued.secret}
    headers = {"ETag": f'"{row.version}"', "Cache-Control": "no-store"}
    if code == status.HTTP_201_CREATED:
        headers["Location"] = f"{HERE}/{row.pk}"
    return Response(body, status=code, headers=headers)
