"""Endpoints and deliveries as clients write and read them; the rest is the services'."""

from contextlib import suppress
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from events.hookmodels import (
    LONGEST_URL,
    MOST_PATTERNS,
    DeliveryState,
    DisabledFor,
    WebhookDelivery,
    WebhookEndpoint,
)
from events.webhooks.filters import validate_pattern
from events.webhooks.payload import shown_of
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.rest import request_example
from momentry.common.serializers import StrictSerializer
from momentry.common.validators import validate_webhook_url

ENDPOINT: Final = request_example(
    "Keys and members",
    {"url": "https://hooks.example.org/momentry", "kinds": ["apikey:*", "member:*"]},
)
NARROWER: Final = request_example("Only revocations", {"kinds": ["apikey:revoked"]})
OFF: Final = request_example("For a while", {"is_active": False})
GRACE: Final = request_example("Both sign for an hour", {"grace_seconds": 3600})
LONGEST_GRACE: Final = 30 * 86_400


class EndpointChanges(StrictSerializer):
    """What is left out stays as it is."""

    url = serializers.CharField(
        max_length=LONGEST_URL, required=False, validators=[validate_webhook_url],
        help_text="http or https, on the Internet unless EGRESS_ALLOW lists it.",
    )  # fmt: skip
    description = serializers.CharField(max_length=100, required=False, allow_blank=True)
    kinds = serializers.ListField(
        child=serializers.CharField(max_length=60, validators=[validate_pattern]),
        min_length=1, max_length=MOST_PATTERNS, required=False,
        help_text="Kinds of events; `*` stands for either side of the colon, or for all.",
    )  # fmt: skip
    is_active = serializers.BooleanField(
        required=False, help_text="False: nothing is sent, and nothing new waits."
    )


class EndpointInput(StrictSerializer):
    url = serializers.CharField(
        max_length=LONGEST_URL, validators=[validate_webhook_url],
        help_text="http or https, on the Internet unless EGRESS_ALLOW lists it.",
    )  # fmt: skip
    description = serializers.CharField(
        max_length=100, required=False, allow_blank=True, default=""
    )
    kinds = serializers.ListField(
        child=serializers.CharField(max_length=60, validators=[validate_pattern]),
        min_length=1, max_length=MOST_PATTERNS,
        help_text="Kinds of events; `*` stands for either side of the colon, or for all.",
    )  # fmt: skip


class SecretRotation(StrictSerializer):
    grace_seconds = serializers.IntegerField(
        min_value=0, max_value=LONGEST_GRACE, required=False, default=86_400,
        help_text="How long the secret so far signs beside the new one.",
    )  # fmt: skip


class EndpointSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    """Its URL is for those who may change it (``may_see`` in the context)."""

    url = serializers.SerializerMethodField(
        help_text="Null for who may not change it, as its path may be as good as a password, and "
        "in the answers that have a secret."
    )
    is_active = serializers.BooleanField(read_only=True)
    disabled_for = serializers.ChoiceField(
        DisabledFor.choices, allow_blank=True, read_only=True, help_text="Empty: it is active."
    )

    @extend_schema_field({"type": "string", "nullable": True})
    def get_url(self, row: WebhookEndpoint) -> str | None:
        if not self.context.get("may_see"):
            return None
        with suppress(EnvelopeError):
            return row.url
        return None

    class Meta:
        model = WebhookEndpoint
        fields = [
            "id", "url", "host", "description", "kinds", "is_active", "disabled_at", "disabled_for",
            "succeeded_at", "failed_at", "failing_since", "former_until", "is_environment",
            "version", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields


class IssuedEndpointSerializer(EndpointSerializer):
    secret = serializers.CharField(
        read_only=True, help_text="`whsec_…`, shown this once; a replay has null."
    )

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class AttemptSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True, help_text="Null: there was no answer.")
    milliseconds = serializers.IntegerField()
    error = serializers.CharField(allow_blank=True)


class DeliverySerializer(serializers.ModelSerializer[WebhookDelivery]):
    endpoint = serializers.UUIDField(source="endpoint_id", read_only=True)
    event = serializers.UUIDField(
        source="event_id", read_only=True, help_text="What `webhook-id` says on every attempt."
    )
    state = serializers.ChoiceField(DeliveryState.choices, read_only=True)

    class Meta:
        model = WebhookDelivery
        fields = [
            "id", "endpoint", "event", "kind", "state", "tries", "next_attempt_at", "last_status",
            "last_error", "delivered_at", "failed_at", "created_at",
        ]  # fmt: skip
        read_only_fields = fields


class WholeDeliverySerializer(DeliverySerializer):
    attempts = AttemptSerializer(many=True, read_only=True, help_text="The oldest first.")
    payload = serializers.SerializerMethodField(
        help_text="What is sent; null when the event is gone or does not open."
    )

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "attempts", "payload"]
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_payload(self, row: WebhookDelivery) -> Any:
        return shown_of(row.event_id)


class DeliveryFilters(serializers.Serializer[Any]):
    endpoint = serializers.UUIDField(required=False, help_text="The endpoint's id.")
    event = serializers.UUIDField(required=False, help_text="The event's id.")
    state = serializers.ChoiceField(DeliveryState.choices, required=False)
    kind = serializers.CharField(required=False, max_length=40, help_text="As it is written.")
