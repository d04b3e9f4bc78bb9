"""What is asked about events, and how one is shown."""

import json
from typing import Any, Final

from django.db.models import Q
from drf_spectacular.utils import OpenApiExample, extend_schema_field
from rest_framework import serializers

from events.kinds import Kind
from events.models import Event
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.errors import MomentryError
from momentry.common.filters import Instant

EXACT: Final = ("kind", "subject", "actor")


class TimeFilters(serializers.Serializer[Any]):
    since = Instant(required=False, help_text="From this time on.")
    until = Instant(required=False, help_text="Up to, not including.")
    kind = serializers.ChoiceField([kind.value for kind in Kind], required=False)


class EventFilters(TimeFilters):
    subject = serializers.CharField(
        required=False, max_length=60, help_text="Exactly what it happened to: `member:<id>`."
    )
    actor = serializers.CharField(
        required=False, max_length=60, help_text="Exactly who did it: `staff:<id>`, `relay`."
    )


def event_filter(wanted: dict[str, Any]) -> Q:
    """MomentryError invalid_input for a span that is none."""
    since, until = wanted.get("since"), wanted.get("until")
    if since and until and since >= until:
        problem = {"detail": "is not before the end", "pointer": "?since"}
        raise MomentryError("invalid_input", errors=[problem])
    found = Q(**{name: wanted[name] for name in EXACT if name in wanted})
    for name, at in (("occurred_at__gte", since), ("occurred_at__lt", until)):
        found &= Q(**{name: at}) if at else Q()
    return found


def details_of(event: Event) -> dict[str, Any] | None:
    """None when there are none, or none that can be read."""
    try:
        text = event.details
    except EnvelopeError:
        return None
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


class Seal(serializers.Serializer[Any]):
    """Its place in the chain of events."""

    seq = serializers.IntegerField(min_value=1)
    hash = serializers.CharField(help_text="Hexadecimal.")


class EventEntry(serializers.ModelSerializer[Event]):
    """One event. ``details`` is null when there are none, or they were erased."""

    time = serializers.DateTimeField(source="occurred_at")
    details = serializers.SerializerMethodField()
    seal = serializers.SerializerMethodField()

    class Meta:
        model = Event
        fields = ["id", "time", "kind", "actor", "subject", "request_id", "details", "seal"]
        read_only_fields = fields

    def get_details(self, event: Event) -> dict[str, Any] | None:
        return details_of(event)

    @extend_schema_field(Seal(allow_null=True))
    def get_seal(self, event: Event) -> dict[str, Any] | None:
        """None until it is sealed, and for what stands outside the chain."""
        if not event.is_chained or event.hash is None:
            return None
        return {"seq": event.seq, "hash": bytes(event.hash).hex()}


ENTRY: Final = {
    "id": "0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e",
    "time": "2026-06-01T12:00:00.123456Z",
    "kind": "apikey:revoked",
    "actor": "staff:0193a1c8-aaaa-7c8e-9d0b-7d1f2c3a4b5e",
    "subject": "key:0f1e2d3c4b5a49788695a4b3c2d1e0f0",
    "request_id": "0193a1c8-bbbb-7c8e-9d0b-7d1f2c3a4b5e",
    "details": {"reason": "left the team"},
    "seal": {"seq": 4711, "hash": "9f" * 32},
}
EVENT_EXAMPLE: Final = OpenApiExample("A revoked key", response_only=True, value=ENTRY)
