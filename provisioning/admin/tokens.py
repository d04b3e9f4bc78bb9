"""External tokens, which go in and never come out."""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminPasswordWidget

from apikeys.admin.refusals import RefusalsShown
from momentry.common.errors import MomentryError
from momentry.common.handlers import messages_of, pointers
from momentry.common.secretforms import SecretsForm
from momentry.common.staff import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    URLS,
    Deed,
    Order,
    StaffAdmin,
    actor_of,
    button,
    column,
    link_to,
)
from provisioning.models import ExternalToken
from provisioning.services.token_checks import verify_token
from provisioning.services.tokens import (
    FIELDS,
    WantedToken,
    change_token,
    check_secret,
    create_token,
    delete_token,
    usual_url,
)
from provisioning.tokens.masking import mask_of
from provisioning.tokens.models import MAX_SECRET, State

CHANGE: Final = "provisioning.change_externaltoken"
STATES: Final = {
    State.UNVERIFIED: BLUE, State.VALID: GREEN, State.LIMITED: ORANGE, State.BROKEN: RED,
    State.UNREACHABLE: ORANGE,
}  # fmt: skip
TOLD: Final = ["state_now", "reason", "verified_at", "tried_at", "broken_since", "expires_at"]


class TokenForm(SecretsForm[ExternalToken]):
    secrets = {"new_token": "token"}
    new_token = forms.CharField(
        label="Token", required=False, max_length=MAX_SECRET,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if (field := self.fields.get("base_url")) is not None:
            field.required = False
            field.help_text = "Empty: as GITEA_URL, N8N_URL, SFTPGO_URL or the site says."

    def clean_new_token(self) -> str:
        value: str = self.cleaned_data["new_token"]
        if value:
            try:
                check_secret(value)
            except ValidationError as error:
                raise forms.ValidationError(error.messages) from None
        return value

    def clean_base_url(self) -> str:
        value: str = self.cleaned_data["base_url"]
        provider = self.cleaned_data.get("provider", self.instance.provider)
        if value or not provider:
            return value
        try:
            return usual_url(provider, self.cleaned_data.get("owner", self.instance.owner))
        except ValidationError as error:
            raise forms.ValidationError(error.messages) from None

    def clean_scopes(self) -> Any:
        found = self.cleaned_data["scopes"] or []
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise forms.ValidationError("A list of texts.")
        return found

    def clean(self) -> dict[str, Any]:
        """As in the API, a token follows to no other address."""
        moved = "base_url" in self.changed_data and not self.instance._state.adding
        if moved and not self.data.get(self.add_prefix("new_token")):
            self.add_error("new_token", "Say it again: it is not sent to another address.")
        return super().clean()


def verify(token: ExternalToken, order: Order) -> bool:
    verify_token(token.pk, actor=order.actor)
    return True


VERIFY: Final = Deed(
    "Verify", "Tokens verified", "Each is sent to its provider, up to 30 s:", CHANGE, verify
)


@admin.register(ExternalToken)
class ExternalTokenAdmin(RefusalsShown[ExternalToken], StaffAdmin[ExternalToken]):
    form = TokenForm
    list_display = ["label", "provider", "who", "masked", "state_now", "reason", "verified_at"]
    list_filter = ["state", "provider"]
    list_select_related = ["owner"]
    search_fields = ["label", "username", "owner__username"]
    autocomplete_fields = ["owner"]
    formfield_overrides = URLS
    ordering = ["-id"]  # UUIDv7: the order of time, and it has an index
    actions_detail = ["verify_this"]

    def get_fields(self, request: HttpRequest, obj: ExternalToken | None = None) -> list[Any]:
        own = [("provider", "owner"), ("label", "username"), "base_url", "new_token", "scopes"]
        return [*own, ("state_now", "reason"), tuple(TOLD[2:])] if obj else own

    def get_readonly_fields(
        self, request: HttpRequest, obj: ExternalToken | None = None
    ) -> list[str]:
        """Of another owner or system it would be another token."""
        return ["provider", "owner", *TOLD] if obj else []

    def save_model(self, request: HttpRequest, obj: ExternalToken, form: Any, change: bool) -> None:
        actor, given = actor_of(request), form.cleaned_data
        secret = given["new_token"]
        try:
            if change:
                named = [name for name in FIELDS if name in form.changed_data]
                wanted = {name: given[name] for name in named}
                change_token(obj.pk, wanted | ({"token": secret} if secret else {}), actor=actor)
            else:
                names = ("provider", "owner", *FIELDS)
                made = create_token(
                    WantedToken(token=secret, **{name: given[name] for name in names}), actor=actor
                )
                obj.pk = made.pk
        except ValidationError as error:
            faults = list(pointers(messages_of(error)))
            raise MomentryError("invalid_input", errors=faults) from None

    def delete_model(self, request: HttpRequest, obj: ExternalToken) -> None:
        delete_token(obj.pk, actor=actor_of(request))

    @button("Verify", CHANGE, icon="verified")
    def verify_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, VERIFY)

    @column("token")
    def masked(self, obj: ExternalToken) -> str:
        return mask_of(obj)

    @column("owner", order="owner__username")
    def who(self, obj: ExternalToken) -> str:
        if obj.owner is None:
            return "this service"
        return link_to("accounts_user", obj.owner_id, obj.owner.username)

    @column("state", order="state", badge=STATES)
    def state_now(self, obj: ExternalToken) -> str:
        return obj.state
