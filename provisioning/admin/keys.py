"""The key page of apikeys, with the one thing apikeys cannot do: a claim link."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apikeys.admin.keys import CHANGE, ApiKeyAdmin, state_of
from apikeys.admin.keys_deeds import may_hand_out
from apikeys.models import ApiKey
from momentry.common.errors import MomentryError
from momentry.common.staff import DENIED, Deed, StaffAdmin, actor_of, button
from provisioning.models import ClaimLink
from provisioning.services.claims import claim_url, make_claim

LINK = Deed(
    "Make claim link",
    "Made",
    "Whoever opens the link gets this key's secret. Older links of the key are voided:",
    CHANGE,
    lambda *_: True,
)


class ClaimableKeyAdmin(ApiKeyAdmin):
    actions_detail = ["claim_this", *ApiKeyAdmin.actions_detail]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only what can still be done to this key."""
        found = super().get_actions_detail(request, object_id)
        key = self.get_object(request, str(object_id))
        state = state_of(key, timezone.now()) if key else ""
        useless = {"claim_this"} if state != "unclaimed" else set()
        useless |= {"revoke_this"} if state == "revoked" else set()
        return [action for action in found if action.path not in useless]

    @button("Make claim link", CHANGE, icon="link")
    def claim_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The link is in the answer to the POST and nowhere else: no message stores it."""
        key = self.one(request, object_id)
        if not (self.has_view_permission(request, key) and may_hand_out(request, key)):
            raise PermissionDenied(DENIED)
        if request.method != "POST":
            return self.ask(request, [key], LINK)
        try:
            link = make_claim(key, actor=actor_of(request))
        except MomentryError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return self.back_to(key)
        return show_link(self, request, link, f"Whoever opens this link gets the key {key}.")


@sensitive_variables("url")
def show_link(
    page: StaffAdmin[Any], request: HttpRequest, link: ClaimLink, lead: str
) -> HttpResponse:
    """The only page that shows a claim link."""
    context = {
        "lead": lead,
        "url": claim_url(link),
        "expires": link.expires_at,
        "back": reverse("admin:apikeys_apikey_change", args=[link.key_id]),
    }
    return page.page(request, "staff/link.html", "Claim link", context)


admin.site.register(ApiKey, ClaimableKeyAdmin)
