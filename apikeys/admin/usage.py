"""Usage by day, as rolled up: read-only, never counted, searched only by what has an index."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import CharField, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator

from accounts.models import User
from apikeys.models import DailyUsage
from apikeys.usage.shown import money
from momentry.common.staff import ReadOnlyAdmin, column, link_to


@admin.register(DailyUsage)
class DailyUsageAdmin(ReadOnlyAdmin[DailyUsage]):
    list_display = [
        "day", "who", "upstream", "operation", "model", "status", "total_requests", "tokens",
        "cost",
    ]  # fmt: skip
    list_filter = [("period_start", admin.DateFieldListFilter)]
    search_fields = ["member_id"]
    search_help_text = "The whole id of a member."
    ordering = ["-period_start", "-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    show_full_result_count = False
    list_fullwidth = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[DailyUsage]:
        users = User.objects.filter(pk=OuterRef("member_id")).values("username")
        rows = super().get_queryset(request)
        return rows.annotate(username=Subquery(users, output_field=CharField()))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DailyUsage], search_term: str
    ) -> tuple[QuerySet[DailyUsage], bool]:
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(member_id=UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False

    @column("day")
    def day(self, obj: DailyUsage) -> str:
        return f"{obj.period_start:%Y-%m-%d}"

    @column("member")
    def who(self, obj: DailyUsage) -> Any:
        if obj.member_id is None:
            return "-"
        name = getattr(obj, "username", None) or str(obj.member_id)
        return link_to("accounts_user", obj.member_id, name)

    @column("tokens")
    def tokens(self, obj: DailyUsage) -> int:
        return obj.tokens_in + obj.tokens_out

    @column("cost")
    def cost(self, obj: DailyUsage) -> str:
        return money(obj.cost_micro)
