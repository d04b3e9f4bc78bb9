"""A member's bytes: used, and kept for what is coming. Each verb is one statement that says no when
it does not fit, so no number of callers at once gets over the quota; exactly full is allowed.

All of them run in the caller's transaction, beside the row that the bytes belong to, and lock the
member's row to its end.
"""

from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection

from accounts.models import Status, User
from momentry.common.errors import MomentryError


class Storage(NamedTuple):
    """Bytes; ``quota`` None is unlimited."""

    quota: int | None
    used: int
    reserved: int

    @property
    def fits(self) -> bool:
        return self.quota is None or self.used + self.reserved <= self.quota


MOVE: Final = """
UPDATE accounts_user
   SET quota_used = quota_used + %(used)s, quota_reserved = quota_reserved + %(reserved)s
 WHERE id = %(member)s
   AND (NOT %(must_fit)s OR status = 'active' AND NOT is_staff
        AND coalesce(quota_used + quota_reserved + %(used)s + %(reserved)s <= quota_size, TRUE))
RETURNING quota_size, quota_used, quota_reserved
"""


def storage_of(member_id: UUID) -> Storage:
    """As it stands; of an unknown member User.DoesNotExist."""
    fields = ("quota_size", "quota_used", "quota_reserved")
    return Storage(*User.objects.values_list(*fields).get(pk=member_id))


def take(member_id: UUID, size: int) -> None:
    """Count ``size`` more bytes. MomentryError storage_quota_exceeded, member_suspended."""
    if move(member_id, used=size, must_fit=size > 0) is None:
        raise refusal(member_id, size)


def take_anyway(member_id: UUID, size: int) -> bool:
    """Count what is there already, also where it does not fit and whoever it belongs to. Does all
    fit?"""
    stored = move(member_id, used=size, must_fit=False)
    return stored is not None and stored.fits


def give_back(member_id: UUID, size: int) -> None:
    move(member_id, used=-size, must_fit=False)


def reserve(member_id: UUID, size: int) -> None:
    """As take(), for what is on its way."""
    if move(member_id, reserved=size, must_fit=True) is None:
        raise refusal(member_id, size)


def release(member_id: UUID, size: int) -> None:
    move(member_id, reserved=-size, must_fit=False)


def commit(member_id: UUID, reserved: int, size: int, *, anyway: bool = False) -> Storage:
    """What was on its way has come, in another size perhaps: only what is more must fit, and
    nothing ``anyway``. The storage as it is then."""
    must_fit = size > reserved and not anyway
    stored = move(member_id, used=size, reserved=-reserved, must_fit=must_fit)
    if stored is None:
        raise refusal(member_id, size)
    return stored


def move(member_id: UUID, used: int = 0, reserved: int = 0, *, must_fit: bool) -> Storage | None:
    """None when it does not fit, or the member is not one that may upload."""
    if not connection.in_atomic_block:
        raise RuntimeError("bytes are counted in the transaction of the row they belong to")
    values: dict[str, Any] = {"member": member_id, "used": used, "reserved": reserved}
    with connection.cursor() as cursor:
        cursor.execute(MOVE, {**values, "must_fit": must_fit})
        row = cursor.fetchone()
    return Storage(*row) if row else None


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
