"""Upstreams as clients write and read them: shapes and sizes; what may be is the services' matter.
A credential goes in and never comes out."""

from datetime import datetime
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from momentry.common.serializers import StrictSerializer
from momentry.common.validators import validate_base_url
from proxy.gateway.headerrules import ACTIONS, MAX_RULES, MAX_VALUE, SIDES
from proxy.masking import mask_of
from proxy.models import Injection, Target, TargetCredential, Upstream, UsageFormat
from proxy.services.upstreams import FIELDS
from proxy.services.wanted import MAX_CREDENTIAL, MAX_TARGETS, WantedTarget, check_credential

HOUR: Final = 3_600_000
MOST_MS: Final = 2**31 - 1
MOST_BYTES: Final = 10**15


def milliseconds(help_text: str, most: int = HOUR, **given: Any) -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False, min_value=1, max_value=most, help_text=help_text, **given
    )


def size(help_text: str) -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=MOST_BYTES, help_text=help_text
    )


class TargetInput(StrictSerializer):
    """A base URL tells it from the upstream's other targets."""

    base_url = serializers.CharField(max_length=200, validators=[validate_base_url])
    weight = serializers.IntegerField(required=False, min_value=1, max_value=32_767)
    is_active = serializers.BooleanField(required=False)
    api_key = serializers.CharField(
        required=False, allow_null=True, max_length=MAX_CREDENTIAL, validators=[check_credential],
        help_text="The credential that is sent to it: `user:password` for basic, null for none."
        " It replaces all that the target has. Left out: those of the target with this base URL"
        " stay.",
    )  # fmt: skip

    def to_internal_value(self, data: Any) -> WantedTarget:
        """A change (PATCH) asks for parts of an upstream, never for parts of a target."""
        given = super().to_internal_value(data)
        if "base_url" not in given:
            raise serializers.ValidationError({"base_url": ["This field is required."]})
        return WantedTarget(**given, keeps_key="api_key" not in given)


def targets_input(help_text: str, **given: Any) -> serializers.ListField:
    return serializers.ListField(
        child=TargetInput(), max_length=MAX_TARGETS, help_text=help_text, **given
    )


class HeaderRuleInput(StrictSerializer):
    """What is done to one header field; which names may be is the services' matter."""

    action = serializers.ChoiceField(ACTIONS)
    on = serializers.ChoiceField(SIDES)
    name = serializers.CharField(max_length=64)
    value = serializers.CharField(
        max_length=MAX_VALUE, required=False, help_text="Not of remove. No secret: it is shown."
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Whole also within a change (PATCH)."""
        given = dict(super().to_internal_value(data))
        for name in ("action", "on", "name"):
            if name not in given:
                raise serializers.ValidationError({name: ["This field is required."]})
        return given


class UpstreamInput(StrictSerializer):
    """What is left out has its default; in a change it stays as it is."""

    name = serializers.CharField(max_length=100)
    is_active = serializers.BooleanField(required=False)
    injection = serializers.ChoiceField(Injection.choices, required=False)
    injection_name = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text="Header or query parameter."
    )
    injection_template = serializers.CharField(
        max_length=100, required=False, allow_blank=True, help_text="Such as Bearer {credential}."
    )
    connect_timeout_ms = milliseconds("To a standing connection.")
    first_byte_timeout_ms = milliseconds("From the request's end to the answer's head.")
    idle_timeout_ms = milliseconds("Between two pieces of an answer.")
    total_timeout_ms = milliseconds("Whole exchange; null is unlimited.", MOST_MS, allow_null=True)
    max_body_bytes = size("Largest request body; null is unlimited.")
    max_response_bytes = size("Largest body of an answer; null is unlimited.")
    tls_verify = serializers.BooleanField(required=False)
    usage_format = serializers.ChoiceField(UsageFormat.choices, required=False)
    request_weight = serializers.IntegerField(
        required=False, min_value=0, max_value=1000, help_text="Units one call costs; 0 is free."
    )
    max_retries = serializers.IntegerField(
        required=False, min_value=0, max_value=5,
        help_text="Other targets that a request may go on to when one fails it.",
    )  # fmt: skip
    failure_threshold = serializers.IntegerField(
        required=False, min_value=1, max_value=1000,
        help_text="Failures in a row that put a target out.",
    )  # fmt: skip
    health_path = serializers.CharField(
        required=False, allow_blank=True, max_length=200,
        help_text="Asked of each target, under its base URL; blank: a connection is enough.",
    )  # fmt: skip
    health_interval_ms = serializers.IntegerField(
        required=False, min_value=500, max_value=HOUR, help_text="Between two looks at a target."
    )
    serves_v1 = serializers.BooleanField(
        required=False, help_text="`/v1/…` leads here too; one upstream does, and speaks `openai`."
    )
    models_only = serializers.BooleanField(
        required=False, help_text="Calls that name none of its models are refused."
    )
    header_rules = serializers.ListField(
        child=HeaderRuleInput(), max_length=MAX_RULES, required=False, help_text="All from now on."
    )
    targets = targets_input("All from now on: one that is not in the list goes.", required=False)

    def validate_targets(self, targets: list[WantedTarget]) -> list[WantedTarget]:
        if len({target.base_url for target in targets}) < len(targets):
            raise serializers.ValidationError("A base URL is there twice.")
        return targets


class NewUpstreamInput(UpstreamInput):
    slug = serializers.RegexField(
        r"\A[a-z0-9][a-z0-9-]*\Z", max_length=60, help_text="In URLs, grants and logs; stays."
    )


class ReplacementInput(UpstreamInput):
    """Targets are not left out by mistake: without any it would serve nobody."""

    targets = targets_input("All that it has.")


class CredentialChanges(StrictSerializer):
    """The secret stays what it is: another one is another credential."""

    label = serializers.CharField(  # type: ignore[assignment]  # a field, as all of them
        max_length=60, required=False, allow_blank=True, help_text="Which one it is; no secret."
    )
    is_active = serializers.BooleanField(required=False, help_text="Is it sent?")


class NewCredential(CredentialChanges):
    api_key = serializers.CharField(
        max_length=MAX_CREDENTIAL,
        validators=[check_credential],
        help_text="The credential: `user:password` for basic. No answer repeats it.",
    )


class CredentialSerializer(serializers.ModelSerializer[TargetCredential]):
    api_key_masked = serializers.SerializerMethodField()

    class Meta:
        model = TargetCredential
        fields = ["id", "api_key_masked", "label", "is_active", "created_at"]
        read_only_fields = fields

    def get_api_key_masked(self, credential: TargetCredential) -> str:
        """`sk-***1234`; `****` for a short one, and for one whose key left the ring."""
        return mask_of(credential)


class TargetSerializer(serializers.ModelSerializer[Target]):
    api_key_masked = serializers.SerializerMethodField()
    credentials = CredentialSerializer(many=True)
    down_since = serializers.SerializerMethodField()
    down_reason = serializers.SerializerMethodField()

    class Meta:
        model = Target
        fields = [
            "id", "base_url", "weight", "is_active", "api_key_masked", "credentials", "down_since",
            "down_reason", "created_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_api_key_masked(self, target: Target) -> str | None:
        """The oldest that is active, as `sk-***1234`; `****` for a short one; null without one."""
        rows = sorted(target.credentials.all(), key=lambda row: not row.is_active)
        return mask_of(rows[0]) if rows else None

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_down_since(self, target: Target) -> datetime | None:
        """Null while every gateway process sends requests there."""
        return target.down.since if hasattr(target, "down") else None

    def get_down_reason(self, target: Target) -> str:
        return target.down.reason if hasattr(target, "down") else ""


class UpstreamSerializer(serializers.ModelSerializer[Upstream]):
    header_rules = HeaderRuleInput(many=True)
    targets = TargetSerializer(many=True)

    class Meta:
        model = Upstream
        fields = ["slug", *FIELDS, "targets", "version", "created_at", "updated_at"]
        read_only_fields = fields


class UpstreamFilters(serializers.Serializer[Any]):
    active = serializers.BooleanField(required=False, help_text="Switched on, or not.")
    injection = serializers.ChoiceField(Injection.choices, required=False)
    usage_format = serializers.ChoiceField(UsageFormat.choices, required=False)
    q = serializers.CharField(required=False, max_length=100, help_text="Part of slug or name.")
    ordering = serializers.ChoiceField(
        [sign + name for name in ("created_at", "slug", "name") for sign in ("", "-")],
        default="-created_at",
        help_text="`-` for descending.",
    )
