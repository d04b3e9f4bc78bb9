"""The WordPress sites members come from. Their secrets go in and never come out."""

import base64
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.messages import SUCCESS, WARNING
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import Scheme, Site
from momentry.common.secretforms import SecretsForm, secret_field
from momentry.common.staff import (
    GREEN,
    RED,
    URLS,
    Deed,
    Order,
    StaffAdmin,
    actor_of,
    button,
    column,
    link_to_list,
)
from provisioning import foreign
from provisioning.services import sites
from provisioning.services.inbox import SHORTEST_SECRET
from provisioning.wordpressrest import check

PREFIX: Final = "whsec_"
STATES: Final = {"active": GREEN, "disabled": RED}
CHANGE: Final = "accounts.change_site"


def forget(site: Site, order: Order) -> bool:
    return sites.forget_previous_secret(site, actor=order.actor)


FORGET: Final = Deed(
    "Forget previous secret", "Forgotten", "Only the present secret is accepted then:", CHANGE,
    forget,
)  # fmt: skip


class SiteForm(SecretsForm[Site]):
    secrets = {"new_secret": "webhook_secret", "new_password": "rest_password"}
    new_secret = secret_field(
        "Webhook secret",
        "whsec_… of Standard Webhooks, or the secret set in the other plugin. A new one is accepted"
        " beside the one so far until that is forgotten.",
    )
    new_password = secret_field("Application Password", "Of a WordPress user who may edit users.")
    scheme = forms.ChoiceField(
        choices=Scheme.choices,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Of the others only who changed is taken; the rest is asked by REST.",
    )

    def clean_scheme(self) -> str:
        return self.cleaned_data["scheme"] or self.instance.scheme

    def clean(self) -> dict[str, Any]:
        """What the receiver would refuse is refused here, with a reason."""
        given = dict(self.cleaned_data)
        secret, scheme = given.get("new_secret", ""), given.get("scheme", Scheme.STANDARD)
        if secret and (why := secret_problem(scheme, secret)):
            self.add_error("new_secret", why)
        elif not secret and not self.instance._state.adding and self.is_other_scheme():
            self.add_error("new_secret", "Another way to sign takes another secret.")
        if scheme != Scheme.STANDARD and not self.has_rest(given):
            self.add_error("rest_username", "This way to sign takes access by REST.")
        # It follows to no other address by itself.
        if self.moves() and self.is_set("rest_password") and not given.get("new_password"):
            self.add_error("new_password", "Another address takes the password again.")
        return super().clean()

    def moves(self) -> bool:
        return "url" in self.changed_data and not self.instance._state.adding

    def has_rest(self, given: dict[str, Any]) -> bool:
        password = given.get("new_password") or self.is_set("rest_password")
        return bool(given.get("rest_username") and password)

    def is_other_scheme(self) -> bool:
        """Asked before the instance gets what was given."""
        return bool(self.cleaned_data.get("scheme", self.instance.scheme) != self.instance.scheme)

    def assign(self, name: str, column: str, value: str) -> None:
        if column == "webhook_secret" and not self.instance._state.adding:
            sites.keep_previous(self.instance, value, is_other_scheme=self.is_other_scheme())
        super().assign(name, column, value)


def secret_problem(scheme: str, secret: str) -> str:
    """Why this way to sign cannot use the secret, or ""."""
    if scheme != Scheme.STANDARD:
        short = len(secret) < foreign.SHORTEST_SECRET
        return f"At least {foreign.SHORTEST_SECRET} characters." if short else ""
    try:
        raw = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:  # also binascii.Error, and text that is not ASCII
        return "whsec_ is followed by base64."
    return f"At least {SHORTEST_SECRET} bytes, in base64." if len(raw) < SHORTEST_SECRET else ""


@admin.register(Site)
class SiteAdmin(StaffAdmin[Site]):
    form = SiteForm
    list_display = ["name", "url", "scheme", "state", "members", "created_at"]
    search_fields = ["name", "url"]
    fields = [
        ("name", "url"), ("scheme", "new_secret"), ("rest_username", "new_password"),
        "disabled_at",
    ]  # fmt: skip
    formfield_overrides = URLS
    actions_detail = ["test_this", "forget_this"]

    def has_delete_permission(self, request: HttpRequest, obj: Site | None = None) -> bool:
        """Its inbox is what keeps old webhooks from being applied again; disable it instead."""
        return False

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Site, form: Any, change: bool) -> None:
        before = sites.facts(Site.objects.select_for_update().get(pk=obj.pk)) if change else None
        super().save_model(request, obj, form, change)
        given = set(form.changed_data) & set(form.secrets)
        sites.record_change(obj, before, secrets=given, actor=actor_of(request))

    @button("Test connection", CHANGE, "network_check")
    def test_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Every step that went well is told too."""

        def run(site: Site, order: Order) -> bool:
            found = check(site)
            sites.record_test(site, ok=found.is_good, actor=order.actor)
            for line in found.lines:
                self.message_user(request, line, SUCCESS if found.is_good else WARNING)
            return found.is_good

        warning = "Its REST API is asked for the first users:"
        return self.carry_out_one(request, object_id, Deed("Test", "Tested", warning, CHANGE, run))

    @button("Forget previous secret", CHANGE, "key_off")
    def forget_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, FORGET)

    @column("state", badge=STATES, order="disabled_at")
    def state(self, obj: Site) -> str:
        return "active" if obj.disabled_at is None else "disabled"

    @column("members")
    def members(self, obj: Site) -> str:
        return link_to_list("accounts_user", f"site__id__exact={obj.pk}", "show")
