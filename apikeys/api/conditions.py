"""Conditions as clients send them: in the body of a batch revoke, in the query of an export."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from apikeys.api.filters import refuse_wrong, repeated
from apikeys.gate.scopes import ROLES
from apikeys.models import KeyType
from apikeys.services.bulk.export import CSV, JSON_LINES
from apikeys.services.bulk.select import Conditions
from momentry.common.serializers import StrictSerializer


class ConditionsInput(StrictSerializer):
    """All that are given must hold; at least one is needed."""

    owner = serializers.UUIDField(required=False, help_text="The member's id.")
    key_type = serializers.ChoiceField(KeyType.choices, required=False)
    role = serializers.ChoiceField(sorted(ROLES), required=False)
    tier = serializers.SlugField(required=False, max_length=32, help_text="The key's own.")
    template = serializers.SlugField(required=False, max_length=32)
    service_name = serializers.CharField(required=False, max_length=64)
    name_contains = serializers.CharField(
        required=False, max_length=128, help_text="Part of the name, whatever the case."
    )
    created_before = serializers.DateTimeField(required=False)
    expires_before = serializers.DateTimeField(required=False)
    unused_since = serializers.DateTimeField(
        required=False, help_text="Last used before then; or never, and made before then."
    )
    metadata = serializers.DictField(
        required=False, help_text="Names in the key's metadata with exactly these values."
    )


class RevokeInput(StrictSerializer):
    conditions = ConditionsInput()
    dry_run = serializers.BooleanField(default=False, help_text="Only say what would go.")
    expect = serializers.IntegerField(
        required=False, min_value=0, help_text="Revoke nothing if another number of keys matches."
    )


class ExportFilters(ConditionsInput):
    """As query parameters: those of the list of keys, and more."""

    format = serializers.ChoiceField([CSV, JSON_LINES], default=JSON_LINES)
    q = serializers.CharField(
        required=False, max_length=128, help_text="The same as `name_contains`."
    )
    active = serializers.BooleanField(required=False, help_text="Usable just now, or not.")
    metadata = serializers.CharField(  # type: ignore[assignment]  # a query has text only
        required=False, max_length=1000, help_text="`KEY=VALUE`: the metadata holds it."
    )

    def validate_metadata(self, text: str) -> dict[str, str]:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise serializers.ValidationError("must be KEY=VALUE")
        return {name: value}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "q" in attrs:
            attrs["name_contains"] = attrs.pop("q")
        if "metadata" in attrs:
            attrs["metadata_text"] = attrs.pop("metadata")
        return attrs


def filters_in(request: Request) -> tuple[Conditions, str]:
    """The conditions and the format; MomentryError invalid_input with pointers such as ?owner."""
    found = ExportFilters(data=request.query_params.dict())
    found.is_valid()
    refuse_wrong({**found.errors, **repeated(request)})
    given = dict(found.validated_data)
    form = given.pop("format")
    return Conditions(**given), form
