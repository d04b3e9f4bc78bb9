"""/api/v1/me/events: what happened to the calling member and its keys."""

from functools import cached_property
from typing import Any, Final

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from apikeys.api import reference as ref
from apikeys.models import ApiKey
from events.api.forms import ENTRY, TimeFilters, details_of, event_filter
from events.models import Event
from momentry.common.access import access_of
from momentry.common.errors import MomentryError
from momentry.common.filters import CURSOR, read_filters
from momentry.common.pagination import CursorPage

# What a member is told of the details. The rest is staff's: reasons, names, addresses.
TOLD: Final = ("fields", "grace_seconds", "status", "name", "type", "percent", "used", "quota")
STAFF: Final = ("staff:", "admin-token")


class MyEventEntry(serializers.ModelSerializer[Event]):
    """Who did it is told as a word: which of the staff, and from where, is theirs."""

    time = serializers.DateTimeField(source="occurred_at")
    by = serializers.SerializerMethodField(
        help_text="`you` (a key of yours), `staff`, `service` or `system`."
    )
    details = serializers.SerializerMethodField()

    class Meta:
        model = Event
        fields = ["id", "time", "kind", "subject", "by", "details"]
        read_only_fields = fields

    def get_by(self, event: Event) -> str:
        if event.actor in self.context["own"]:
            return "you"
        if event.actor.startswith(STAFF):
            return "staff"
        return "service" if event.actor.startswith("key:") else "system"

    def get_details(self, event: Event) -> dict[str, Any]:
        found = details_of(event) or {}
        return {name: found[name] for name in TOLD if name in found}


MY_ENTRY: Final = {
    **{name: ENTRY[name] for name in ("id", "time", "kind", "subject")}, "by": "staff",
    "details": {},
}  # fmt: skip


class MyEvents(ListAPIView[Event]):
    """The calling member's, and nobody else's."""

    serializer_class = MyEventEntry
    queryset = Event.objects.none()
    pagination_class = CursorPage
    cursor_field = "occurred_at"
    scopes = {"GET": "keys:read"}

    def get_queryset(self) -> QuerySet[Event]:
        wanted = read_filters(TimeFilters, self.request, besides=CURSOR)
        return Event.objects.filter(event_filter(wanted), subject__in=self.own)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "own": self.own}

    @cached_property
    def own(self) -> frozenset[str]:
        """The member and all of its keys, as events name them."""
        http: Any = self.request._request
        member: User | None = http.member
        if member is None or not access_of(http).is_member_key:
            raise MomentryError("permission_denied", "Only members' keys have events of their own.")
        keys = ApiKey.objects.filter(owner=member).values_list("pk", flat=True)
        return frozenset({f"member:{member.pk.hex}", *(f"key:{key.hex}" for key in keys)})

    @extend_schema(
        operation_id="me_events",
        parameters=[TimeFilters],
        responses={
            200: MyEventEntry(many=True),
            **ref.problems(*ref.ALWAYS, "permission_denied", "invalid_input"),
        },
        examples=[OpenApiExample("A revoked key", response_only=True, value=MY_ENTRY)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What happened to the caller and its keys, newest first."""
        return super().get(request, *args, **kwargs)
