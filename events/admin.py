"""Events, read-only; the outbox of mail has its pages in events.mailadmin."""

import json
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from unfold.paginator import InfinitePaginator

from events.kinds import Kind
from events.mailadmin import UNREADABLE
from events.models import Event
from events.webhooks import admin as webhooks
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.staff import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    ReadOnlyAdmin,
    column,
    link_to,
)

__all__ = ["EventAdmin", "webhooks"]

MODELS: Final = {
    "member": "accounts_user",
    "staff": "accounts_user",
    "key": "apikeys_apikey",
    "site": "accounts_site",
    "mail": "events_mail",
    "webhook": "events_webhookendpoint",
    "video": "videos_video",
    "job": "videos_processingjob",
}
SHADES: Final = {"created": GREEN, "claimed": GREEN, "resumed": GREEN, "done": GREEN,
                 "updated": BLUE, "retried": BLUE, "suspended": ORANGE, "failed": ORANGE,
                 "revoked": RED, "deleted": RED, "dead": RED}  # fmt: skip
SEALS: Final = {"sealed": GREEN, "waiting": BLUE, "late": ORANGE, "outside": RED}
PATIENCE: Final = timedelta(minutes=1)  # the relay seals every five seconds


def linked(reference: str) -> str:
    """``kind:id`` as a link where a page exists; the id of rows is a UUID in either form."""
    kind, _, identity = reference.partition(":")
    return link_to(MODELS.get(kind, ""), identity, reference) if identity else reference


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.value, kind.value) for kind in Kind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class SealFilter(admin.SimpleListFilter):
    title = "sealed"
    parameter_name = "sealed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "no")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(seq=None) if self.value() == "no" else queryset


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin[Event]):
    list_display = ["occurred_at", "what", "about", "by", "request_id", "sealed"]
    list_filter = [KindFilter, SealFilter, ("occurred_at", admin.DateFieldListFilter)]
    search_fields = ["subject__exact"]
    search_help_text = "Exactly what it happened to: member:<id> or key:<id>."
    ordering = ["-id"]  # UUIDv7: the order of time, and it has an index
    sortable_by = ()
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = [
        ("occurred_at", "kind"), ("about", "by"), "request_id", "what_exactly",
        ("sealed", "link"),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        rows: Any = super().get_queryset(request)
        found: QuerySet[Event] = rows.with_seals().defer("details")
        return found

    @column("kind", badge=SHADES)
    def what(self, obj: Event) -> tuple[str, str]:
        return obj.kind.partition(":")[2], obj.kind

    @column("about")
    def about(self, obj: Event) -> str:
        return linked(obj.subject)

    @column("by")
    def by(self, obj: Event) -> str:
        return linked(obj.actor)

    @column("sealed", badge=SEALS)
    def sealed(self, obj: Event) -> tuple[str, str]:
        """Its place in the chain. What waits for long could not be proved, or no relay runs."""
        if obj.is_chained:
            return "sealed", f"sealed {obj.seq}"
        if obj.seq is not None:  # from before a restart, or not ours
            return "outside", "outside the chain"
        is_late = timezone.now() - obj.occurred_at > PATIENCE
        return ("late", "not sealed") if is_late else ("waiting", "not yet")

    @column("hash")
    def link(self, obj: Event) -> str:
        return bytes(obj.hash).hex() if obj.is_chained and obj.hash is not None else "-"

    @column("details")
    def what_exactly(self, obj: Event) -> str:
        try:
            details = obj.details
        except EnvelopeError:
            return UNREADABLE
        if not details:
            return "-"
        text = json.dumps(json.loads(details), indent=2, ensure_ascii=False)
        return format_html('<pre class="whitespace-pre-wrap">{}</pre>', text)
