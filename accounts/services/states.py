"""pending → active ⇄ suspended → deleted, and what leads back; a member's own row only.

Each verb locks the row first. An illegal step is MomentryError conflict, a repeated one False.
"""

from typing import Any, Final

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.models import Status, User
from accounts.services.links import THERE
from accounts.services.profiles import (
    hold,
    refuse_deleted,
    save,
    save_or_pend,
    settle,
    subject,
)
from events.kinds import Kind
from events.services import forget_details, record
from momentry.common.errors import MomentryError

SITE: Final = "site:"
HELD: Final = ("suspended_by", "suspension_reason")
PENDING: Final = "This member is pending: resolve its conflict first."


@transaction.atomic
def suspend(member: User, *, reason: str, actor: str) -> bool:
    """Stop a member. Staff take over a suspension by WordPress, which then cannot end it."""
    hold(member)
    refuse_deleted(member)
    if member.status == Status.PENDING:
        raise MomentryError("conflict", PENDING)
    if member.status == Status.SUSPENDED and not is_of_site(member):
        return False
    return put_on_hold(member, reason, actor)


@transaction.atomic
def resume(member: User, *, actor: str) -> bool:
    """Let a suspended member go on, whoever suspended it."""
    hold(member)
    refuse_deleted(member)
    if member.status == Status.PENDING:
        raise MomentryError("conflict", PENDING)
    return member.status == Status.SUSPENDED and end_hold(member, actor)


@transaction.atomic
def suspend_for_site(member: User, *, reason: str, actor: str) -> bool:
    """WordPress says suspended. A pending member will be it once its conflict is resolved."""
    hold(member)
    if member.status == Status.DELETED or member.suspended_by or is_suspended(member):
        return False
    return put_on_hold(member, reason, actor)


@transaction.atomic
def resume_for_site(member: User, *, actor: str) -> bool:
    """WordPress says active: that ends its own suspension and nobody else's."""
    hold(member)
    if member.status == Status.DELETED or not is_of_site(member):
        return False
    return end_hold(member, actor)


def is_suspended(member: User) -> bool:
    return member.status == Status.SUSPENDED


def is_of_site(member: User) -> bool:
    return member.suspended_by.startswith(SITE)


def put_on_hold(member: User, reason: str, actor: str) -> bool:
    member.suspended_by, member.suspension_reason = actor, reason
    return follow(member, Kind.MEMBER_SUSPENDED, actor, *HELD, reason=reason)


def end_hold(member: User, actor: str) -> bool:
    member.suspended_by = member.suspension_reason = ""
    return follow(member, Kind.MEMBER_RESUMED, actor, *HELD)


def follow(member: User, kind: Kind, actor: str, *changed: str, **details: Any) -> bool:
    settle(member)
    save_or_pend(member, *changed)
    record(kind, actor=actor, subject=subject(member), **details)
    return True


@transaction.atomic
def resolve(member: User, *, actor: str) -> bool:
    """A pending member whose name and address are free now lives. False when they are not, or it
    was not pending."""
    hold(member)
    if member.status != Status.PENDING:
        return False
    before = member.status_reason
    settle(member)
    if member.status == Status.PENDING and member.status_reason == before:
        return False
    save_or_pend(member, "status")
    if is_pending(member):
        return False
    record(Kind.MEMBER_RESOLVED, actor=actor, subject=subject(member), status=member.status)
    return True


def is_pending(member: User) -> bool:
    return member.status == Status.PENDING


@transaction.atomic
def mark_deleted(member: User, *, actor: str) -> bool:
    """Soft deletion: the row stays as a tombstone. False when it was deleted already."""
    hold(member)
    if member.status == Status.DELETED:
        return False
    member.status, member.status_reason = Status.DELETED, ""
    member.deleted_at, member.welcome_due = timezone.now(), False
    save(member, "status", "status_reason", "deleted_at", "welcome_due")
    record(Kind.MEMBER_DELETED, actor=actor, subject=subject(member))
    return True


@transaction.atomic
def mark_restored(member: User, *, actor: str) -> None:
    """Undo a deletion and nothing else: a suspension from before holds, a name that somebody took
    meanwhile makes it pending. MomentryError conflict unless deleted, and after the purge."""
    hold(member)
    if member.status != Status.DELETED:
        raise MomentryError("conflict", "This member is not deleted.")
    if member.purged_at is not None:
        raise MomentryError("conflict", "This member was purged: there is nothing left to restore.")
    member.deleted_at = None
    follow(member, Kind.MEMBER_RESTORED, actor, "deleted_at")


@transaction.atomic
def erase(member: User, *, actor: str, reason: str = "") -> bool:
    """Reduce a deleted member to what keeps its WordPress user, its SFTPGo name and its home from
    coming back as somebody else. False unless deleted, or when it was done already."""
    hold(member)
    if member.status != Status.DELETED or member.purged_at is not None:
        return False
    empty = dict.fromkeys(("email", "display_name", "locale", *HELD, *THERE.values()), "")
    wanted = {
        **empty, "username": f"deleted-{member.pk.hex}", "status_reason": reason,
        "password": make_password(None), "last_login": None, "is_staff": False,
        "is_superuser": False, "purged_at": timezone.now(),
    }  # fmt: skip
    for name, value in wanted.items():
        setattr(member, name, value)
    member.groups.clear()
    member.user_permissions.clear()
    save(member, *wanted)
    forget_details([subject(member), f"staff:{member.pk}"])
    record(Kind.MEMBER_PURGED, actor=actor, subject=subject(member))
    return True
