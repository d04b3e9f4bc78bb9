"""The page of upstreams' credentials: a second beside the first, then the first switched off."""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from apikeys.admin.refusals import RefusalsShown
from momentry.common.errors import MomentryError
from momentry.common.handlers import messages_of, pointers
from momentry.common.secretforms import SecretsForm, secret_field
from momentry.common.staff import GREEN, RED, StaffAdmin, actor_of, column, link_to
from proxy.masking import mask_of
from proxy.models import TargetCredential
from proxy.services.credentials import (
    CHANGEABLE,
    add_credential,
    change_credential,
    delete_credential,
)
from proxy.services.wanted import check_credential

STATES: Final = {"sent": GREEN, "off": RED}


class CredentialForm(SecretsForm[TargetCredential]):
    secrets = {"new_secret": "secret"}
    new_secret = secret_field("Credential", "Sent by turns with those that are active already.")

    def prepare(self, field: forms.Field, column: str) -> None:
        """Another secret is another credential: a change asks for none."""
        field.required = self.instance._state.adding

    def clean_new_secret(self) -> str:
        value: str = self.cleaned_data["new_secret"]
        if value:
            check_credential(value)
        return value


@admin.register(TargetCredential)
class TargetCredentialAdmin(RefusalsShown[TargetCredential], StaffAdmin[TargetCredential]):
    form = CredentialForm
    list_display = ["masked", "upstream", "target", "label", "state", "created_at"]
    list_filter = ["is_active"]
    search_fields = ["label", "target__base_url", "target__upstream__slug"]
    list_select_related = ["target__upstream"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TargetCredential]:
        return super().get_queryset(request).select_related("target__upstream")

    def get_fields(self, request: HttpRequest, obj: TargetCredential | None = None) -> list[Any]:
        return ["target", *([] if obj else ["new_secret"]), ("label", "is_active")]

    def get_readonly_fields(
        self, request: HttpRequest, obj: TargetCredential | None = None
    ) -> list[str]:
        """A credential follows to no other address."""
        return ["target"] if obj else []

    def save_model(
        self, request: HttpRequest, obj: TargetCredential, form: Any, change: bool
    ) -> None:
        slug, actor = obj.target.upstream.slug, actor_of(request)
        try:
            if change:
                named = [name for name in CHANGEABLE if name in form.changed_data]
                wanted = {name: form.cleaned_data[name] for name in named}
                change_credential(slug, obj.target_id, obj.pk, wanted, actor=actor)
            else:
                add_credential(slug, obj.target_id, obj, actor=actor)
        except ValidationError as error:
            faults = list(pointers(messages_of(error)))
            raise MomentryError("invalid_input", errors=faults) from None

    def delete_model(self, request: HttpRequest, obj: TargetCredential) -> None:
        slug = obj.target.upstream.slug
        delete_credential(slug, obj.target_id, obj.pk, actor=actor_of(request))

    @column("credential")
    def masked(self, obj: TargetCredential) -> str:
        return mask_of(obj)

    @column("upstream", order="target__upstream__slug")
    def upstream(self, obj: TargetCredential) -> str:
        return link_to("proxy_upstream", obj.target.upstream_id, obj.target.upstream.slug)

    @column("state", badge=STATES)
    def state(self, obj: TargetCredential) -> str:
        return "sent" if obj.is_active else "off"
