"""/api/v1/me/usage and /api/v1/admin/usage: what was used, by time and by what calls share."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api import reference as ref
from apikeys.api.usageforms import (
    ADMIN_EXAMPLE,
    MY_EXAMPLE,
    MyUsageFilters,
    UsageFilters,
    UsagePage,
    question_of,
)
from apikeys.usage.query import Question, read_usage
from apikeys.usage.shown import shown
from momentry.common.access import access_of
from momentry.common.errors import MomentryError
from momentry.common.pagination import MAX_SIZE, PAGE_SIZE, positive

PAGES = 100_000


class MyUsage(APIView):
    """The calling member's usage, with all of its keys, and nobody else's."""

    scopes = {"GET": "usage:read"}

    @extend_schema(
        operation_id="me_usage",
        parameters=[MyUsageFilters, *ref.PAGING],
        responses={
            200: UsagePage, **ref.problems(*ref.ALWAYS, "permission_denied", "invalid_input"),
        },
        examples=[MY_EXAMPLE],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """What the caller used, newest first; periods without a call are left out."""
        http: Any = request._request
        if http.member is None or not access_of(http).is_member_key:
            raise MomentryError("permission_denied", "Only members' keys have usage of their own.")
        asked = question_of(MyUsageFilters, request, timezone.now())
        asked.filters["member"] = http.member.pk
        return page_of(request, asked)


class AdminUsage(APIView):
    """Everybody's usage, calls without a valid key included."""

    scopes = {"GET": "usage:read"}
    staff_permissions = {"GET": "apikeys.view_dailyusage"}

    @extend_schema(
        operation_id="admin_usage",
        parameters=[UsageFilters, *ref.PAGING],
        responses={200: UsagePage, **ref.problems(*ref.ALWAYS, "invalid_input")},
        examples=[ADMIN_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        """What was used, newest first; periods without a call are left out."""
        return page_of(request, question_of(UsageFilters, request, timezone.now()))


def page_of(request: Request, asked: Question) -> Response:
    page = positive(request, "page", 1, PAGES)
    size = positive(request, "page_size", PAGE_SIZE, MAX_SIZE)
    total, buckets = read_usage(asked, limit=size, offset=(page - 1) * size)
    return Response(
        {"total": total, "page": page, "page_size": size, "results": list(map(shown, buckets))}
    )
