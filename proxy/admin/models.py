"""The models that upstreams offer."""

from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from apikeys.admin.refusals import RefusalsShown
from momentry.common.errors import MomentryError
from momentry.common.handlers import messages_of, pointers
from momentry.common.staff import GREEN, RED, StaffAdmin, actor_of, column, link_to
from proxy.models import UpstreamModel
from proxy.services.models import CHANGEABLE, add_model, change_model, delete_model

STATES: Final = {"offered": GREEN, "off": RED}


@admin.register(UpstreamModel)
class UpstreamModelAdmin(RefusalsShown[UpstreamModel], StaffAdmin[UpstreamModel]):
    list_display = ["name", "of", "sent_as", "state", "created_at"]
    list_filter = ["is_active"]
    search_fields = ["name", "sent_as", "upstream__slug"]
    list_select_related = ["upstream"]
    fields = ["upstream", ("name", "sent_as"), "targets", "is_active"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: UpstreamModel | None = None
    ) -> list[str]:
        """Clients and grants say the name."""
        return ["upstream", "name"] if obj else []

    def save_model(self, request: HttpRequest, obj: UpstreamModel, form: Any, change: bool) -> None:
        slug, actor = obj.upstream.slug, actor_of(request)
        try:
            if change:
                named = [name for name in CHANGEABLE if name in form.changed_data]
                wanted = {name: form.cleaned_data[name] for name in named}
                change_model(slug, obj.pk, wanted, actor=actor)
            else:
                add_model(slug, obj, actor=actor)
        except ValidationError as error:
            faults = list(pointers(messages_of(error)))
            raise MomentryError("invalid_input", errors=faults) from None

    def delete_model(self, request: HttpRequest, obj: UpstreamModel) -> None:
        delete_model(obj.upstream.slug, obj.pk, actor=actor_of(request))

    @column("upstream", order="upstream__slug")
    def of(self, obj: UpstreamModel) -> str:
        return link_to("proxy_upstream", obj.upstream_id, obj.upstream.slug)

    @column("state", badge=STATES)
    def state(self, obj: UpstreamModel) -> str:
        return "offered" if obj.is_active else "off"
