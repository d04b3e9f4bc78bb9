"""The WordPress sites members come from. Their webhook secrets go in and never come out."""

import base64
from typing import Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from accounts.models import Site
from momentry.common.secretforms import SecretsForm, secret_field
from momentry.common.staff import GREEN, RED, URLS, StaffAdmin, column, link_to_list
from provisioning.services.inbox import SHORTEST_SECRET

PREFIX: Final = "whsec_"
STATES: Final = {"active": GREEN, "disabled": RED}


class SiteForm(SecretsForm[Site]):
    secrets = {"new_secret": "webhook_secret"}
    new_secret = secret_field("Webhook secret", "whsec_… of Standard Webhooks.")

    def clean_new_secret(self) -> str:
        """What the receiver would refuse is refused here, with a reason."""
        value: str = self.cleaned_data["new_secret"]
        if not value:
            return value
        try:
            raw = base64.b64decode(value.removeprefix(PREFIX), validate=True)
        except ValueError:  # also binascii.Error, and text that is not ASCII
            raise forms.ValidationError("whsec_ is followed by base64.") from None
        if len(raw) < SHORTEST_SECRET:
            raise forms.ValidationError(f"At least {SHORTEST_SECRET} bytes, in base64.")
        return value


@admin.register(Site)
class SiteAdmin(StaffAdmin[Site]):
    form = SiteForm
    list_display = ["name", "url", "state", "members", "created_at"]
    search_fields = ["name", "url"]
    fields = [("name", "url"), "new_secret", "disabled_at"]
    formfield_overrides = URLS

    def has_delete_permission(self, request: HttpRequest, obj: Site | None = None) -> bool:
        """Its inbox is what keeps old webhooks from being applied again; disable it instead."""
        return False

    @column("state", badge=STATES, order="disabled_at")
    def state(self, obj: Site) -> str:
        return "active" if obj.disabled_at is None else "disabled"

    @column("members")
    def members(self, obj: Site) -> str:
        return link_to_list("accounts_user", f"site__id__exact={obj.pk}", "show")
