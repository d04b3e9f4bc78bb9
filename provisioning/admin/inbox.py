"""What arrived, who is to be looked at, which links went out. A link's nonce is shown nowhere."""

from typing import Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from momentry.common.staff import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Deed,
    Order,
    ReadOnlyAdmin,
    bulk,
    column,
    link_to,
)
from provisioning.models import ClaimLink, InboxEvent, Outcome, WakeUp
from provisioning.services.wakeups import queue_again

OUTCOMES: Final = {Outcome.APPLIED: GREEN, Outcome.STALE: BLUE, Outcome.CONFLICT: ORANGE}
STATES: Final = {"open": BLUE, "used": GREEN, "voided": ORANGE, "expired": RED}


@admin.register(InboxEvent)
class InboxEventAdmin(ReadOnlyAdmin[InboxEvent]):
    list_display = ["received_at", "type", "result", "who", "site", "sequence", "event_id"]
    list_filter = ["outcome", "type", "site"]
    list_select_related = ["site", "member"]
    search_fields = ["event_id__exact", "member__username"]
    ordering = ["-id"]  # UUIDv7: the order of time, and it has an index
    fields = [("received_at", "result"), ("type", "event_id"), ("site", "sequence"), "who"]

    @column("outcome", badge=OUTCOMES)
    def result(self, obj: InboxEvent) -> str:
        return obj.outcome

    @column("member", order="member__username")
    def who(self, obj: InboxEvent) -> str:
        if obj.member is None:
            return "-"
        return link_to("accounts_user", obj.member_id, obj.member.username)


def look_again(row: WakeUp, order: Order) -> bool:
    queue_again(row, timezone.now(), actor=order.actor)
    return True


LOOK_AGAIN: Final = Deed(
    "Look again", "Queued", "WordPress is asked about these users again:", "accounts.change_site",
    look_again,
)  # fmt: skip


@admin.register(WakeUp)
class WakeUpAdmin(ReadOnlyAdmin[WakeUp]):
    list_display = [
        "created_at",
        "site",
        "wordpress_id",
        "state",
        "attempts",
        "due_at",
        "last_error",
    ]
    list_filter = ["site", ("failed_at", admin.EmptyFieldListFilter)]
    list_select_related = ["site"]
    search_fields = ["=wordpress_id"]
    ordering = ["-id"]
    fields = [("site", "wordpress_id"), ("state", "attempts", "due_at"), "last_error"]
    actions = ["look_again"]

    @column("state", badge={"waiting": BLUE, "given up": RED}, order="failed_at")
    def state(self, obj: WakeUp) -> str:
        return "waiting" if obj.failed_at is None else "given up"

    @bulk("Look again", LOOK_AGAIN.permission)
    def look_again(self, request: HttpRequest, rows: QuerySet[WakeUp]) -> HttpResponse | None:
        return self.carry_out(request, rows.select_related("site"), LOOK_AGAIN)


def state_of(link: ClaimLink) -> str:
    if link.used_at is not None:
        return "used"
    if link.voided_at is not None:
        return "voided"
    return "open" if link.is_open(timezone.now()) else "expired"


@admin.register(ClaimLink)
class ClaimLinkAdmin(ReadOnlyAdmin[ClaimLink]):
    list_display = ["created_at", "chance", "for_key", "who", "state", "expires_at", "used_at"]
    list_filter = [
        "chance", *((name, admin.EmptyFieldListFilter) for name in ("used_at", "voided_at"))
    ]  # fmt: skip
    list_select_related = ["key__owner"]
    search_fields = ["key__name", "key__key_prefix", "key__owner__username"]
    ordering = ["-id"]
    fields = [
        ("for_key", "who"),
        ("chance", "state"),
        ("created_at", "expires_at"),
        ("used_at", "voided_at"),
    ]

    @column("key")
    def for_key(self, obj: ClaimLink) -> str:
        return link_to("apikeys_apikey", obj.key_id, obj.key.key_prefix)

    @column("member", order="key__owner__username")
    def who(self, obj: ClaimLink) -> str:
        owner = obj.key.owner
        return link_to("accounts_user", owner.pk, owner.username) if owner else "-"

    @column("state", badge=STATES)
    def state(self, obj: ClaimLink) -> str:
        return state_of(obj)
