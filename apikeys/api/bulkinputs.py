"""One entry of a batch or import, as it is sent: its shape, and the names of other times."""

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apikeys.api.inputs import NewKeyInput
from apikeys.services.bulk.hashes import ForeignHash, read_hash
from momentry.common.errors import MomentryError

LEGACY: Final = {"read": "*:read", "write": "*:write"}
DERIVED: Final = {
    "key_prefix", "is_active", "version", "last_used_at", "limits", "grace_ends_at",
    "rotation_due_at", "revoked_at", "quarantined_at",
}  # fmt: skip
ENDED: Final = ("revoked_at", "quarantined_at")
LIKE_UNSAID: Final = {"owner", "template", "created_at", "disabled_at", "secret_hash"}
TWICE: Final = (
    ("scopes", "permissions"), ("expires_at", "ttl_days"), ("expires_in_days", "ttl_days"),
)  # fmt: skip


@extend_schema_field(str)
class OwnerField(serializers.Field[Any, Any, Any, Any]):
    """A member by id or username, or an object that has either, as exports have it."""

    def to_internal_value(self, data: Any) -> list[str]:
        found = [data.get("id"), data.get("username")] if isinstance(data, dict) else [data]
        texts = [text for text in found if isinstance(text, str) and 0 < len(text) <= 150]
        if not texts or any("\0" in text for text in texts):
            raise serializers.ValidationError("must be a member's id or username")
        return texts


class BatchKeyInput(NewKeyInput):
    """One entry of a batch. The context has ``tiers``: their slugs."""

    unique_names = True
    owner = OwnerField(  # type: ignore[assignment]  # wider than REST's id
        required=False, help_text="A member's id or username."
    )
    permissions = serializers.ListField(
        child=serializers.CharField(max_length=64),
        required=False,
        max_length=64,
        help_text="Scopes; `read` and `write` are `*:read` and `*:write`.",
    )
    ttl_days = serializers.IntegerField(
        required=False, min_value=1, max_value=36_500, help_text="The same as `expires_in_days`."
    )

    def validate_tier(self, slug: str | None) -> str | None:
        if slug is not None and slug not in self.context["tiers"]:
            raise serializers.ValidationError("is not a tier")
        return slug

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        problems = {
            later: [f"cannot be given with {first}"]
            for first, later in TWICE
            if first in attrs and later in attrs
        }
        if problems:
            raise serializers.ValidationError(problems)
        if "ttl_days" in attrs:
            attrs["expires_in_days"] = attrs.pop("ttl_days")
        if "permissions" in attrs:
            attrs["scopes"] = [LEGACY.get(name, name) for name in attrs.pop("permissions")]
        return super().validate(attrs)


@extend_schema_field(
    {
        "type": "object",
        "required": ["format"],
        "properties": {
            "format": {"type": "string", "pattern": "^[0-9A-Za-z_-]{3,16}$"},
            "sha256": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
            "argon2id": {"type": "string", "maxLength": 200},
            "prefix": {"type": "string", "minLength": 8, "maxLength": 20},
        },
    }
)
class HashField(serializers.Field[Any, Any, Any, Any]):
    """What a client's secret hashes to."""

    def to_internal_value(self, data: Any) -> ForeignHash:
        try:
            return read_hash(data)
        except MomentryError as error:
            places = {
                problem["pointer"].removeprefix("#/secret_hash").lstrip("/"): [problem["detail"]]
                for problem in error.extra["errors"]
            }
            whole = places.pop("", None)
            raise serializers.ValidationError(whole or places) from None


class ImportKeyInput(BatchKeyInput):
    """One entry of an import: a batch's, what is kept of the old key, and its secret's hash.

    What an export says of a key besides is accepted and not looked at, so that it can be imported.
    """

    unique_names = False
    id = serializers.UUIDField(required=False, help_text="Kept if no other key has it.")
    created_at = serializers.DateTimeField(required=False)
    disabled_at = serializers.DateTimeField(required=False, allow_null=True)
    secret_hash = HashField(required=False, allow_null=True)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return super().to_internal_value(data)
        ended = [name for name in ENDED if data.get(name) is not None]
        if ended:
            raise serializers.ValidationError({ended[0]: ["keys that ended are not imported"]})
        unsaid = {name for name in LIKE_UNSAID if data.get(name, "") is None}
        said = {k: v for k, v in data.items() if k not in DERIVED and k not in unsaid}
        return super().to_internal_value(said)
