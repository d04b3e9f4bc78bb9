"""Endpoints of webhooks as staff see them. A secret is shown once, in the answer to the POST that
made it."""

from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_variables
from unfold.widgets import UnfoldAdminTextInputWidget

from events.hookmodels import DisabledFor, WebhookDelivery, WebhookEndpoint
from events.webhooks import services
from events.webhooks.admin.forms import EndpointForm, fault_of
from momentry.common.errors import MomentryError
from momentry.common.handlers import messages_of, pointers
from momentry.common.refusals import RefusalsShown
from momentry.common.staff import (
    BLUE,
    DENIED,
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
    link_to_list,
)

CHANGE: Final = "events.change_webhookendpoint"
FAULT: Final = "webhook_address_fault"
HEALTH: Final = {"new": BLUE, "active": GREEN, "failing": ORANGE, "disabled": RED}


def ping(row: WebhookEndpoint, order: Order) -> bool:
    services.ping(row.pk, actor=order.actor)
    return True


def enable(row: WebhookEndpoint, order: Order) -> bool:
    return services.set_active(row, True, actor=order.actor)


def disable(row: WebhookEndpoint, order: Order) -> bool:
    return services.set_active(row, False, actor=order.actor)


PING: Final = Deed("Test ping", "On its way", "An event webhook:ping is sent to:", CHANGE, ping)
ENABLE: Final = Deed(
    "Enable", "Enabled", "What waits is sent at once, and new events from now on, to:", CHANGE,
    enable,
)  # fmt: skip
DISABLE: Final = Deed(
    "Disable", "Disabled", "Nothing more is sent, and new events do not wait, for:", CHANGE,
    disable,
)  # fmt: skip


def health_of(row: WebhookEndpoint) -> str:
    if not row.is_active:
        return "disabled"
    if row.failing_since is not None:
        return "failing"
    return "new" if row.succeeded_at is None else "active"


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(RefusalsShown[WebhookEndpoint], StaffAdmin[WebhookEndpoint]):
    list_display = ["name", "takes", "health", "succeeded_at", "failing_since", "sent"]
    list_filter = ["disabled_for"]
    search_fields = ["host", "description"]
    form = EndpointForm
    ordering = ["-id"]  # UUIDv7: the order of time, and it has an index
    formfield_overrides = {**URLS, ArrayField: {"widget": UnfoldAdminTextInputWidget}}
    actions_detail = ["ping_this", "rotate_this", "enable_this", "disable_this"]
    told = ["health", "why", "succeeded_at", "failing_since", "sent", "former_until"]

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> list[Any]:
        """Who may not change it sees where it is, and not its whole URL."""
        own: list[Any] = ["url", "description", "kinds"]
        if obj is None:
            return own
        if not self.has_change_permission(request, obj):
            own[0] = "host"
        return [
            *own,
            ("health", "why"),
            ("succeeded_at", "failing_since"),
            ("sent", "former_until"),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: WebhookEndpoint | None = None
    ) -> list[str]:
        return self.told if obj else []

    def has_change_permission(
        self, request: HttpRequest, obj: WebhookEndpoint | None = None
    ) -> bool:
        """WEBHOOK_URL says all of its own."""
        return super().has_change_permission(request, obj) and not (obj and obj.is_environment)

    def has_delete_permission(
        self, request: HttpRequest, obj: WebhookEndpoint | None = None
    ) -> bool:
        given = obj is not None and obj.is_environment and obj.disabled_for != DisabledFor.UNSET
        return super().has_delete_permission(request, obj) and not given

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What it does is one transaction: name servers are asked before it."""
        may = self.has_change_permission if object_id else self.has_add_permission
        if request.method == "POST" and may(request):
            setattr(request, FAULT, fault_of(request.POST.get("url", "")))
        shown: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        return shown

    def save_model(
        self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool
    ) -> None:
        given, actor = form.cleaned_data, actor_of(request)
        try:
            if "url" in form.changed_data and (fault := getattr(request, FAULT, None)):
                raise fault
            if change:
                named = {name: given[name] for name in services.FIELDS if name in form.changed_data}
                services.apply_changes(obj.pk, named, actor=actor)
            else:
                wanted = services.WantedEndpoint(**{each: given[each] for each in services.FIELDS})
                issued = services.make_endpoint(wanted, actor=actor)
                obj.pk = issued.endpoint.pk
                setattr(obj, "issued", issued)  # noqa: B010  for response_add
        except ValidationError as error:
            faults = list(pointers(messages_of(error)))
            raise MomentryError("invalid_input", errors=faults) from None

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """The endpoints, and how many deliveries go with them: Django would list each, and ask for
        the permission to delete them, which nobody has."""
        rows = list(objs)
        sent = WebhookDelivery.objects.filter(endpoint__in=[row.pk for row in rows]).count()
        kept = {
            str(self.opts.verbose_name)
            for row in rows
            if not self.has_delete_permission(request, row)
        }
        counts = {
            str(self.opts.verbose_name_plural): len(rows),
            str(WebhookDelivery._meta.verbose_name_plural): sent,
        }
        return [str(row) for row in rows], counts, kept, []

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        services.delete_endpoint(obj.pk, actor=actor_of(request))

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self.show(request, getattr(obj, "issued"))  # noqa: B009  as above

    @sensitive_variables("issued")
    def show(self, request: HttpRequest, issued: services.IssuedEndpoint) -> HttpResponse:
        """No cache, no history and no message keeps it."""
        row = issued.endpoint
        back = reverse("admin:events_webhookendpoint_change", args=[row.pk])
        context = {
            "endpoint": row, "secret": issued.secret, "back": back,
            "former_until": row.former_until,
        }  # fmt: skip
        response = self.page(request, "staff/webhook_secret.html", "The endpoint's secret", context)
        add_never_cache_headers(response)
        return response

    @button("Test ping", CHANGE, icon="send")
    def ping_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, PING)

    @button("Rotate secret", CHANGE, icon="autorenew")
    def rotate_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET asks; POST answers with the new secret."""
        row = self.one(request, object_id)
        if not self.has_view_permission(request, row):
            raise PermissionDenied(DENIED)
        if request.method != "POST":
            back = reverse("admin:events_webhookendpoint_change", args=[row.pk])
            context = {"endpoint": row, "back": back}
            return self.page(request, "staff/webhook_rotate.html", "Rotate secret", context)
        try:
            issued = services.rotate_secret(row.pk, actor=actor_of(request))
        except MomentryError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return self.back_to(row)
        return self.show(request, issued)

    @button("Enable", CHANGE, icon="play_arrow")
    def enable_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, ENABLE)

    @button("Disable", CHANGE, icon="pause")
    def disable_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, DISABLE)

    @column("endpoint", order="host")
    def name(self, obj: WebhookEndpoint) -> str:
        return str(obj)

    @column("told of")
    def takes(self, obj: WebhookEndpoint) -> str:
        more = len(obj.kinds) - 3
        return ", ".join(obj.kinds[:3]) + (f" and {more} more" if more > 0 else "")

    @column("state", badge=HEALTH)
    def health(self, obj: WebhookEndpoint) -> str:
        return health_of(obj)

    @column("disabled")
    def why(self, obj: WebhookEndpoint) -> str:
        return obj.get_disabled_for_display() if obj.disabled_for else "-"

    @column("deliveries")
    def sent(self, obj: WebhookEndpoint) -> str:
        query = f"endpoint__id__exact={obj.pk}"
        return link_to_list("events_webhookdelivery", query, "deliveries")
