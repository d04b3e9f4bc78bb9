"""What is left of a member long after the deletion: a tombstone, so that neither the WordPress
user nor the SFTPGo name and home come back as somebody else. Safe to run twice and at once."""

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from accounts import services as accounts
from accounts.models import LIVE, Status, User
from apikeys.models import ApiKey, Grant, LimitOverride
from events.models import Mail
from momentry.common.errors import MomentryError
from momentry.purges import DELETE, REASSIGN
from provisioning.models import ClaimLink
from provisioning.services import tasks
from videos.services import leaving
from videos.services.library import lock_members

BATCH: Final = 200


def purgeable(now: datetime, age: timedelta) -> QuerySet[User]:
    """Members who were deleted that long ago."""
    deleted = Coalesce(F("deleted_at"), F("updated_at"))
    rows = User.objects.filter(status=Status.DELETED, purged_at=None)
    return rows.alias(deleted=deleted).filter(deleted__lte=now - age)


def purge_members(now: datetime, age: timedelta, *, actor: str) -> int:
    """How many there were. One transaction for each. MomentryError conflict, and nobody is
    purged, where their videos go to a member who is not there."""
    find_heir()
    purged = 0
    last = None
    while True:
        rows = purgeable(now, age).order_by("pk")
        found = list((rows.filter(pk__gt=last) if last else rows)[:BATCH])
        if not found:
            return purged
        purged += sum(purge_member(member, now, age, actor=actor) for member in found)
        last = found[-1].pk


@transaction.atomic
def purge_member(member: User, now: datetime, age: timedelta, *, actor: str) -> bool:
    """False when somebody else did it, or restored the member meanwhile."""
    heir = find_heir()
    lock_members({member.pk, heir.pk} if heir else {member.pk})
    accounts.hold(member)
    if not purgeable(now, age).filter(pk=member.pk).exists():
        return False
    leave_videos(member, heir, actor)
    accounts.erase(member, actor=actor)
    forget_addresses(member)
    Grant.objects.filter(member=member).delete()
    LimitOverride.objects.filter(member=member).delete()
    tasks.want_gone(member)
    return True


def find_heir() -> User | None:
    """Who gets the videos, where the settings name somebody."""
    policy, name = settings.MEMBER_PURGE_VIDEOS
    if policy != REASSIGN:
        return None
    members = User.objects.filter(status__in=LIVE, is_staff=False)
    heir = members.filter(username__iexact=name).first()
    if heir is None:
        raise MomentryError("conflict", "MEMBER_PURGE_VIDEOS_OWNER names no member.")
    return heir


def leave_videos(member: User, heir: User | None, actor: str) -> None:
    """Before the name is erased: it stays beside each video, so that staff know whose it was."""
    if heir is not None:
        leaving.reassign(member, member.username, heir, actor=actor)
    elif settings.MEMBER_PURGE_VIDEOS.policy == DELETE:
        leaving.delete(member, actor=actor)
    else:
        leaving.keep(member, member.username, actor=actor)


def forget_addresses(member: User) -> None:
    """Whom its letters went to. One that was never sent goes: there is nobody left to read it."""
    keys = ApiKey.objects.filter(owner=member)
    claims = [pk.hex for pk in ClaimLink.objects.filter(key__in=keys).values_list("pk", flat=True)]
    of_member = Q(context__member=member.pk.hex) | Q(context__claim__in=claims)
    Mail.objects.filter(of_member, sent_at=None).delete()
    for letter in Mail.objects.filter(of_member).select_for_update():
        letter.recipient = letter.locale = ""
        letter.save(update_fields=["recipient", "locale"])
