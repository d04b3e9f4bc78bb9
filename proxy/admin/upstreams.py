"""Upstreams, their targets and credentials, which go in and never come out."""

from typing import Any, Final, cast

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from apikeys.admin.refusals import RefusalsShown
from momentry.common.errors import MomentryError
from momentry.common.handlers import messages_of, pointers
from momentry.common.ids import uuid7
from momentry.common.secretforms import SecretsForm, secret_field
from momentry.common.staff import (
    GREEN,
    ORANGE,
    RED,
    URLS,
    actor_of,
    column,
    link_to_list,
)
from momentry.common.themed import ThemedStack
from proxy.admin.probing import ProbeButton
from proxy.models import Target, Upstream
from proxy.services.upstreams import FIELDS, change_upstream, delete_upstream, make_upstream
from proxy.services.wanted import MAX_TARGETS, WantedTarget, check_credential, check_upstream

STATES: Final = {"active": GREEN, "impaired": ORANGE, "down": RED, "off": RED}


class TargetForm(SecretsForm[Target]):
    secrets = {"new_credential": "credential"}
    new_credential = secret_field("Credential", "Sent with every request, instead of all it has.")

    def is_set(self, column: str) -> bool:
        return not self.instance._state.adding and self.instance.credentials.exists()

    def assign(self, name: str, column: str, value: str) -> None:
        """Into a row of its own: see wanted()."""

    def clean_new_credential(self) -> str:
        value: str = self.cleaned_data["new_credential"]
        if value:
            check_credential(value)
        return value

    def clean(self) -> dict[str, Any]:
        """As in the API, a credential follows to no other address."""
        moved = "base_url" in self.changed_data and self.is_set("credential")
        if moved and not self.data.get(self.add_prefix("new_credential")):
            self.add_error("new_credential", "Say it again: it is not sent to another address.")
        return super().clean()

    def wanted(self) -> WantedTarget:
        given = self.cleaned_data
        key = given["new_credential"] or None
        return WantedTarget(
            given["base_url"], given["weight"], given["is_active"], key, keeps_key=key is None
        )


class TargetInline(ThemedStack):
    model = Target
    form = TargetForm
    fields = ["base_url", ("new_credential", "weight"), ("is_active", "health")]
    readonly_fields = ["health"]
    formfield_overrides = URLS
    extra = 0
    min_num = 0
    max_num = MAX_TARGETS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Target]:
        return super().get_queryset(request).select_related("down")

    @admin.display(description="health")
    def health(self, target: Target) -> str:
        """As the gateways have told it."""
        down = getattr(target, "down", None)
        return f"down since {down.since:%Y-%m-%d %H:%M:%S} UTC: {down.reason}" if down else "in"


def targets_of(formset: Any) -> list[WantedTarget] | None:
    """All that the upstream has from now on; None when nothing changed, which it never has for
    whoever may not change targets. A form that did not change says what its row says: what else
    was posted in it counts nothing."""
    if not formset.has_changed():
        return None
    rows = {target.pk: target for target in Target.objects.filter(upstream_id=formset.instance.pk)}
    found: list[WantedTarget] = []
    for form in formset.forms:
        if form in formset.deleted_forms:
            continue
        row = rows.get(form.instance.pk)
        if form.has_changed():
            found.append(form.wanted())
        elif row is not None:
            found.append(WantedTarget(row.base_url, row.weight, row.is_active, keeps_key=True))
    return found


class UpstreamForm(SecretsForm[Upstream]):
    def clean_header_rules(self) -> Any:
        return self.cleaned_data["header_rules"] or []

    def clean(self) -> dict[str, Any]:
        """Judged as REST judges it, on a row that is never saved."""
        cleaned = super().clean()
        if not self.errors:
            slug = cleaned.get("slug", self.instance.slug)
            given = {name: cleaned[name] for name in FIELDS if name in cleaned}
            try:
                check_upstream(Upstream(slug=slug, **given))
            except ValidationError as error:
                self.add_error(None, error)
        return cleaned


@admin.register(Upstream)
class UpstreamAdmin(RefusalsShown[Upstream], ProbeButton):
    form = UpstreamForm
    inlines = [TargetInline]
    list_display = ["slug", "name", "state", "targets_active", "injection", "granted", "calls"]
    list_filter = ["is_active", "injection"]
    search_fields = ["slug", "name"]
    fieldsets = [
        (None, {"fields": [("name", "slug"), ("is_active", "usage_format"),
                           ("serves_v1", "models_only")]}),
        ("Credential", {"fields": ["injection", ("injection_name", "injection_template")]}),
        (
            "Limits",
            {"fields": [("connect_timeout_ms", "first_byte_timeout_ms"),
                        ("idle_timeout_ms", "total_timeout_ms"),
                        ("max_body_bytes", "max_response_bytes"),
                        ("request_weight", "tls_verify")]},
        ),
        (
            "Health",
            {"fields": [("max_retries", "failure_threshold"),
                        ("health_path", "health_interval_ms")]},
        ),
        ("Header rules", {"fields": ["header_rules"]}),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upstream]:
        active = Count("targets", filter=Q(targets__is_active=True))
        down = Count("targets", filter=Q(targets__down__isnull=False))
        return super().get_queryset(request).annotate(active=active, down=down)

    def get_readonly_fields(self, request: HttpRequest, obj: Upstream | None = None) -> list[str]:
        """The slug is in clients' URLs, grants and logs: it never changes."""
        return ["slug"] if obj else []

    def save_model(self, request: HttpRequest, obj: Upstream, form: Any, change: bool) -> None:
        """Together with its targets: one change, one event. An inline takes a new row's key away:
        "it will be regenerated on the save" (BaseInlineFormSet.add_fields)."""
        if not change:
            obj.pk = uuid7()

    def save_related(
        self, request: HttpRequest, form: Any, formsets: list[Any], change: bool
    ) -> None:
        for formset in formsets:
            formset.save(commit=False)  # only to tell the page's history what changed
        targets = targets_of(formsets[0]) if formsets else None
        wanted = {name: form.cleaned_data[name] for name in form.changed_data}
        actor = actor_of(request)
        try:
            if change:
                change_upstream(form.instance.slug, wanted, targets, actor=actor)
            else:
                make_upstream(form.instance, targets or (), actor=actor)
        except ValidationError as error:
            faults = list(pointers(messages_of(error)))
            raise MomentryError("invalid_input", errors=faults) from None

    def delete_model(self, request: HttpRequest, obj: Upstream) -> None:
        delete_upstream(obj.slug, actor=actor_of(request))

    @column("state", badge=STATES)
    def state(self, obj: Upstream) -> str:
        """Down while every target is, as the gateways have told it."""
        if not obj.is_active:
            return "off"
        down, active = (cast("int", getattr(obj, name, 0)) for name in ("down", "active"))
        if not down:
            return "active"
        return "down" if down >= active else "impaired"

    @column("active targets", order="active")
    def targets_active(self, obj: Upstream) -> int:
        return cast("int", getattr(obj, "active", 0))

    @column("grants")
    def granted(self, obj: Upstream) -> str:
        return link_to_list("apikeys_grant", f"upstream__exact={obj.slug}", "show")

    @column("calls")
    def calls(self, obj: Upstream) -> str:
        return link_to_list("apikeys_requestlog", f"to={obj.slug}", "show")
