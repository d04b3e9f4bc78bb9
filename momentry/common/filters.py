"""Query parameters of lists: those that a route names, each once, and no others."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from momentry.common.errors import MomentryError

PAGING: Final = frozenset({"page", "page_size"})
CURSOR: Final = frozenset({"limit", "cursor"})
YEARS: Final = range(2000, 3000)


class NoFilters(serializers.Serializer[Any]):
    """A list that is read as it is."""


@extend_schema_field(OpenApiTypes.DATETIME)
class Instant(serializers.Field[datetime, str, str, Any]):
    """A date or time of ISO 8601; without an offset it is UTC."""

    def to_internal_value(self, data: str) -> datetime:
        try:
            given = datetime.fromisoformat(data)
            found = given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
        except (ValueError, OverflowError, TypeError):
            found = datetime.min.replace(tzinfo=UTC)
        if found.year not in YEARS:
            raise serializers.ValidationError(
                "is not a date or time such as 2026-06-01 or 2026-06-01T12:00:00Z"
            )
        return found

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


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
