"""What the pages of videos, jobs and uploads share: read-only, never counted, searched by what has
an index, with a link to the owner."""

from typing import Any, Generic, TypeVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator

from accounts.models import LIVE, User
from momentry.common.staff import ReadOnlyAdmin, column, link_to

M = TypeVar("M", bound=Model)
NOBODY = "nobody"


def uuid_in(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def member_named(username: str) -> User | None:
    """By the index of live names, whatever the case."""
    return User.objects.filter(username__iexact=username.strip(), status__in=LIVE).first()


class OwnerFilter(admin.SimpleListFilter):
    """Members are too many to list: a link from a member's page, or a search, chooses one."""

    title = "owner"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = uuid_in(request.GET.get(self.parameter_name, ""))
        found = User.objects.filter(pk=chosen).first() if chosen else None
        offered = [(NOBODY, "nobody")]
        return [*offered, (str(found.pk), found.username)] if found else offered

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        if value == NOBODY:
            return queryset.filter(owner=None)
        if not value:
            return queryset
        chosen = uuid_in(value)
        return queryset.filter(owner=chosen) if chosen else queryset.none()


class OwnedAdmin(ReadOnlyAdmin[M], Generic[M]):
    """``ordering`` follows an index of the table, with and without an owner."""

    ordering = ["-created_at", "-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    show_full_result_count = False
    list_fullwidth = True
    list_select_related = ["owner"]
    search_fields = ["owner__username__iexact"]
    search_help_text = "A member's whole username, or the whole id of a member or a row."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        if not search_term:
            return queryset, False
        if wanted := uuid_in(search_term):
            return queryset.filter(self.with_id(wanted)), False
        if owner := member_named(search_term):
            return queryset.filter(owner=owner), False
        return self.with_text(queryset, search_term), False

    def with_id(self, wanted: UUID) -> Q:
        return Q(pk=wanted) | Q(owner=wanted)

    def with_text(self, queryset: QuerySet[M], text: str) -> QuerySet[M]:
        return queryset.none()

    @column("owner")
    def who(self, obj: Any) -> str:
        if obj.owner is None:
            return getattr(obj, "owner_label", "") or "-"
        return link_to("accounts_user", obj.owner_id, obj.owner.username)
