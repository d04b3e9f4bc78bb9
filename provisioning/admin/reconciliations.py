"""Comparisons with WordPress as staff see them: read-only."""

from django.contrib import admin

from momentry.common.staff import BLUE, GREEN, RED, ReadOnlyAdmin, column
from provisioning.models import Reconciliation

STATES = {"whole": GREEN, "dry run": BLUE, "failed": RED, "runs": BLUE}


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin[Reconciliation]):
    list_display = ["started_at", "site", "state", "found", "actor"]
    list_filter = ["site", "is_dry_run"]
    list_select_related = ["site"]
    ordering = ["-id"]  # UUIDv7: the order of time
    fields = [("site", "actor"), ("started_at", "finished_at"), ("state", "found"), "error", "told"]

    @column("state", badge=STATES)
    def state(self, obj: Reconciliation) -> str:
        if obj.error:
            return "failed"
        if obj.finished_at is None:
            return "runs"
        return "dry run" if obj.is_dry_run else "whole"

    @column("found")
    def found(self, obj: Reconciliation) -> str:
        return ", ".join(f"{count} {what}" for what, count in sorted(obj.counts.items())) or "-"

    @column("who differed")
    def told(self, obj: Reconciliation) -> str:
        return "\n".join(obj.lines) or "-"
