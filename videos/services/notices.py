"""Who is told that the storage is filling up, once for each crossing of a level.

Members' counters and what was said of them are all that is read; no video is. A member's row is
locked while it is decided, but not written: neither its version nor its other systems notice.
"""

from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Status, User
from accounts.services.fullness import filled
from events import mail
from events.kinds import Kind
from events.services import record
from videos.models import StorageNotice
from videos.noticemodels import LEVELS

KINDS: Final = {80: Kind.QUOTA_80, 95: Kind.QUOTA_95, 100: Kind.QUOTA_100}
MARGIN: Final = 5
"""Per cent of the quota below a level from which on it may be said again: who uploads and deletes
around it is not told each time."""
BATCH: Final = 200


def due() -> QuerySet[User]:
    """Who reached a level that was not said yet, or fell well below one that was."""
    changed = Q()
    for level in LEVELS:
        said = Exists(StorageNotice.objects.filter(member=OuterRef("pk"), level=level))
        tellable = filled(level) & Q(status=Status.ACTIVE, is_staff=False)
        changed |= tellable & ~said | ~filled(level - MARGIN) & said
    return User.objects.filter(changed)


def notify_storage(*, actor: str) -> int:
    """How many members were told something. One transaction for each; safe twice and at once."""
    told = 0
    last: UUID | None = None
    while True:
        rows = due().order_by("pk")
        ids = list(
            (rows.filter(pk__gt=last) if last else rows).values_list("pk", flat=True)[:BATCH]
        )
        if not ids:
            return told
        told += sum(notify_member(pk, actor=actor) for pk in ids)
        last = ids[-1]


@transaction.atomic
def notify_member(member_id: UUID, *, actor: str) -> bool:
    """Forget what is over, say what is new: an event for each level, one letter for the highest."""
    rows = User.objects.select_for_update(no_key=True).filter(pk=member_id)
    member = rows.first()
    if member is None:
        return False
    notices = StorageNotice.objects.filter(member=member)
    over = [level for level in LEVELS if not reached(member, level - MARGIN)]
    notices.filter(level__in=over).delete()
    if member.status != Status.ACTIVE or member.is_staff:
        return False
    said = set(notices.values_list("level", flat=True))
    new = [level for level in LEVELS if reached(member, level) and level not in said]
    for level in new:
        say(member, level, actor)
    if new and member.email:
        mail.queue(
            f"quota_{new[-1]}",
            recipient=member.email,
            locale=member.locale,
            member=member.pk.hex,
        )
    return bool(new)


def reached(member: User, per_cent: int) -> bool:
    """As filled() asks the database."""
    quota, used = member.quota_size, member.quota_used
    return quota is not None and used > 0 and used * 100 >= quota * per_cent


def say(member: User, level: int, actor: str) -> None:
    StorageNotice.objects.create(member=member, level=level)
    record(
        KINDS[level],
        actor=actor,
        subject=f"member:{member.pk.hex}",
        used=member.quota_used,
        quota=member.quota_size,
    )
