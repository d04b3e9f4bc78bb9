"""Filters and orderings of the list of keys: those named here, and no others."""

from datetime import datetime
from typing import Any, Final

from django.db.models import F, Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from apikeys.gate.scopes import ROLES
from apikeys.models import ApiKey, KeyType
from momentry.common.errors import MomentryError

PAGING: Final = {"page", "page_size"}
ORDERINGS: Final = ("created_at", "name", "last_used_at", "expires_at")


class KeyFilters(serializers.Serializer[Any]):
    owner = serializers.UUIDField(required=False, help_text="The member's id.")
    key_type = serializers.ChoiceField(KeyType.choices, required=False)
    role = serializers.ChoiceField(sorted(ROLES), required=False)
    active = serializers.BooleanField(required=False, help_text="Usable just now, or not.")
    q = serializers.CharField(required=False, max_length=128, help_text="Part of the name.")
    ordering = serializers.ChoiceField(
        [sign + name for name in ORDERINGS for sign in ("", "-")],
        default="-created_at",
        help_text="`-` for descending; keys without the time come last.",
    )


def filter_keys(rows: QuerySet[ApiKey], request: Request, now: datetime) -> QuerySet[ApiKey]:
    """MomentryError invalid_input for a parameter that is not in the list or not of its kind."""
    given = {name: text for name, text in request.query_params.items() if name not in PAGING}
    serializer = KeyFilters(data=given)
    problems = {
        name: ["is not a filter of this list"] for name in set(given) - set(serializer.fields)
    }
    if not serializer.is_valid():
        problems |= dict(serializer.errors)
    if problems:
        raise MomentryError(
            "invalid_input",
            errors=[
                {"detail": str(details[0]), "pointer": f"?{name}"}
                for name, details in sorted(problems.items())
            ],
        )
    wanted = dict(serializer.validated_data)
    rows = rows.order_by(*order(wanted.pop("ordering")))
    for name in ("owner", "key_type", "role"):
        if name in wanted:
            rows = rows.filter(**{name: wanted[name]})
    if "q" in wanted:
        rows = rows.filter(name__icontains=wanted["q"])
    if "active" in wanted:
        rows = rows.filter(usable(now) if wanted["active"] else ~usable(now))
    return rows


def order(text: str) -> tuple[Any, str]:
    """By id last: rows that are equal keep their places from page to page."""
    field = F(text.removeprefix("-"))
    if text.startswith("-"):
        return field.desc(nulls_last=True), "-id"
    return field.asc(nulls_last=True), "id"


def usable(now: datetime) -> Q:
    """ApiKey.is_usable as a condition."""
    ended = Q(revoked_at=None, quarantined_at=None, disabled_at=None, digest__isnull=False)
    return ended & (Q(expires_at=None) | Q(expires_at__gt=now))
