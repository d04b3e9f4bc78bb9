"""IP rules as staff edit them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apikeys.models import IpRule
from apikeys.services.rules import delete_rule, save_rule
from momentry.common.staff import GREEN, RED, StaffAdmin, actor_of, column


@admin.register(IpRule)
class IpRuleAdmin(StaffAdmin[IpRule]):
    list_display = ["network", "decision", "note", "expires_at", "created_at"]
    list_filter = ["kind"]
    search_fields = ["network", "note"]
    fields = ["network", "kind", "note", "expires_at"]

    @column("what", order="kind", badge={"block": RED, "allow": GREEN})
    def decision(self, obj: IpRule) -> str:
        return obj.kind

    def save_model(self, request: HttpRequest, obj: IpRule, form: Any, change: bool) -> None:
        save_rule(obj, actor=actor_of(request))

    def delete_model(self, request: HttpRequest, obj: IpRule) -> None:
        delete_rule(obj, actor=actor_of(request))
