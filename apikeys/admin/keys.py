"""API keys: listed, and changed by buttons. No page knows a digest, no form edits a key.

provisioning.admin registers this page, with the claim link that only it can make.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, F, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action as unfold_action

from apikeys.admin.bulk import BulkPages
from apikeys.admin.keys_deeds import (
    CHANGE,
    COLOURS,
    DELETE,
    DISABLE,
    POSSIBLE,
    QUARANTINE,
    REVOKE,
    StateFilter,
    enabling,
    in_state,
    maker_of,
    state_of,
)
from apikeys.admin.keys_secret import issue_page, rotate_page
from apikeys.admin.limits import KeyLimits
from apikeys.admin.rights import GrantInline
from apikeys.models import Anomaly, ApiKey
from momentry.common.staff import ORANGE, ReadOnlyAdmin, bulk, button, column, link_to, link_to_list
from momentry.common.themed import ThemedInline

__all__ = ["CHANGE", "ApiKeyAdmin", "KeyInline", "in_state", "state_of"]

RECENT: Final = timedelta(days=1)  # so long is a key marked that had an anomaly


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


class ApiKeyAdmin(KeyLimits, BulkPages, ReadOnlyAdmin[ApiKey]):
    """Read-only: what changes a key is a service, reached by a button. Its grants are a form."""

    list_display = ["name", "key_prefix", "state", "holder", "key_type", "last_used", "calls",
                    "unusual"]  # fmt: skip
    list_filter = [StateFilter, "key_type", "role"]
    list_select_related = ["owner"]
    search_fields = ["name", "key_prefix", "owner__username", "service_name"]
    search_help_text = "Name, beginning of the key, member or service."
    ordering = ["-created_at"]
    inlines = [GrantInline]
    actions = ["disable_selected", "revoke_selected"]
    actions_list = ["issue_service_key", "import_keys", "export_csv", "export_json_lines"]
    actions_detail = ["rotate_this", "limits_this", "enable_this", "disable_this",
                      "quarantine_this", "revoke_this"]  # fmt: skip
    fieldsets = [
        (None, {"fields": ["name", "description", ("key_prefix", "state"), ("holder", "calls")]}),
        ("Rights", {"fields": [("key_type", "role"), ("tier", "template"),
                               "scope_list", "networks", ("own_limits", "limits_used"),
                               ("leaks_found", "anomalies_found")]}),
        (
            "Life",
            {"fields": [("created_at", "last_used_at"), "expires_at",
                        ("rotate_every_days", "rotation_due_at", "grace_ends"),
                        ("revoked_at", "quarantined_at", "disabled_at", "purged_at"), "version"]},
        ),
        ("Metadata", {"fields": ["metadata"]}),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        recent = Anomaly.objects.filter(key=OuterRef("pk"), found_at__gt=timezone.now() - RECENT)
        return super().get_queryset(request).defer("metadata").annotate(is_unusual=Exists(recent))

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

    @column("networks")
    def networks(self, obj: ApiKey) -> str:
        return ", ".join(obj.allowed_networks) or "every address"

    @column("old secrets end")
    def grace_ends(self, obj: ApiKey) -> str:
        own, imported = (
            rows.filter(ends_at__gt=timezone.now()).values_list("ends_at", flat=True)
            for rows in (obj.retired_secrets, obj.foreign_secrets)
        )
        ends = sorted(end for end in (*own, *imported) if end is not None)
        return ", ".join(f"{end:%Y-%m-%d %H:%M}" for end in ends) or "none"

    @column("counters")
    def limits_used(self, obj: ApiKey) -> str:
        return link_to_list("apikeys_counter", f"subject__exact=key:{obj.pk.hex}", "show")

    @column("unusual", badge={"anomaly": ORANGE})
    def unusual(self, obj: ApiKey) -> str:
        return "anomaly" if getattr(obj, "is_unusual", False) else ""

    @column("anomalies")
    def anomalies_found(self, obj: ApiKey) -> str:
        return link_to_list("apikeys_anomaly", f"q={obj.pk}", "show")

    @column("leaks")
    def leaks_found(self, obj: ApiKey) -> str:
        return link_to_list("apikeys_leak", f"q={obj.pk}", "show")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only what can still be done to this key, and what a subclass adds."""
        found = super().get_actions_detail(request, object_id)
        key = self.get_object(request, str(object_id))
        possible = POSSIBLE.get(state_of(key, timezone.now()), set()) if key else set()
        ours = set(ApiKeyAdmin.actions_detail)
        return [action for action in found if action.path in possible or action.path not in ours]

    def get_actions_list(self, request: HttpRequest) -> list[Any]:
        found: list[Any] = super().get_actions_list(request)  # type: ignore[misc]  # unfold's, untyped
        if getattr(request.user, "is_superuser", False):
            return found
        return [action for action in found if action.path in self.for_viewers]

    @bulk("Revoke", DELETE)
    def revoke_selected(
        self, request: HttpRequest, queryset: QuerySet[ApiKey]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, REVOKE)

    @bulk("Disable", CHANGE)
    def disable_selected(
        self, request: HttpRequest, queryset: QuerySet[ApiKey]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, DISABLE)

    @button("Revoke", DELETE, icon="block")
    def revoke_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, REVOKE)

    @button("Disable", CHANGE, icon="pause")
    def disable_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, DISABLE)

    @button("Enable", CHANGE, icon="play_arrow")
    def enable_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, enabling(maker_of(request)))

    @button("Quarantine", CHANGE, icon="gpp_bad")
    def quarantine_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, QUARANTINE)

    @button("Rotate", CHANGE, icon="autorenew")
    def rotate_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return rotate_page(self, request, self.one(request, object_id))

    @unfold_action(description="Issue service key", icon="add")  # type: ignore[untyped-decorator]  # unfold has no types
    def issue_service_key(self, request: HttpRequest) -> HttpResponse:
        return issue_page(self, request)
