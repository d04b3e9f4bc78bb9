"""What a member may still store, to be told: in all, and in any 24 hours."""

from collections.abc import Callable
from typing import Final, NamedTuple
from uuid import UUID

from accounts.models import User
from accounts.services.storage import Storage


class Daily(NamedTuple):
    """Bytes; ``used``: registered in the last 24 hours, and on their way."""

    quota: int
    used: int


class Allowance(NamedTuple):
    storage: Storage
    daily: Daily | None


class DayCounter:
    """Who counts the bytes of the last 24 hours; the app of videos says so at start."""

    counted: Callable[[User], int] = staticmethod(lambda _: 0)

    def register(self, counted: Callable[[User], int]) -> None:
        self.counted = counted


day: Final = DayCounter()


def allowance_of(member_id: UUID) -> Allowance:
    """As it stands; of an unknown member User.DoesNotExist."""
    fields = ("quota_size", "quota_used", "quota_reserved", "quota_daily")
    return allowance_in(User.objects.only(*fields).get(pk=member_id))


def allowance_in(member: User) -> Allowance:
    """As this row has it, whose figures are those of now."""
    stored = Storage(member.quota_size, member.quota_used, member.quota_reserved)
    if member.quota_daily is None:
        return Allowance(stored, None)
    used = day.counted(member) + member.quota_reserved
    return Allowance(stored, Daily(member.quota_daily, used))
