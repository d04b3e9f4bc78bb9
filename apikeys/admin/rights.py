"""Tiers with their grants, grants of members and keys, counters."""

import re
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin
from django.contrib.postgres.fields import ArrayField
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from apikeys.admin.keys_deeds import maker_of
from apikeys.admin.refusals import RefusalsShown
from apikeys.models import Counter, Grant, Tier
from apikeys.services.grants import delete_grant, save_grant
from apikeys.services.tiers import delete_tier, save_tier, users_of
from momentry.common.staff import (
    ReadOnlyAdmin,
    StaffAdmin,
    column,
    link_to,
    link_to_list,
)
from momentry.common.themed import ThemedInline

if TYPE_CHECKING:
    Form = forms.ModelForm[Grant]
else:
    Form = forms.ModelForm

METHOD: Final = re.compile(r"[A-Z]{1,16}")
ARRAYS: Final[dict[Any, dict[str, Any]]] = {ArrayField: {"widget": UnfoldAdminTextInputWidget}}
ARRAY_HELP: Final = "Separated by commas; empty means all."


class GrantForm(Form):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("methods", "paths", "models"):
            if name in self.fields:
                self.fields[name].help_text = ARRAY_HELP

    def clean_methods(self) -> list[str]:
        """The gate compares them as they are: GET, not get."""
        methods = [method.strip().upper() for method in self.cleaned_data["methods"]]
        if not all(METHOD.fullmatch(method) for method in methods):
            raise forms.ValidationError("Methods are words such as GET or POST.")
        return methods

    def clean_paths(self) -> list[str]:
        paths: list[str] = self.cleaned_data["paths"]
        if not all(path.startswith("/") for path in paths):
            raise forms.ValidationError("Every path begins with /.")
        return paths


class GrantInline(ThemedInline):
    model = Grant
    form = GrantForm
    fields = ["upstream", "methods", "paths", "models"]
    extra = 0
    formfield_overrides = ARRAYS
    verbose_name_plural = "grants"


@admin.register(Tier)
class TierAdmin(RefusalsShown[Tier], StaffAdmin[Tier]):
    list_display = ["name", "slug", "bursts", "per_day", "per_month", "upstreams", "members"]
    search_fields = ["slug", "name"]
    inlines = [GrantInline]
    fieldsets = [
        (None, {"fields": [("name", "slug")]}),
        (
            "Bursts",
            {"fields": [("requests_per_second", "requests_per_minute"), "concurrent_requests"]},
        ),
        (
            "Quotas",
            {"fields": [("requests_per_day", "requests_per_month"),
                        ("requests_lifetime", "storage_bytes")]},
        ),
        (
            "Budgets",
            {"fields": [("tokens_per_day", "cost_micro_per_day"),
                        ("tokens_per_month", "cost_micro_per_month"),
                        ("tokens_lifetime", "cost_micro_lifetime")]},
        ),
        ("New keys", {"fields": ["key_lifetime_days"]}),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tier]:
        return super().get_queryset(request).annotate(granted=Count("grants"))

    def get_readonly_fields(self, request: HttpRequest, obj: Tier | None = None) -> list[str]:
        """The slug is what members' rows hold: it never changes."""
        return ["slug"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Tier | None = None) -> bool:
        """Not while it is in use: members without their tier would have no limits at all."""
        if obj is not None and users_of(obj.slug):
            return False
        return super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Tier, form: Any, change: bool) -> None:
        save_tier(obj, maker=maker_of(request))

    def delete_model(self, request: HttpRequest, obj: Tier) -> None:
        delete_tier(obj, maker=maker_of(request))

    @column("requests at once")
    def bursts(self, obj: Tier) -> str:
        units = (
            (obj.requests_per_second, "a second"), (obj.requests_per_minute, "a minute"),
            (obj.concurrent_requests, "at a time"),
        )  # fmt: skip
        found = [f"{value:,} {unit}" for value, unit in units if value is not None]
        return ", ".join(found) or "unlimited"

    @column("requests per day", order="requests_per_day")
    def per_day(self, obj: Tier) -> str:
        return limit(obj.requests_per_day)

    @column("requests per month", order="requests_per_month")
    def per_month(self, obj: Tier) -> str:
        return limit(obj.requests_per_month)

    @column("upstreams", order="granted")
    def upstreams(self, obj: Tier) -> int:
        return int(getattr(obj, "granted", 0))

    @column("members")
    def members(self, obj: Tier) -> str:
        return link_to_list("accounts_user", f"tier__exact={obj.slug}", "show")


@admin.register(Grant)
class GrantAdmin(RefusalsShown[Grant], StaffAdmin[Grant]):
    form = GrantForm
    list_display = ["upstream", "holder", "allowed_methods", "allowed_paths", "created_at"]
    list_filter = [("tier", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["tier", "member", "key"]
    search_fields = ["upstream", "member__username", "key__name"]
    autocomplete_fields = ["member", "key"]
    fields = ["upstream", "tier", "member", "key", "methods", "paths", "models"]
    formfield_overrides = ARRAYS

    def save_model(self, request: HttpRequest, obj: Grant, form: Any, change: bool) -> None:
        save_grant(obj, maker=maker_of(request))

    def delete_model(self, request: HttpRequest, obj: Grant) -> None:
        delete_grant(obj, maker=maker_of(request))

    @column("of")
    def holder(self, obj: Grant) -> str:
        if obj.tier is not None:
            return link_to("apikeys_tier", obj.tier_id, f"tier {obj.tier}")
        if obj.member is not None:
            return link_to("accounts_user", obj.member_id, f"member {obj.member}")
        return link_to("apikeys_apikey", obj.key_id, f"key {obj.key}")

    @column("methods")
    def allowed_methods(self, obj: Grant) -> str:
        return ", ".join(obj.methods) or "all"

    @column("paths")
    def allowed_paths(self, obj: Grant) -> str:
        return ", ".join(obj.paths) or "all"


@admin.register(Counter)
class CounterAdmin(ReadOnlyAdmin[Counter]):
    list_display = ["subject", "metric", "period", "period_start", "used", "limited", "share"]
    list_filter = ["metric", "period"]
    search_fields = ["subject__exact"]
    search_help_text = "Exactly member:<id> or key:<id>."

    @column("limit", order="limit")
    def limited(self, obj: Counter) -> str:
        return limit(obj.limit)

    @column("share")
    def share(self, obj: Counter) -> str:
        return f"{100 * obj.used / obj.limit:.0f} %" if obj.limit else "-"


def limit(value: int | None) -> str:
    return "unlimited" if value is None else f"{value:,}"
