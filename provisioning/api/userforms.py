"""What is sent to and read from /api/v1/admin/users. Unknown fields in a write are refused."""

from typing import Any, Final

from django.conf import settings
from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from accounts.models import DEFAULT_STORAGE_BYTES, Status, User
from accounts.services import Profile
from apikeys.api.filters import read_filters
from apikeys.api.inputs import LimitsInput
from apikeys.api.serializers import LimitsSerializer
from apikeys.models import Tier
from apikeys.services.overrides import overrides_of
from momentry.common.serializers import StrictSerializer
from provisioning.services import tasks

ORDERINGS: Final = ("created_at", "username", "updated_at")
MOST_BYTES: Final = 2**63 - 1


class MemberFilters(serializers.Serializer[Any]):
    status = serializers.ChoiceField(Status.choices, required=False)
    site = serializers.UUIDField(required=False, help_text="The WordPress site's id.")
    wordpress_id = serializers.IntegerField(required=False, min_value=1, max_value=MOST_BYTES)
    tier = serializers.SlugField(required=False, max_length=32)
    q = serializers.CharField(
        required=False, max_length=128, help_text="Part of the username, address or display name."
    )
    ordering = serializers.ChoiceField(
        [sign + name for name in ORDERINGS for sign in ("", "-")], default="-created_at"
    )


def filtered(rows: QuerySet[User], request: Request) -> QuerySet[User]:
    wanted = read_filters(MemberFilters, request)
    order = wanted.pop("ordering")
    rows = rows.order_by(order, "-id" if order.startswith("-") else "id")
    if "q" in wanted:
        part = wanted.pop("q")
        names = ("username", "email", "display_name")
        found = Q()
        for name in names:
            found |= Q(**{f"{name}__icontains": part})
        rows = rows.filter(found)
    return rows.filter(**wanted)


class MemberSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = [
            "id", "username", "email", "display_name", "locale", "tier", "status", "status_reason",
            "site", "wordpress_id", "sftpgo_username", "quota_size", "quota_daily",
            "quota_used", "quota_reserved", "version", "created_at", "updated_at", "deleted_at",
            "purged_at",
        ]  # fmt: skip
        read_only_fields = fields


class ProvisioningSerializer(serializers.Serializer[Any]):
    done = serializers.BooleanField(help_text="Every configured system has followed.")


class MemberDetail(MemberSerializer):
    limits = serializers.SerializerMethodField(help_text="Their own, instead of the tier's.")
    provisioning = serializers.SerializerMethodField()

    class Meta(MemberSerializer.Meta):
        fields = [*MemberSerializer.Meta.fields, "limits", "provisioning"]
        read_only_fields = fields

    def get_limits(self, member: User) -> LimitsSerializer:
        return overrides_of(member.limit_overrides.all())  # type: ignore[return-value]  # for the document

    def get_provisioning(self, member: User) -> ProvisioningSerializer:
        return {"done": tasks.is_done(member)}  # type: ignore[return-value]  # for the document


def text(longest: int) -> serializers.CharField:
    return serializers.CharField(max_length=longest, required=False, allow_blank=True, default="")


def bytes_input(help_text: str) -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=MOST_BYTES, help_text=help_text
    )


class ProfileInput(StrictSerializer):
    username = serializers.CharField(max_length=60)
    email = serializers.EmailField(max_length=100, required=False, allow_blank=True, default="")
    display_name = text(250)
    locale = text(16)
    tier = serializers.SlugField(max_length=32, required=False)

    def validate_tier(self, slug: str) -> str:
        if not Tier.objects.filter(slug=slug).exists():
            raise serializers.ValidationError("is not a tier")
        return slug


class NewMemberSerializer(ProfileInput):
    claim = serializers.BooleanField(
        default=False, help_text="Answer with a claim link instead of the key."
    )


class MemberInput(ProfileInput):
    quota_size = bytes_input("Bytes of storage; null is unlimited.")
    quota_daily = bytes_input("Bytes registered within any 24 hours; null is unlimited.")
    limits = LimitsInput(required=False, help_text="All of their own; `{}` leaves it to the tier.")


def replaced(given: dict[str, Any], member: User) -> dict[str, Any]:
    """For PUT: what is left out has its default; a profile of WordPress stays WordPress's."""
    defaults = {
        "tier": settings.DEFAULT_TIER, "quota_size": DEFAULT_STORAGE_BYTES, "quota_daily": None,
        "limits": {},
    }  # fmt: skip
    if member.is_local:
        return defaults | given
    named = given["username"] if given["username"] != member.username else None
    kept = {name: value for name, value in given.items() if name not in Profile._fields}
    return defaults | kept | ({"username": named} if named else {})


class SuspendInput(StrictSerializer):
    reason = serializers.CharField(
        max_length=200, required=False, allow_blank=True, default="", help_text="For staff only."
    )


class RestoreInput(StrictSerializer):
    claim = serializers.BooleanField(
        default=False, help_text="Answer with the claim link instead of sending it by mail."
    )


class RenameInput(StrictSerializer):
    username = serializers.CharField(max_length=60, required=False)
    email = serializers.EmailField(max_length=100, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("needs a username or an email")
        return attrs


class MergeInput(StrictSerializer):
    into = serializers.UUIDField(help_text="The live member who is the same person.")


class NewMemberAnswer(MemberSerializer):
    key_id = serializers.UUIDField()
    api_key = serializers.CharField(allow_null=True, help_text="The secret, this one time.")
    claim_url = serializers.URLField(allow_null=True)
    rotate_url = serializers.CharField(
        allow_null=True, help_text="Where to get a new secret if this one was lost."
    )
    secret_status = serializers.ChoiceField(
        ["delivered"], required=False, help_text="Only in a replay: the first answer had it."
    )

    class Meta(MemberSerializer.Meta):
        fields = [
            *MemberSerializer.Meta.fields, "key_id", "api_key", "claim_url", "rotate_url",
            "secret_status",
        ]  # fmt: skip
        read_only_fields = fields


class RestoredAnswer(MemberDetail):
    key_id = serializers.UUIDField()
    claim_url = serializers.URLField(allow_null=True)
    secret_status = serializers.ChoiceField(["delivered"], required=False)

    class Meta(MemberDetail.Meta):
        fields = [*MemberDetail.Meta.fields, "key_id", "claim_url", "secret_status"]
        read_only_fields = fields
