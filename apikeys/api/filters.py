"""Filters and orderings of the list of keys: those named here, and no others."""

from datetime import datetime
from typing import Any, Final

from django.db.models import F, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from apikeys.gate.scopes import ROLES
from apikeys.models import ApiKey, KeyType
from apikeys.services.bulk.select import usable
from momentry.common.filters import NoFilters, read_filters, refuse_wrong, repeated

__all__ = ["KeyFilters", "NoFilters", "filter_keys", "read_filters", "refuse_wrong", "repeated"]

ORDERINGS: Final = ("created_at", "name", "last_used_at", "expires_at")


class KeyFilters(serializers.Serializer[Any]):
    owner = serializers.UUIDField(required=False, help_text="The member's id.")
    key_type = serializers.ChoiceField(KeyType.choices, required=False)
    role = serializers.ChoiceField(sorted(ROLES), required=False)
    template = serializers.SlugField(required=False, help_text="Made from it.")
    active = serializers.BooleanField(required=False, help_text="Usable just now, or not.")
    q = serializers.CharField(required=False, max_length=128, help_text="Part of the name.")
    ordering = serializers.ChoiceField(
        [sign + name for name in ORDERINGS for sign in ("", "-")],
        default="-created_at",
        help_text="`-` for descending; keys without the time come last.",
    )


def filter_keys(rows: QuerySet[ApiKey], request: Request, now: datetime) -> QuerySet[ApiKey]:
    wanted = read_filters(KeyFilters, request)
    rows = rows.order_by(*order(wanted.pop("ordering")))
    for name in ("owner", "key_type", "role", "template"):
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
