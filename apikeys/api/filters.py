"""Filters and orderings of the list of keys: those named here, and no others."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db.models import F, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from apikeys.gate.scopes import ROLES
from apikeys.models import ApiKey, KeyType
from apikeys.services.bulk.select import usable
from momentry.common.errors import MomentryError

PAGING: Final = frozenset({"page", "page_size"})
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


class NoFilters(serializers.Serializer[Any]):
    """A list that is read as it is."""


def read_filters(
    kind: type[serializers.Serializer[Any]], request: Request, *, besides: frozenset[str] = PAGING
) -> dict[str, Any]:
    """MomentryError invalid_input for a parameter that is not in the list, not of its kind or there
    twice. ``besides``: those that are read elsewhere."""
    given = {name: text for name, text in request.query_params.items() if name not in besides}
    serializer = kind(data=given)
    problems: dict[str, Any] = {
        name: ["is not a parameter here"] for name in set(given) - set(serializer.fields)
    }
    if not serializer.is_valid():
        problems |= dict(serializer.errors)
    refuse_wrong(problems | repeated(request))
    return dict(serializer.validated_data)


def repeated(request: Request) -> dict[str, list[str]]:
    """Of two values one would be ignored."""
    lists = request.query_params.lists()
    return {name: ["is there twice"] for name, values in lists if len(values) > 1}


def refuse_wrong(problems: Mapping[str, Any]) -> None:
    """MomentryError with what is wrong, by parameter, if anything is."""
    if problems:
        raise MomentryError(
            "invalid_input",
            errors=[
                {"detail": str(details[0]), "pointer": f"?{name}"}
                for name, details in sorted(problems.items())
            ],
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
