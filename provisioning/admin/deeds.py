"""What staff can do to members, and to whom."""

from typing import Final

from django.http import HttpRequest

from accounts.models import Status, User
from momentry.common.staff import Deed, Order
from provisioning.services import members
from provisioning.services.passwords import can_set_password

CHANGE: Final = "accounts.change_user"
DELETE: Final = "accounts.delete_user"


def suspend(member: User, order: Order) -> bool:
    return members.suspend_member(member, reason=order.reason or "by staff", actor=order.actor)


def resume(member: User, order: Order) -> bool:
    return members.resume_member(member, actor=order.actor)


def delete(member: User, order: Order) -> bool:
    return members.delete_member(member, actor=order.actor)


def resolve(member: User, order: Order) -> bool:
    return members.resolve_member(member, actor=order.actor)


def restore(member: User, order: Order) -> bool:
    return bool(members.restore_member(member, actor=order.actor))


SUSPEND: Final = Deed(
    "Suspend", "Suspended", "Their keys are refused until they are resumed:", CHANGE, suspend,
    asks_reason=True,
)  # fmt: skip
RESUME: Final = Deed("Resume", "Resumed", "Their keys work again at once:", CHANGE, resume)
DELETE_MEMBER: Final = Deed(
    "Delete", "Deleted",
    "Their keys are revoked for good. Restoring them is possible until their data is purged:",
    DELETE, delete,
)  # fmt: skip
RESOLVE: Final = Deed(
    "Look again", "Resolved", "They live if nobody has their name or address any more:", CHANGE,
    resolve,
)  # fmt: skip
RESTORE: Final = Deed(
    "Restore", "Restored",
    "They are as before the deletion, with a fresh key, whose link goes to them by mail:", DELETE,
    restore,
)  # fmt: skip
PASSWORD_LINK: Final = Deed(
    "Make SFTP password link", "Made",
    "Whoever opens the link sets their SFTP password. Older links for it are voided:", CHANGE,
    lambda *_: True,
)  # fmt: skip
POSSIBLE: Final = {
    Status.ACTIVE: {
        "suspend_this",
        "limits_this",
        "delete_this",
        "set_password",
        "rename_this",
        "password_link_this",
    },
    Status.SUSPENDED: {"resume_this", "limits_this", "delete_this", "rename_this"},
    Status.PENDING: {"resolve_this", "rename_this", "merge_this", "limits_this", "delete_this"},
    Status.DELETED: {"restore_this"},
}


def possible(member: User) -> set[str]:
    """Names of the buttons that could do something to this member."""
    found = set(POSSIBLE[Status(member.status)])
    found -= {"limits_this", "rename_this"} if member.is_staff else {"set_password"}
    if member.is_local:
        found -= {"merge_this"}
    if not can_set_password(member):
        found -= {"password_link_this"}
    return found if member.purged_at is None else set()


def is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


def may_touch(request: HttpRequest, member: User) -> bool:
    """Whoever could change staff could become any of them."""
    return is_superuser(request) or not (member.is_staff or member.is_superuser)
