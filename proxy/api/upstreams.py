"""/api/v1/admin/upstreams: where the gateway sends what, with which credential."""

from typing import Any, Final

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.answers import read, versions_in
from apikeys.api.filters import read_filters
from momentry.common.idempotency import actor_of, run_once
from proxy.api import reference
from proxy.api.shapes import (
    NewUpstreamInput,
    ReplacementInput,
    UpstreamFilters,
    UpstreamInput,
    UpstreamSerializer,
)
from proxy.models import Upstream
from proxy.services.upstreams import FIELDS, change_upstream, delete_upstream, make_upstream

HERE: Final = "/api/v1/admin/upstreams"
SLUG: Final = ref.slug_parameter("The upstream's slug.")
READ: Final = "upstreams:read"
WRITE: Final = "upstreams:write"
CHANGES: Final = {
    200: UpstreamSerializer, **ref.problems(*ref.ALWAYS, "not_found", "precondition_failed",
                                            "conflict", "invalid_input"),
}  # fmt: skip


class UpstreamViewSet(ListModelMixin, GenericViewSet[Upstream]):
    """Every gateway process follows a change before it is answered."""

    serializer_class = UpstreamSerializer
    queryset = Upstream.objects.prefetch_related("targets__credentials", "targets__down")
    scopes = {"GET": READ, "POST": WRITE, "PUT": WRITE, "PATCH": WRITE, "DELETE": WRITE}
    staff_permissions = {
        "GET": "proxy.view_upstream", "POST": "proxy.add_upstream",
        "PUT": "proxy.change_upstream", "PATCH": "proxy.change_upstream",
        "DELETE": "proxy.delete_upstream",
    }  # fmt: skip
    lookup_field = "slug"
    lookup_value_converter = "slug"

    def get_queryset(self) -> QuerySet[Upstream]:
        rows = super().get_queryset()
        return filtered(rows, self.request) if self.action == "list" else rows

    @extend_schema(
        parameters=[UpstreamFilters],
        responses={
            200: UpstreamSerializer(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Upstreams, newest first, credentials masked. A filter that does not exist is refused."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[SLUG],
        responses={200: UpstreamSerializer, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    def retrieve(self, request: Request, slug: str) -> Response:
        """One upstream with its targets. Its version is the ETag."""
        return answer(self.get_object())

    @extend_schema(
        parameters=[ref.IDEMPOTENCY_KEY],
        request=NewUpstreamInput,
        responses={201: UpstreamSerializer, **ref.problems(*ref.MAKES)},
        examples=[reference.OPENAI, reference.QUERY],
    )
    def create(self, request: Request) -> Response:
        """Make an upstream. Nobody may call it before there are grants on its slug."""

        def effect() -> Response:
            given = read(NewUpstreamInput, request)
            targets = given.pop("targets", [])
            made = make_upstream(Upstream(**given), targets, actor=actor_of(request))
            made = self.get_queryset().get(pk=made.pk)
            return answer(made, status.HTTP_201_CREATED, Location=f"{HERE}/{made.slug}")

        return run_once(request, route="admin/upstreams", effect=effect)

    @extend_schema(
        parameters=[SLUG, ref.IF_MATCH],
        request=ReplacementInput,
        responses=CHANGES,
        examples=[reference.REPLACEMENT],
    )
    def update(self, request: Request, slug: str) -> Response:
        """Replace an upstream: what is left out has its default. Credentials alone stay where they
        are left out."""
        return self.change(request, slug, defaults() | read(ReplacementInput, request))

    @extend_schema(
        parameters=[SLUG, ref.IF_MATCH],
        request=UpstreamInput,
        responses=CHANGES,
        examples=[reference.NEW_KEY, reference.SWITCHED_OFF],
    )
    def partial_update(self, request: Request, slug: str) -> Response:
        """Change what is named; ``targets`` are named all or not at all."""
        return self.change(request, slug, read(UpstreamInput, request, partial=True))

    def change(self, request: Request, slug: str, wanted: dict[str, Any]) -> Response:
        targets = wanted.pop("targets", None)
        change_upstream(
            slug, wanted, targets, actor=actor_of(request), versions=versions_in(request)
        )
        return answer(self.get_object())

    @extend_schema(
        parameters=[SLUG, ref.IF_MATCH],
        responses={204: None, **ref.problems(*ref.WRITES, "precondition_failed")},
    )
    def destroy(self, request: Request, slug: str) -> Response:
        """Remove an upstream with its targets and every grant on it; 409 while a key would be left
        without a grant, and so with all that its member may."""
        delete_upstream(slug, actor=actor_of(request), versions=versions_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def answer(upstream: Upstream, code: int = status.HTTP_200_OK, **headers: str) -> Response:
    """The upstream as it is now, with its version as a strong ETag."""
    body = UpstreamSerializer(upstream).data
    return Response(body, status=code, headers={"ETag": f'"{upstream.version}"', **headers})


def defaults() -> dict[str, Any]:
    fresh = Upstream()
    return {name: getattr(fresh, name) for name in FIELDS}


def filtered(rows: QuerySet[Upstream], request: Request) -> QuerySet[Upstream]:
    wanted = read_filters(UpstreamFilters, request)
    order = wanted.pop("ordering")
    rows = rows.order_by(order, "-id" if order.startswith("-") else "id")
    if "q" in wanted:
        part = wanted.pop("q")
        rows = rows.filter(Q(slug__icontains=part) | Q(name__icontains=part))
    if "active" in wanted:
        rows = rows.filter(is_active=wanted.pop("active"))
    return rows.filter(**wanted)
