"""A key as clients see it (DESIGN §4): never a digest, never a secret but in the one answer."""

from datetime import datetime
from typing import Any, Final

from django.db.models import OuterRef, Subquery
from django.db.models.functions import Greatest
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from apikeys.api.limits import limits_of
from apikeys.models import ApiKey, ForeignSecret, Grant, RequestLimit, RetiredSecret, Tier
from apikeys.services.overrides import overrides_of


class OwnerSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "username", "wordpress_id", "sftpgo_username"]
        read_only_fields = fields


class KeyLimitSerializer(serializers.Serializer[object]):
    name = serializers.CharField(
        help_text="second, minute, concurrent, daily, monthly, lifetime; tokens- and cost- before "
        "the last three are budgets; with key- the key's own."
    )
    unit = serializers.CharField(
        help_text="requests, concurrent-requests, tokens; cost_micro: millionths of the currency."
    )
    limit = serializers.IntegerField()


class LimitsSerializer(serializers.Serializer[object]):
    """Limits by name; null is unlimited, a name that is not there is the tier's matter."""

    def get_fields(self) -> dict[str, Any]:
        return {
            name: serializers.IntegerField(required=False, allow_null=True, min_value=1)
            for name in RequestLimit.values
        }


class KeyGrantSerializer(serializers.ModelSerializer[Grant]):
    class Meta:
        model = Grant
        fields = ["upstream", "methods", "paths", "models"]
        read_only_fields = fields


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    """Its context holds ``now`` and ``tiers`` (by slug): context()."""

    is_active = serializers.SerializerMethodField()
    owner = OwnerSerializer(allow_null=True)
    tier = serializers.SlugField(source="tier_id", allow_null=True)
    limits = serializers.SerializerMethodField()
    grants = KeyGrantSerializer(many=True, help_text="The key's own; none: its member's.")
    limit_overrides = serializers.SerializerMethodField(
        help_text="The key's own, by name; null is unlimited."
    )
    template = serializers.SlugField(
        source="template_id", allow_null=True, help_text="Whose bounds bind it."
    )
    grace_ends_at = serializers.SerializerMethodField(
        help_text="When the last old secret ends; null when there is none."
    )

    class Meta:
        model = ApiKey
        fields = [
            "id", "name", "description", "key_type", "service_name", "role", "scopes", "tier",
            "limits", "grants", "key_prefix", "is_active", "version", "metadata", "owner",
            "last_used_at", "expires_at", "grace_ends_at", "created_at", "allowed_networks",
            "rotate_every_days", "rotation_due_at", "limit_overrides", "template",
        ]  # fmt: skip
        read_only_fields = fields

    def get_is_active(self, key: ApiKey) -> bool:
        return key.is_usable(self.context["now"])

    @extend_schema_field(KeyLimitSerializer(many=True))
    def get_limits(self, key: ApiKey) -> list[dict[str, Any]]:
        return limits_of(key, self.context["tiers"])

    @extend_schema_field(LimitsSerializer)
    def get_limit_overrides(self, key: ApiKey) -> dict[str, int | None]:
        return overrides_of(key.limit_overrides.all())

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_grace_ends_at(self, key: ApiKey) -> str | None:
        """Lists bring it along; one key asks."""
        if hasattr(key, "grace_ends_at"):
            end = key.grace_ends_at
        else:
            now = self.context["now"]
            end = ApiKey.objects.filter(pk=key.pk).values_list(grace_end(now), flat=True).get()
        return serializers.DateTimeField().to_representation(end) if end else None


def context(now: datetime) -> dict[str, Any]:
    """What KeySerializer needs to know besides the rows: one query for any number of keys."""
    return {"now": now, "tiers": Tier.objects.in_bulk()}


# What KeySerializer reads of other tables, for lists.
FOR_KEYS: Final = ("grants", "limit_overrides", "owner__limit_overrides")


def grace_end(now: datetime) -> Greatest:
    """To annotate as ``grace_ends_at``."""
    of_key = {"key": OuterRef("pk"), "ends_at__gt": now}
    own = RetiredSecret.objects.filter(**of_key).order_by("-ends_at").values("ends_at")[:1]
    foreign = ForeignSecret.objects.filter(**of_key).order_by("-ends_at").values("ends_at")[:1]
    return Greatest(Subquery(own), Subquery(foreign))


class IssuedKeySerializer(KeySerializer):
    """The only answer with a secret. A replay (Idempotency-Key) has null and secret_status."""

    api_key = serializers.CharField(allow_null=True, help_text="The secret, this one time.")
    rotate_url = serializers.CharField(help_text="Where to get a new secret if this one was lost.")
    secret_status = serializers.ChoiceField(
        ["delivered"], required=False, help_text="Only in a replay: the first answer had it."
    )

    class Meta(KeySerializer.Meta):
        fields = [*KeySerializer.Meta.fields, "api_key", "rotate_url", "secret_status"]
        read_only_fields = fields


class LimitSerializer(serializers.Serializer[object]):
    name = serializers.CharField()
    unit = serializers.CharField()
    limit = serializers.IntegerField()
    remaining = serializers.IntegerField()
    reset_at = serializers.DateTimeField(allow_null=True, help_text="null: not by time alone.")


class StorageSerializer(serializers.Serializer[object]):
    quota = serializers.IntegerField(allow_null=True, help_text="Bytes; null is unlimited.")
    used = serializers.IntegerField()
    reserved = serializers.IntegerField()


class DailySerializer(serializers.Serializer[object]):
    quota = serializers.IntegerField(help_text="Bytes in any 24 hours.")
    used = serializers.IntegerField(help_text="In the last 24 hours, and on their way.")


class WholeStorageSerializer(StorageSerializer):
    daily = DailySerializer(allow_null=True, help_text="null is unlimited.")


class MeSerializer(serializers.Serializer[object]):
    member = OwnerSerializer(allow_null=True)
    status = serializers.CharField(allow_null=True)
    tier = serializers.CharField(allow_null=True)
    key = KeySerializer()
    limits = LimitSerializer(many=True)
    storage = WholeStorageSerializer(allow_null=True)
