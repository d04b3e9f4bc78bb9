"""For the member page (members.py): what a member stores, as a bar with its numbers."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from accounts.services.fullness import filled
from momentry.common.bars import ALMOST_FULL, FULL, NEARLY_FULL, storage_bar
from momentry.common.staff import StaffAdmin, column

LEVELS: Final = {
    str(NEARLY_FULL): f"{NEARLY_FULL} % or more", str(ALMOST_FULL): f"{ALMOST_FULL} % or more",
    str(FULL): "full",
}  # fmt: skip


class FilledFilter(admin.SimpleListFilter):
    title = "storage"
    parameter_name = "filled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(LEVELS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(filled(int(value))) if value in LEVELS else queryset


class MemberStorage(StaffAdmin[User]):
    @column("storage", order="quota_used")
    def storage(self, obj: User) -> str:
        return storage_bar(obj.quota_used, obj.quota_reserved, obj.quota_size)
