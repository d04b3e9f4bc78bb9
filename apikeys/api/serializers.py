"""A key as clients see it (DESIGN §4): never a digest, never a secret."""

from rest_framework import serializers

from accounts.models import User
from apikeys.models import ApiKey


class OwnerSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "username", "wordpress_id", "sftpgo_username"]
        read_only_fields = fields


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    is_active = serializers.SerializerMethodField()
    owner = OwnerSerializer(allow_null=True)
    tier = serializers.SlugField(source="tier_id", allow_null=True)

    class Meta:
        model = ApiKey
        fields = [
            "id", "name", "description", "key_type", "service_name", "role", "scopes", "tier",
            "key_prefix", "is_active", "version", "metadata", "owner", "last_used_at",
            "expires_at", "created_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_is_active(self, key: ApiKey) -> bool:
        return key.is_usable(self.context["now"])


class LimitSerializer(serializers.Serializer[object]):
    name = serializers.CharField()
    unit = serializers.CharField()
    limit = serializers.IntegerField()
    remaining = serializers.IntegerField()
    reset_at = serializers.DateTimeField()


class StorageSerializer(serializers.Serializer[object]):
    quota = serializers.IntegerField(allow_null=True, help_text="Bytes; null is unlimited.")
    used = serializers.IntegerField()
    reserved = serializers.IntegerField()


class MeSerializer(serializers.Serializer[object]):
    member = OwnerSerializer(allow_null=True)
    status = serializers.CharField(allow_null=True)
    tier = serializers.CharField(allow_null=True)
    key = KeySerializer()
    limits = LimitSerializer(many=True)
    storage = StorageSerializer(allow_null=True)
