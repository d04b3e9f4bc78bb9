"""/api/v1/admin/events: what happened, read by whoever answers for the service."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from events.api.forms import EVENT_EXAMPLE, EventEntry, EventFilters, event_filter
from events.models import Event
from momentry.common.filters import CURSOR, NoFilters, read_filters
from momentry.common.pagination import CursorPage
from momentry.common.reference import ALWAYS, problems


class EventViewSet(ListModelMixin, GenericViewSet[Event]):
    """Nothing here counts: a page is read from the newest on."""

    serializer_class = EventEntry
    queryset = Event.objects.with_seals()
    pagination_class = CursorPage
    cursor_field = "occurred_at"
    scopes = {"GET": "events:read"}
    staff_permissions = {"GET": "events.view_event"}
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Event]:
        found = super().get_queryset()
        if self.action != "list":
            return found
        wanted = read_filters(EventFilters, self.request, besides=CURSOR)
        return found.filter(event_filter(wanted))

    @extend_schema(
        parameters=[EventFilters],
        responses={200: EventEntry(many=True), **problems(*ALWAYS, "invalid_input")},
        examples=[EVENT_EXAMPLE],
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Events, newest first. `next` is the `cursor` of the next page, null on the last one;
        events that come meanwhile change nothing in what follows."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[
            OpenApiParameter("id", UUID, OpenApiParameter.PATH, description="The event's id.")
        ],
        responses={200: EventEntry, **problems(*ALWAYS, "not_found", "invalid_input")},
        examples=[EVENT_EXAMPLE],
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One event; `seal` is its place in the chain, null for some seconds."""
        read_filters(NoFilters, request, besides=frozenset())
        row = self.get_queryset().filter(pk=pk).first()
        if row is None:
            raise Http404
        return Response(self.get_serializer(row).data)
