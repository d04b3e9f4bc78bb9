"""/api/v1/admin/logs: the request log, read by whoever answers for the service."""

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.filters import NoFilters, read_filters
from apikeys.api.logforms import LOG_EXAMPLE, LogEntry, LogFilters, log_filter
from apikeys.models import RequestLog
from apikeys.requestlog.seek import near
from momentry.common.pagination import CursorPage

PAGING: Final = frozenset({"limit", "cursor"})
REQUEST_ID: Final = OpenApiParameter(
    "id", UUID, OpenApiParameter.PATH, description="The request's id, as `X-Request-ID` tells it."
)


class RequestLogViewSet(ListModelMixin, GenericViewSet[RequestLog]):
    """Nothing here counts or sorts: a page is read from the newest day on."""

    serializer_class = LogEntry
    queryset = RequestLog.objects.all()
    pagination_class = CursorPage
    scopes = {"GET": "logs:read"}
    staff_permissions = {"GET": "apikeys.view_requestlog"}
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[RequestLog]:
        rows = super().get_queryset()
        if self.action != "list":
            return rows
        wanted = read_filters(LogFilters, self.request, besides=PAGING)
        return rows.filter(log_filter(wanted, timezone.now()))

    @extend_schema(
        parameters=[LogFilters],
        responses={200: LogEntry(many=True), **ref.problems(*ref.ALWAYS, "invalid_input")},
        examples=[LOG_EXAMPLE],
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Calls, newest first. `next` is the `cursor` of the next page, null on the last one; rows
        that come meanwhile change nothing in what follows. By status, code, method, model or
        upstream alone the last 7 days are looked through, with `since` up to 31."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[REQUEST_ID],
        responses={200: LogEntry, **ref.problems(*ref.ALWAYS, "not_found", "invalid_input")},
        examples=[LOG_EXAMPLE],
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """The call of this request id. It is there within a second of its end."""
        read_filters(NoFilters, request, besides=frozenset())
        row = self.get_queryset().filter(near(pk)).first()
        if row is None:
            raise Http404
        return Response(self.get_serializer(row).data)
