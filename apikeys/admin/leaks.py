"""Leaks as staff see them: which key was found where, and what became of it."""

from typing import Final
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator

from apikeys.models import Leak, LeakOutcome
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.staff import BLUE, ORANGE, RED, ReadOnlyAdmin, column, link_to

COLOURS: Final = {
    LeakOutcome.QUARANTINED: RED, LeakOutcome.REPORTED: ORANGE, LeakOutcome.ENDED: BLUE,
}  # fmt: skip
UNREADABLE: Final = "cannot be opened with the keys at hand"
SHOWN: Final = 80


@admin.register(Leak)
class LeakAdmin(ReadOnlyAdmin[Leak]):
    list_display = ["found_at", "of_key", "holder", "origin", "source", "place_found", "became"]
    list_filter = ["outcome", "origin", ("found_at", admin.DateFieldListFilter)]
    list_select_related = ["key__owner"]
    search_fields = ["key_id"]
    search_help_text = "The whole id of a key."
    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = [
        ("of_key", "holder"), ("origin", "source"), "whole_place",
        ("outcome", "found_at"), "told_at",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Leak]:
        return super().get_queryset(request).defer("key__metadata", "key__digest")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Leak], search_term: str
    ) -> tuple[QuerySet[Leak], bool]:
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(key_id=UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False

    @column("key")
    def of_key(self, obj: Leak) -> str:
        return link_to("apikeys_apikey", obj.key_id, f"{obj.key.name} {obj.key.key_prefix}")

    @column("holder")
    def holder(self, obj: Leak) -> str:
        owner = obj.key.owner
        if owner is None:
            return obj.key.service_name
        return link_to("accounts_user", owner.pk, owner.username)

    @column("where")
    def place_found(self, obj: Leak) -> str:
        text = self.whole_place(obj)
        return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"

    @column("where")
    def whole_place(self, obj: Leak) -> str:
        try:
            return obj.where or "-"
        except EnvelopeError:
            return UNREADABLE

    @column("became", badge=COLOURS)
    def became(self, obj: Leak) -> tuple[str, str]:
        return obj.outcome, obj.get_outcome_display()
