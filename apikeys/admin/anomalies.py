"""Anomalies as staff see them: which key, which rule, and the figures it was judged by."""

from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator

from apikeys.models import Anomaly, AnomalyRule
from momentry.common.staff import (
    BLUE,
    ORANGE,
    RED,
    ReadOnlyAdmin,
    column,
    link_to,
    link_to_list,
)

COLOURS: Final = {
    AnomalyRule.RATE: ORANGE, AnomalyRule.FAILURES: BLUE, AnomalyRule.NETWORKS: RED,
    AnomalyRule.COST: ORANGE,
}  # fmt: skip


@admin.register(Anomaly)
class AnomalyAdmin(ReadOnlyAdmin[Anomaly]):
    list_display = ["hour", "of_key", "holder", "what", "found", "normally", "bound", "ended"]
    list_filter = ["rule", "quarantined", ("found_at", admin.DateFieldListFilter)]
    list_select_related = ["key__owner"]
    search_fields = ["key_id"]
    search_help_text = "The whole id of a key."
    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = [
        ("of_key", "holder"), ("rule", "hour"), ("found", "normally", "bound"),
        ("found_at", "ended"), "calls",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Anomaly]:
        return super().get_queryset(request).defer("key__metadata", "key__digest")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Anomaly], search_term: str
    ) -> tuple[QuerySet[Anomaly], bool]:
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(key_id=UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False

    @column("key")
    def of_key(self, obj: Anomaly) -> str:
        return link_to("apikeys_apikey", obj.key_id, f"{obj.key.name} {obj.key.key_prefix}")

    @column("holder")
    def holder(self, obj: Anomaly) -> str:
        owner = obj.key.owner
        if owner is None:
            return obj.key.service_name
        return link_to("accounts_user", owner.pk, owner.username)

    @column("rule", badge=COLOURS)
    def what(self, obj: Anomaly) -> tuple[str, str]:
        return obj.rule, obj.get_rule_display()

    @column("found")
    def found(self, obj: Anomaly) -> str:
        return shown(obj, obj.value)

    @column("usual")
    def normally(self, obj: Anomaly) -> str:
        return shown(obj, obj.usual)

    @column("threshold")
    def bound(self, obj: Anomaly) -> str:
        return shown(obj, obj.threshold)

    @column("key quarantined")
    def ended(self, obj: Anomaly) -> str:
        return "yes" if obj.quarantined else "-"

    @column("calls")
    def calls(self, obj: Anomaly) -> str:
        return link_to_list("apikeys_requestlog", f"key_id__exact={obj.key_id}", "show")


def shown(anomaly: Anomaly, figure: float) -> str:
    """In the rule's own unit."""
    units: dict[Any, str] = {
        AnomalyRule.RATE: f"{figure:,.0f} calls",
        AnomalyRule.FAILURES: f"{100 * figure:.0f} % failed",
        AnomalyRule.NETWORKS: f"{figure:,.4g} new",
        AnomalyRule.COST: f"{figure:,.2f}",
    }
    return units[anomaly.rule]
