"""A member's bytes: used, and kept for what is coming. Each verb is one statement that says no when
it does not fit, so no number of callers at once gets over the quota; exactly full is allowed.

All of them run in the caller's transaction, beside the row that the bytes belong to, and lock the
member's row to its end.
"""

from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import F, Q

from accounts.models import Status, User
from momentry.common.errors import MomentryError


class Storage(NamedTuple):
    """Bytes; ``quota`` None is unlimited."""

    quota: int | None
    used: int
    reserved: int


FITS = Q(quota_size=None) | Q(quota_size__gte=F("quota_used") + F("quota_reserved"))


def storage_of(member_id: UUID) -> Storage:
    """As it stands; of an unknown member User.DoesNotExist."""
    fields = ("quota_size", "quota_used", "quota_reserved")
    return Storage(*User.objects.values_list(*fields).get(pk=member_id))


def take(member_id: UUID, size: int) -> None:
    """Count ``size`` more bytes. MomentryError storage_quota_exceeded, member_suspended."""
    if not move(member_id, used=size, must_fit=size > 0):
        raise refusal(member_id, size)


def take_anyway(member_id: UUID, size: int) -> bool:
    """Count what is there already, also where it does not fit and whoever it belongs to. Does all
    fit?"""
    move(member_id, used=size, must_fit=False)
    return User.objects.filter(FITS, pk=member_id).exists()


def give_back(member_id: UUID, size: int) -> None:
    move(member_id, used=-size, must_fit=False)


def reserve(member_id: UUID, size: int) -> None:
    """As take(), for what is on its way."""
    if not move(member_id, reserved=size, must_fit=True):
        raise refusal(member_id, size)


def release(member_id: UUID, size: int) -> None:
    move(member_id, reserved=-size, must_fit=False)


def commit(member_id: UUID, reserved: int, size: int) -> None:
    """What was on its way has come, in another size perhaps: only what is more must fit."""
    if not move(member_id, used=size, reserved=-reserved, must_fit=size > reserved):
        raise refusal(member_id, size)


def move(member_id: UUID, used: int = 0, reserved: int = 0, *, must_fit: bool) -> bool:
    """False when it does not fit, or the member is not one that may upload."""
    if not connection.in_atomic_block:
        raise RuntimeError("bytes are counted in the transaction of the row they belong to")
    rows = User.objects.filter(pk=member_id)
    if must_fit:
        after = F("quota_used") + F("quota_reserved") + used + reserved
        rows = rows.filter(Q(quota_size=None) | Q(quota_size__gte=after))
        rows = rows.filter(status=Status.ACTIVE, is_staff=False)
    changes = {}
    if used:
        changes["quota_used"] = F("quota_used") + used
    if reserved:
        changes["quota_reserved"] = F("quota_reserved") + reserved
    return bool(rows.update(**changes) if changes else rows.exists())


def refusal(member_id: UUID, size: int) -> MomentryError:
    """Why not."""
    member = User.objects.get(pk=member_id)
    if member.status != Status.ACTIVE or member.is_staff:
        return MomentryError("member_suspended")
    return MomentryError(
        "storage_quota_exceeded",
        quota=member.quota_size,
        used=member.quota_used,
        reserved=member.quota_reserved,
        requested=size,
    )
