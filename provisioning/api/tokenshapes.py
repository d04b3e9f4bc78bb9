"""External tokens as clients write and read them: shapes and sizes; the rest is the services'."""

from typing import Any, Final
from uuid import UUID

from rest_framework import serializers

from accounts.models import User
from apikeys.api.reference import request_example
from momentry.common.serializers import StrictSerializer
from momentry.common.validators import validate_base_url
from provisioning.models import ExternalToken
from provisioning.tokens.base import MAX_SCOPE, MAX_SCOPES
from provisioning.tokens.masking import mask_of
from provisioning.tokens.models import MAX_SECRET, Provider, State

N8N: Final = request_example(
    "An n8n of one's own",
    {"provider": "n8n", "label": "workflows", "token": "eyJhbGciOiJIUzI1NiJ9.…"},
)
GITEA: Final = request_example(
    "A member's Gitea token",
    {
        "provider": "gitea", "label": "ci", "token": "9f1c…", "username": "alice",
        "owner": "0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e", "scopes": ["write:repository"],
    },
)  # fmt: skip
REPLACED: Final = request_example("Another secret", {"token": "41ab…"})


class TokenChanges(StrictSerializer):
    """What is left out stays as it is."""

    label = serializers.CharField(  # type: ignore[assignment]  # a field, as all of them
        max_length=100, required=False
    )
    token = serializers.CharField(
        max_length=MAX_SECRET, required=False, trim_whitespace=False, write_only=True,
        help_text="The secret. It is never shown again.",
    )  # fmt: skip
    base_url = serializers.CharField(
        max_length=200, required=False, validators=[validate_base_url],
        help_text="Where its server is. Left out: GITEA_URL, N8N_URL, SFTPGO_URL, or the site's.",
    )  # fmt: skip
    username = serializers.CharField(
        max_length=150, required=False, allow_blank=True, help_text="Whose it is there."
    )
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=MAX_SCOPE), max_length=MAX_SCOPES, required=False,
        help_text="What it was made for. Gitea's are checked, and replaced by what Gitea tells.",
    )  # fmt: skip


class TokenInput(TokenChanges):
    provider = serializers.ChoiceField(Provider.choices)
    label = serializers.CharField(max_length=100)
    token = serializers.CharField(
        max_length=MAX_SECRET, trim_whitespace=False, write_only=True,
        help_text="The secret. It is never shown again.",
    )  # fmt: skip
    owner = serializers.UUIDField(
        required=False, allow_null=True, help_text="The member's id; null: of this service."
    )

    def validate_owner(self, owner: UUID | None) -> User | None:
        if owner is None:
            return None
        found = User.objects.filter(pk=owner, is_staff=False).select_related("site").first()
        if found is None:
            raise serializers.ValidationError("There is no such member.")
        return found


class OwnersPassword(StrictSerializer):
    password = serializers.CharField(max_length=255, trim_whitespace=False, write_only=True)
    otp = serializers.CharField(
        max_length=16, required=False, allow_blank=True, default="", write_only=True
    )


class HistorySerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(State.choices)
    reason = serializers.CharField()
    at = serializers.DateTimeField()


class TokenSerializer(serializers.ModelSerializer[ExternalToken]):
    owner = serializers.UUIDField(source="owner_id", allow_null=True, read_only=True)
    token_masked = serializers.SerializerMethodField()
    history = HistorySerializer(many=True, help_text="The last states, newest first.")

    class Meta:
        model = ExternalToken
        fields = [
            "id", "owner", "provider", "label", "base_url", "username", "token_masked", "scopes",
            "expires_at", "state", "reason", "verified_at", "tried_at", "broken_since", "history",
            "version", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_token_masked(self, row: ExternalToken) -> str:
        return mask_of(row)


class TokenFilters(serializers.Serializer[Any]):
    provider = serializers.ChoiceField(Provider.choices, required=False)
    label = serializers.CharField(  # type: ignore[assignment]  # a field, as all of them
        required=False, max_length=100, help_text="As it is written."
    )
    owner = serializers.UUIDField(required=False, help_text="The member's id.")
    service = serializers.BooleanField(required=False, help_text="True: those without an owner.")
    state = serializers.ChoiceField(State.choices, required=False)
