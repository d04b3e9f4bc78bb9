"""What pages of findings about keys share: anomalies and leaks, by key, newest first."""

from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator

from apikeys.models import Anomaly, Leak
from momentry.common.staff import ReadOnlyAdmin, column, link_to

F = TypeVar("F", bound=Anomaly | Leak)


class FindingAdmin(ReadOnlyAdmin[F], Generic[F]):
    list_select_related = ["key__owner"]
    search_fields = ["key_id"]
    search_help_text = "The whole id of a key."
    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[F]:
        return super().get_queryset(request).defer("key__metadata", "key__digest")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[F], search_term: str
    ) -> tuple[QuerySet[F], bool]:
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(key_id=UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False

    @column("key")
    def of_key(self, obj: F) -> str:
        return link_to("apikeys_apikey", obj.key_id, f"{obj.key.name} {obj.key.key_prefix}")

    @column("holder")
    def holder(self, obj: F) -> str:
        owner = obj.key.owner
        if owner is None:
            return obj.key.service_name
        return link_to("accounts_user", owner.pk, owner.username)
