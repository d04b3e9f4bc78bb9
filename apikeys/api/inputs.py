"""What clients send about keys: shapes and sizes only; what may be is the services' matter."""

from collections.abc import Sized
from datetime import timedelta
from typing import Any

from django.core.validators import RegexValidator
from django.utils import timezone
from rest_framework import serializers

from apikeys.models import KeyType, RequestLimit, Tier
from apikeys.services.rotate import MAX_GRACE
from apikeys.services.wanted import MAX_LIMIT, GrantSpec
from momentry.common.serializers import StrictSerializer
from momentry.common.validators import validate_network


def limit_input(*, allow_null: bool, most: int = MAX_LIMIT) -> serializers.IntegerField:
    least = "must be at least 1; null is unlimited" if allow_null else "must be at least 1"
    return serializers.IntegerField(
        required=False,
        allow_null=allow_null,
        min_value=1,
        max_value=most,
        error_messages={"min_value": least},
    )


class LimitsInput(StrictSerializer):
    """Limits by name; null is unlimited, a name that is not there is the tier's matter."""

    def get_fields(self) -> dict[str, Any]:
        return {name: limit_input(allow_null=True) for name in RequestLimit.values}


class BoundsInput(StrictSerializer):
    def get_fields(self) -> dict[str, Any]:
        return {name: limit_input(allow_null=False) for name in RequestLimit.values}


def methods_input(**given: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(validators=[RegexValidator(r"\A[A-Z]{1,16}\Z")]),
        max_length=20,
        help_text="Such as POST; none means all.",
        **given,
    )


def paths_input(**given: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(
            max_length=200,
            trim_whitespace=False,
            validators=[RegexValidator(r"\A/", "must begin with /")],
        ),
        max_length=50,
        help_text="Path prefixes inside the upstream; none means all.",
        **given,
    )


def networks_input() -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=43, validators=[validate_network]),
        required=False,
        max_length=100,
        help_text="CIDR; none means every address.",
    )


def scopes_input(help_text: str | None = None) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=64),
        required=False,
        max_length=64,
        help_text=help_text,
    )


def check_tier(slug: str | None) -> str | None:
    if slug is not None and not Tier.objects.filter(slug=slug).exists():
        raise serializers.ValidationError("is not a tier")
    return slug


def models_input(**given: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(validators=[RegexValidator(r"\A[!-~]{1,100}\Z")]),
        max_length=50,
        help_text="Names of models, as calls say them; none means all.",
        **given,
    )


class GrantInput(StrictSerializer):
    upstream = serializers.SlugField(max_length=60)
    methods = methods_input(default=list)
    paths = paths_input(default=list)
    models = models_input(default=list)

    def to_internal_value(self, data: Any) -> GrantSpec:
        """A change (PATCH) asks for parts of a key, never for parts of a grant."""
        given = super().to_internal_value(data)
        if "upstream" not in given:
            raise serializers.ValidationError({"upstream": ["This field is required."]})
        lists = (tuple(given.get(name, ())) for name in ("methods", "paths", "models"))
        return GrantSpec(given["upstream"], *lists)


def check_number(grants: Sized) -> None:
    if len(grants) > 50:
        raise serializers.ValidationError({"grants": ["are at most 50"]})


class SettingsInput(StrictSerializer):
    """What a key can be told at any time; ``expires_in_days`` is another way to say when."""

    name = serializers.CharField(max_length=128)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    scopes = scopes_input()
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="null is never; without it the tier decides."
    )
    expires_in_days = serializers.IntegerField(required=False, min_value=1, max_value=36_500)
    metadata = serializers.DictField(required=False, help_text="At most 64 KB of JSON.")
    allowed_networks = networks_input()
    rotate_every_days = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=3650
    )
    grants = GrantInput(many=True, required=False, help_text="The key's own; none: its member's.")
    limit_overrides = LimitsInput(required=False, help_text="Instead of the tier's, by name.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "expires_at" in attrs and "expires_in_days" in attrs:
            raise serializers.ValidationError(
                {"expires_in_days": ["cannot be given with expires_at"]}
            )
        days = attrs.pop("expires_in_days", None)
        if days is not None:
            attrs["expires_at"] = timezone.now() + timedelta(days=days)
        check_number(attrs.get("grants", ()))
        return attrs


class RightsInput(SettingsInput):
    role = serializers.CharField(max_length=16, required=False, allow_blank=True)
    tier = serializers.SlugField(max_length=32, required=False, allow_null=True)

    def validate_tier(self, slug: str | None) -> str | None:
        return check_tier(slug)


class NewKeyInput(RightsInput):
    owner = serializers.UUIDField(required=False, help_text="The member's id.")
    service_name = serializers.CharField(max_length=64, required=False, allow_blank=True)
    key_type = serializers.ChoiceField(KeyType.choices, required=False)
    template = serializers.SlugField(
        max_length=32, required=False, help_text="Says what is left out, and bounds the rest."
    )


class NewOwnKeyInput(SettingsInput):
    """A member's own key: its tier is that of the key it is made with."""


class ChangeInput(RightsInput):
    """Each field is optional: what is not named stays."""


class RotateInput(StrictSerializer):
    grace_seconds = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=int(MAX_GRACE.total_seconds()),
        help_text="How long the old secret stays good; KEY_ROTATION_GRACE_SECONDS without it.",
    )


class QuarantineInput(StrictSerializer):
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
