"""API keys: listed and revoked. No page knows a digest, no form edits a key.

provisioning.admin registers this page, with the claim link that only it can make.
"""

from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apikeys.admin.rights import GrantInline
from apikeys.models import ApiKey
from apikeys.services.keys import revoke_key
from momentry.common.staff import (
    GREEN,
    ORANGE,
    RED,
    Deed,
    Order,
    ReadOnlyAdmin,
    bulk,
    button,
    column,
    link_to,
    link_to_list,
)
from momentry.common.themed import ThemedInline

CHANGE: Final = "apikeys.change_apikey"
DELETE: Final = "apikeys.delete_apikey"
COLOURS: Final = {
    "usable": GREEN, "unclaimed": ORANGE, "expired": ORANGE,
    "revoked": RED, "quarantined": RED, "disabled": RED,
}  # fmt: skip


def state_of(key: ApiKey, at: datetime) -> str:
    """One word for a key; the order is the gate's."""
    for name in ("revoked", "quarantined", "disabled"):
        if getattr(key, f"{name}_at") is not None:
            return name
    if key.expires_at is not None and key.expires_at <= at:
        return "expired"
    return "usable" if key.is_claimed else "unclaimed"


def in_state(state: str, at: datetime) -> Q:
    """The same words as conditions."""
    ended = ("revoked", "quarantined", "disabled")
    if state in ended:
        before = {f"{name}_at": None for name in ended[: ended.index(state)]}
        return Q(**before) & ~Q(**{f"{state}_at": None})
    alive = Q(revoked_at=None, quarantined_at=None, disabled_at=None)
    if state == "expired":
        return alive & Q(expires_at__lte=at)
    alive &= Q(expires_at=None) | Q(expires_at__gt=at)
    return alive & Q(digest__isnull=state == "unclaimed")


def revoke(key: ApiKey, order: Order) -> bool:
    return revoke_key(key, actor=order.actor)


REVOKE: Final = Deed(
    "Revoke", "Keys revoked", "These keys stop working at once and for good:", DELETE, revoke
)


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state) for state in COLOURS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.value()
        return queryset.filter(in_state(state, timezone.now())) if state in COLOURS else queryset


class KeyInline(ThemedInline):
    model = ApiKey
    fields = ["key", "state", "last_used_at", "created_at"]
    readonly_fields = ["key", "state", "last_used_at", "created_at"]
    extra = 0
    can_delete = False
    verbose_name_plural = "API keys"
    show_title = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return super().get_queryset(request).defer("metadata")

    @column("key")
    def key(self, obj: ApiKey) -> str:
        return link_to("apikeys_apikey", obj.pk, f"{obj.name} {obj.key_prefix}")

    @column("state", badge=COLOURS)
    def state(self, obj: ApiKey) -> str:
        return state_of(obj, timezone.now())


class ApiKeyAdmin(ReadOnlyAdmin[ApiKey]):
    """Read-only: what changes a key is a service, reached by a button. Its grants are a form."""

    list_display = ["name", "key_prefix", "state", "holder", "key_type", "last_used", "calls"]
    list_filter = [StateFilter, "key_type", "role"]
    list_select_related = ["owner"]
    search_fields = ["name", "key_prefix", "owner__username", "service_name"]
    search_help_text = "Name, beginning of the key, member or service."
    ordering = ["-created_at"]
    inlines = [GrantInline]
    actions = ["revoke_selected"]
    actions_detail = ["revoke_this"]
    fieldsets = [
        (None, {"fields": ["name", "description", ("key_prefix", "state"), ("holder", "calls")]}),
        ("Rights", {"fields": [("key_type", "role"), "tier", "scope_list", "limits_used"]}),
        (
            "Life",
            {"fields": [("created_at", "last_used_at"), "expires_at",
                        ("revoked_at", "quarantined_at", "disabled_at"), "version"]},
        ),
        ("Metadata", {"fields": ["metadata"]}),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return super().get_queryset(request).defer("metadata")

    @column("state", badge=COLOURS)
    def state(self, obj: ApiKey) -> str:
        return state_of(obj, timezone.now())

    @column("holder", order="owner__username")
    def holder(self, obj: ApiKey) -> str:
        if obj.owner is None:
            return obj.service_name
        return link_to("accounts_user", obj.owner_id, obj.owner.username)

    @column("last used", order=F("last_used_at").desc(nulls_last=True))
    def last_used(self, obj: ApiKey) -> datetime | str:
        return obj.last_used_at or "never"

    @column("calls")
    def calls(self, obj: ApiKey) -> str:
        return link_to_list("apikeys_requestlog", f"key_id__exact={obj.pk}", "show")

    @column("scopes")
    def scope_list(self, obj: ApiKey) -> str:
        return ", ".join(obj.scopes) or "those of the role"

    @column("counters")
    def limits_used(self, obj: ApiKey) -> str:
        return link_to_list("apikeys_counter", f"subject__exact=key:{obj.pk.hex}", "show")

    @bulk("Revoke", DELETE)
    def revoke_selected(
        self, request: HttpRequest, queryset: QuerySet[ApiKey]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, REVOKE)

    @button("Revoke", DELETE, icon="block")
    def revoke_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, REVOKE)
