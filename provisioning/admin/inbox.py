"""What arrived and which links went out: read-only. A link's nonce is shown nowhere."""

from typing import Final

from django.contrib import admin
from django.utils import timezone

from momentry.common.staff import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    ReadOnlyAdmin,
    column,
    link_to,
)
from provisioning.models import ClaimLink, InboxEvent, Outcome

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
