"""Upstreams and their targets. A target's credential goes in and never comes out."""

from typing import Any, Final, cast

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from momentry.common.secretforms import SecretsForm, secret_field
from momentry.common.staff import (
    GREEN,
    RED,
    URLS,
    StaffAdmin,
    column,
    link_to_list,
)
from momentry.common.themed import ThemedStack
from proxy.gateway import injection
from proxy.models import Injection, Target, Upstream

EXAMPLE: Final = "credential"
STATES: Final = {"active": GREEN, "off": RED}


class TargetForm(SecretsForm[Target]):
    secrets = {"new_credential": "credential"}
    new_credential = secret_field("Credential", "Sent to this upstream with every request.")

    def clean_new_credential(self) -> str:
        """No field line may be broken by it (RFC 9110 §5.5)."""
        value: str = self.cleaned_data["new_credential"]
        if value and not (value.isascii() and value.isprintable()):
            raise forms.ValidationError("Printable ASCII characters only.")
        return value


class TargetInline(ThemedStack):
    model = Target
    form = TargetForm
    fields = ["base_url", ("new_credential", "weight"), "is_active"]
    formfield_overrides = URLS
    extra = 0
    min_num = 0


def check_injection(kind: str, name: str, template: str) -> None:
    """Raises ValueError with a sentence when the gateway could not use this."""
    if kind == Injection.HEADER:
        injection.header(f"{name}: {template}", EXAMPLE)
    elif kind == Injection.QUERY:
        injection.query_parameter(name, EXAMPLE)


class UpstreamForm(SecretsForm[Upstream]):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        try:
            check_injection(
                cleaned.get("injection", Injection.NONE),
                cleaned.get("injection_name", ""),
                cleaned.get("injection_template", ""),
            )
        except ValueError as error:
            self.add_error("injection", str(error))
        return cleaned


@admin.register(Upstream)
class UpstreamAdmin(StaffAdmin[Upstream]):
    form = UpstreamForm
    inlines = [TargetInline]
    list_display = ["slug", "name", "state", "targets_active", "injection", "granted", "calls"]
    list_filter = ["is_active", "injection"]
    search_fields = ["slug", "name"]
    fieldsets = [
        (None, {"fields": [("name", "slug"), ("is_active", "usage_format")]}),
        ("Credential", {"fields": ["injection", ("injection_name", "injection_template")]}),
        (
            "Limits",
            {"fields": [("connect_timeout_ms", "first_byte_timeout_ms"),
                        ("idle_timeout_ms", "total_timeout_ms"),
                        ("max_body_bytes", "max_response_bytes"),
                        ("request_weight", "tls_verify")]},
        ),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upstream]:
        active = Count("targets", filter=Q(targets__is_active=True))
        return super().get_queryset(request).annotate(active=active)

    def get_readonly_fields(self, request: HttpRequest, obj: Upstream | None = None) -> list[str]:
        """The slug is in clients' URLs, grants and logs: it never changes."""
        return ["slug"] if obj else []

    @column("state", badge=STATES)
    def state(self, obj: Upstream) -> str:
        return "active" if obj.is_active else "off"

    @column("active targets", order="active")
    def targets_active(self, obj: Upstream) -> int:
        return cast("int", getattr(obj, "active", 0))

    @column("grants")
    def granted(self, obj: Upstream) -> str:
        return link_to_list("apikeys_grant", f"upstream__exact={obj.slug}", "show")

    @column("calls")
    def calls(self, obj: Upstream) -> str:
        return link_to_list("apikeys_requestlog", f"to={obj.slug}", "show")
