"""The request log: hundreds of millions of rows, so nothing here counts, sorts or scans them."""

from datetime import UTC, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.db.models import CharField, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from unfold.paginator import InfinitePaginator

from accounts.models import User
from apikeys.models import ApiKey, Grant, RequestLog
from apikeys.requestlog.seek import near
from momentry.common.staff import BLUE, GREEN, ORANGE, RED, ReadOnlyAdmin, column, link_to

CLASSES: Final = {"2": "2xx", "3": "3xx", "4": "4xx", "5": "5xx"}
COLOURS: Final = {"2": GREEN, "3": BLUE, "4": ORANGE, "5": RED}
REST: Final = "-"
SLOW: Final = {
    "first-1": ("first byte after 1 s or more", "first_byte_ms", 1_000),
    "first-10": ("first byte after 10 s or more", "first_byte_ms", 10_000),
    "total-10": ("10 s or more in total", "total_ms", 10_000),
    "total-60": ("60 s or more in total", "total_ms", 60_000),
}


class StatusFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "class"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(CLASSES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if (first := self.value()) not in CLASSES:
            return queryset
        low = int(first) * 100
        return queryset.filter(status__gte=low, status__lt=low + 100)


class UpstreamFilter(admin.SimpleListFilter):
    """Names come from the grants: asking the log for its distinct values would read all of it."""

    title = "upstream"
    parameter_name = "to"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        slugs = Grant.objects.order_by("upstream").values_list("upstream", flat=True).distinct()
        return [(REST, "REST API"), *((slug, slug) for slug in slugs[:100])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if (slug := self.value()) is None:
            return queryset
        return queryset.filter(upstream="" if slug == REST else slug)


class SlowFilter(admin.SimpleListFilter):
    """Of the last day: there is no index, and the few slow ones must not be sought in all days."""

    title = "slow, in the last 24 hours"
    parameter_name = "slow"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _, _) in SLOW.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if (value := self.value()) not in SLOW:
            return queryset
        _, field, milliseconds = SLOW[value]
        since = timezone.now() - timedelta(days=1)
        return queryset.filter(**{f"{field}__gte": milliseconds}, ts__gte=since)


@admin.register(RequestLog)
class RequestLogAdmin(ReadOnlyAdmin[RequestLog]):
    list_display = ["time", "who", "method", "short_path", "to", "answer", "code", "ms"]
    list_filter = [StatusFilter, UpstreamFilter, SlowFilter, ("ts", admin.DateFieldListFilter)]
    search_fields = ["id"]
    search_help_text = "The whole id of a request, a member or a key."
    ordering = ["-ts", "-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    show_full_result_count = False
    list_fullwidth = True
    fieldsets = [
        (None, {"fields": [("ts", "status", "code"), ("method", "path"), "id", "error_detail"]}),
        ("Who", {"fields": [("who", "key"), ("client_address", "user_agent")]}),
        ("Where", {"fields": [("upstream", "target"), ("operation", "model")]}),
        (
            "What",
            {"fields": [("first_byte_ms", "total_ms"), ("bytes_in", "bytes_out"),
                        ("tokens_in", "tokens_out", "tokens_cached", "tokens_reasoning"),
                        ("cost_micro", "usage_source")]},
        ),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[RequestLog]:
        """Names in the same statement, looked up for the rows of the page only."""
        users = User.objects.filter(pk=OuterRef("member_id")).values("username")
        prefixes = ApiKey.objects.filter(pk=OuterRef("key_id")).values("key_prefix")
        return (
            super()
            .get_queryset(request)
            .annotate(
                username=Subquery(users, output_field=CharField()),
                key_prefix=Subquery(prefixes, output_field=CharField()),
            )
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RequestLog], search_term: str
    ) -> tuple[QuerySet[RequestLog], bool]:
        """Only by what has an index."""
        if not search_term:
            return queryset, False
        try:
            wanted = UUID(search_term.strip())
        except ValueError:
            return queryset.none(), False
        return queryset.filter(near(wanted) | Q(member_id=wanted) | Q(key_id=wanted)), False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> RequestLog | None:
        """The table's key is (ts, id): the time in the id finds the partition."""
        try:
            return self.get_queryset(request).filter(near(UUID(object_id))).first()
        except ValueError:
            return None

    @column("time")
    def time(self, obj: RequestLog) -> str:
        return obj.ts.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")

    @column("member")
    def who(self, obj: RequestLog) -> str:
        if obj.member_id is None:
            return "-"
        name = getattr(obj, "username", None) or str(obj.member_id)
        return link_to("accounts_user", obj.member_id, name)

    @column("key")
    def key(self, obj: RequestLog) -> str:
        if obj.key_id is None:
            return "-"
        name = getattr(obj, "key_prefix", None) or str(obj.key_id)
        return link_to("apikeys_apikey", obj.key_id, name)

    @column("path")
    def short_path(self, obj: RequestLog) -> str:
        return obj.path if len(obj.path) <= 60 else f"{obj.path[:59]}…"

    @column("upstream")
    def to(self, obj: RequestLog) -> str:
        return obj.upstream or "REST API"

    @column("status", badge=COLOURS)
    def answer(self, obj: RequestLog) -> tuple[str, int]:
        return str(obj.status)[:1], obj.status

    @column("ms")
    def ms(self, obj: RequestLog) -> str:
        return "-" if obj.total_ms is None else f"{obj.total_ms:.1f}"
