"""Anomalies as staff see them: which key, which rule, and the figures it was judged by."""

from typing import Any, Final

from django.contrib import admin

from apikeys.admin.findings import FindingAdmin
from apikeys.models import Anomaly, AnomalyRule
from momentry.common.staff import BLUE, ORANGE, RED, column, link_to_list

COLOURS: Final = {
    AnomalyRule.RATE: ORANGE, AnomalyRule.FAILURES: BLUE, AnomalyRule.NETWORKS: RED,
    AnomalyRule.COST: ORANGE,
}  # fmt: skip


@admin.register(Anomaly)
class AnomalyAdmin(FindingAdmin[Anomaly]):
    list_display = ["hour", "of_key", "holder", "what", "found", "normally", "bound", "ended"]
    list_filter = ["rule", "quarantined", ("found_at", admin.DateFieldListFilter)]
    fields = [
        ("of_key", "holder"), ("rule", "hour"), ("found", "normally", "bound"),
        ("found_at", "ended"), "calls",
    ]  # fmt: skip

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
