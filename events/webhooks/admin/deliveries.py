"""Deliveries of webhooks as staff see them: each attempt, what is sent, and sent again."""

import json
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from unfold.paginator import InfinitePaginator

from events.hookmodels import STATES, DeliveryState, WebhookDelivery
from events.webhooks import upkeep
from events.webhooks.payload import shown_of
from momentry.common.staff import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Deed,
    Order,
    ReadOnlyAdmin,
    bulk,
    button,
    column,
    link_to,
)

RESEND: Final = "events.change_webhookdelivery"
UNREADABLE: Final = "the event is gone, or cannot be opened with the keys at hand"
COLOURS: Final = {
    DeliveryState.WAITING: BLUE, DeliveryState.RETRYING: ORANGE, DeliveryState.DELIVERED: GREEN,
    DeliveryState.FAILED: RED,
}  # fmt: skip


def redeliver(row: WebhookDelivery, order: Order) -> bool:
    return upkeep.redeliver(row, actor=order.actor)


REDELIVER: Final = Deed(
    "Redeliver", "Due again", "These are sent once more, with the same webhook-id:", RESEND,
    redeliver,
)  # fmt: skip


class DeliveryStateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, state.label) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        condition = {state.value: condition for state, condition in STATES.items()}.get(
            self.value() or ""
        )
        return queryset.filter(condition) if condition is not None else queryset


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin[WebhookDelivery]):
    list_display = ["created_at", "what", "where", "status", "tries", "last_status", "last_error"]
    list_filter = [DeliveryStateFilter, "endpoint"]
    list_select_related = ["endpoint"]
    ordering = ["-created_at", "-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    show_full_result_count = False
    actions = ["redeliver_selected"]
    actions_detail = ["redeliver_this"]
    fields = [
        ("what", "where"), ("status", "tries"), ("created_at", "next_attempt_at"),
        ("delivered_at", "failed_at"), "each_attempt", "payload",
    ]  # fmt: skip

    @column("event")
    def what(self, obj: WebhookDelivery) -> str:
        return link_to("events_event", obj.event_id, obj.kind)

    @column("endpoint")
    def where(self, obj: WebhookDelivery) -> str:
        return link_to("events_webhookendpoint", obj.endpoint_id, str(obj.endpoint))

    @column("state", badge=COLOURS)
    def status(self, obj: WebhookDelivery) -> str:
        return obj.state

    @column("attempts")
    def each_attempt(self, obj: WebhookDelivery) -> str:
        lines = [
            f"{each['at']}  {each['status'] or '-'}  {each['milliseconds']} ms  {each['error']}"
            for each in obj.attempts
        ]
        return format_html('<pre class="whitespace-pre-wrap">{}</pre>', "\n".join(lines) or "-")

    @column("payload")
    def payload(self, obj: WebhookDelivery) -> str:
        found = shown_of(obj.event_id)
        if found is None:
            return UNREADABLE
        text = json.dumps(found, indent=2, ensure_ascii=False)
        return format_html('<pre class="whitespace-pre-wrap">{}</pre>', text)

    @bulk("Redeliver", RESEND)
    def redeliver_selected(
        self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, REDELIVER)

    @button("Redeliver", RESEND, icon="replay")
    def redeliver_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, REDELIVER)
