"""What a member registered in the last 24 hours, and whether more is allowed (User.quota_daily);
the storage as a whole is accounts.services.storage's matter.
"""

from datetime import timedelta
from typing import Final

from django.db.models import Sum
from django.db.models.functions import Now

from accounts.models import User
from accounts.services import storage
from momentry.common.errors import MomentryError
from videos.models import Video

DAY: Final = timedelta(hours=24)
MOST_COUNTED: Final = 2**63 - 1  # what the columns hold: also the unlimited end somewhere


def registered_today(member: User) -> int:
    """Bytes of videos made in the last 24 hours by the database's clock, also of deleted ones."""
    rows = Video.objects.filter(owner=member, created_at__gt=Now() - DAY)
    return int(rows.aggregate(total=Sum("size"))["total"] or 0)


def check(member: User, more: int) -> None:
    """MomentryError storage_quota_exceeded when ``more`` bytes do not fit into the day. The row is
    locked by the caller, so what it says of open reservations holds."""
    if member.quota_used + member.quota_reserved + more > MOST_COUNTED:
        raise storage.refusal(member.pk, more)
    if member.quota_daily is None:
        return
    used = registered_today(member)
    if used + member.quota_reserved + more > member.quota_daily:
        raise MomentryError(
            "storage_quota_exceeded", window="day", quota=member.quota_daily,
            used=used, reserved=member.quota_reserved, requested=more,
        )  # fmt: skip
