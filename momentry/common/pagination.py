"""Lists: pages of a count, and cursors where a count would cost or rows keep arriving."""

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db.models import Q
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from momentry.common.errors import MomentryError

if TYPE_CHECKING:  # DRF loads this module while it loads its own views
    from rest_framework.views import APIView

PAGE_SIZE: Final = 20
MAX_SIZE: Final = 100
EXAMPLE: Final = "MjAyNi0wNi0wMVQxMjowMDowMCswMDowMCAwMTkzYTFjOGYwYTc3YzhlOWQwYjdkMWYyYzNhNGI1ZQ=="


def positive(request: Request, name: str, default: int, high: int) -> int:
    """A query parameter as a whole number from 1 to ``high``; MomentryError otherwise."""
    text = request.query_params.get(name, str(default))
    if text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= high:
        return int(text)
    problem = {"detail": f"must be a whole number from 1 to {high}", "pointer": f"?{name}"}
    raise MomentryError("invalid_input", errors=[problem])


class PageNumber(BasePagination):
    """``page``, ``page_size`` → ``{"total", "page", "page_size", "results"}``."""

    def paginate_queryset(
        self, queryset: Any, request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        self.page = positive(request, "page", 1, 1_000_000)
        self.page_size = positive(request, "page_size", PAGE_SIZE, MAX_SIZE)
        self.total = queryset.count()
        start = (self.page - 1) * self.page_size
        return list(queryset[start : start + self.page_size])

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {"total": self.total, "page": self.page, "page_size": self.page_size, "results": data}
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        whole = {"type": "integer", "minimum": 0}
        properties = {"total": whole, "page": whole, "page_size": whole, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        return [parameter("page", 1, 1_000_000), parameter("page_size", PAGE_SIZE, MAX_SIZE)]


class CursorPage(BasePagination):
    """``limit``, ``cursor`` → ``{"results", "next"}``, newest first by (time, id).

    A cursor is the place of the last row seen, so new rows neither repeat nor shift what follows.
    """

    time_field = "ts"

    def paginate_queryset(
        self, queryset: Any, request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        limit = positive(request, "limit", PAGE_SIZE, MAX_SIZE)
        field = getattr(view, "cursor_field", self.time_field)
        if (cursor := request.query_params.get("cursor")) is not None:
            moment, row_id = read_cursor(cursor)
            older = Q(**{f"{field}__lt": moment}) | Q(**{field: moment, "id__lt": row_id})
            queryset = queryset.filter(Q(**{f"{field}__lte": moment}) & older)
        rows = list(queryset.order_by(f"-{field}", "-id")[: limit + 1])
        more = len(rows) > limit
        rows = rows[:limit]
        self.next = make_cursor(getattr(rows[-1], field), rows[-1].pk) if more else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        after = {"type": "string", "nullable": True, "example": EXAMPLE}
        properties = {"results": schema, "next": after}
        return {"type": "object", "required": list(properties), "properties": properties}

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        cursor = {"name": "cursor", "in": "query", "schema": {"type": "string"}}
        return [parameter("limit", PAGE_SIZE, MAX_SIZE), cursor]


def parameter(name: str, default: int, high: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": high, "default": default}
    return {"name": name, "in": "query", "schema": schema}


def make_cursor(moment: datetime, row_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{moment.isoformat()} {row_id.hex}".encode()).decode()


def read_cursor(text: str) -> tuple[datetime, UUID]:
    """Only as ``make_cursor`` writes it. MomentryError otherwise."""
    place = place_in(text)
    if place is None or make_cursor(*place) != text:
        problem = {"detail": "is not a cursor of this list", "pointer": "?cursor"}
        raise MomentryError("invalid_input", errors=[problem])
    return place


def place_in(text: str) -> tuple[datetime, UUID] | None:
    try:
        moment, _, row_id = base64.b64decode(text, b"-_", validate=True).decode().partition(" ")
        return datetime.fromisoformat(moment).astimezone(UTC), UUID(hex=row_id)
    except (ValueError, OverflowError, binascii.Error):
        return None
