"""What other systems still have to be told of members, and who is who in SFTPGo."""

from typing import Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

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
from provisioning.models import ProvisioningTask, SftpgoAccount, TaskState
from provisioning.services import tasks

CHANGE: Final = "provisioning.change_provisioningtask"
RETRYING: Final = "retrying"
COLOURS: Final = {
    TaskState.PENDING: BLUE, RETRYING: ORANGE, TaskState.DONE: GREEN, TaskState.DEAD: RED,
}  # fmt: skip


def retry(task: ProvisioningTask, order: Order) -> bool:
    return tasks.retry(task, actor=order.actor)


RETRY: Final = Deed("Retry", "Due again", "These tasks are tried again at once:", CHANGE, retry)


def state_of(task: ProvisioningTask) -> str:
    has_failed = task.attempts or task.misses
    return RETRYING if task.state == TaskState.PENDING and has_failed else task.state


@admin.register(ProvisioningTask)
class ProvisioningTaskAdmin(ReadOnlyAdmin[ProvisioningTask]):
    list_display = ["updated_at", "who", "system", "status", "attempts", "last_error"]
    list_filter = ["state", "system"]
    list_select_related = ["member"]
    search_fields = ["member__username", "member__email"]
    ordering = ["-id"]  # UUIDv7: the order of time, and it has an index
    actions = ["retry_selected"]
    actions_detail = ["retry_this"]
    fields = [
        ("who", "system"), ("status", "last_error"), ("attempts", "misses", "next_attempt_at"),
        ("desired_version", "done_version"), ("created_at", "updated_at", "done_at"),
    ]  # fmt: skip

    @column("member", order="member__username")
    def who(self, obj: ProvisioningTask) -> str:
        return link_to("accounts_user", obj.member_id, obj.member.username)

    @column("state", badge=COLOURS)
    def status(self, obj: ProvisioningTask) -> str:
        return state_of(obj)

    @bulk("Retry", CHANGE)
    def retry_selected(
        self, request: HttpRequest, queryset: QuerySet[ProvisioningTask]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, RETRY)

    @button("Retry", CHANGE, icon="replay")
    def retry_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, RETRY)


@admin.register(SftpgoAccount)
class SftpgoAccountAdmin(ReadOnlyAdmin[SftpgoAccount]):
    list_display = ["username", "who", "home_dir", "adopted_at", "unwanted_at", "created_at"]
    list_filter = [(name, admin.EmptyFieldListFilter) for name in ("adopted_at", "unwanted_at")]
    list_select_related = ["member"]
    search_fields = ["username", "home_dir", "member__username"]
    ordering = ["-id"]
    fields = [("username", "who"), "home_dir", ("created_at", "adopted_at", "unwanted_at")]

    @column("member", order="member__username")
    def who(self, obj: SftpgoAccount) -> str:
        if obj.member is None:
            return "-"
        return link_to("accounts_user", obj.member_id, obj.member.username)
