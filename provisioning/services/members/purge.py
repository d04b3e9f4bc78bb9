"""What is left of a member long after the deletion: a tombstone, so that neither the WordPress
user nor the SFTPGo name and home come back as somebody else. Safe to run twice and at once."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from accounts import services as accounts
from accounts.models import Status, User
from apikeys.models import ApiKey, Grant, LimitOverride
from events.models import Mail
from provisioning.models import ClaimLink
from provisioning.services import tasks

BATCH: Final = 200


def purgeable(now: datetime, age: timedelta) -> QuerySet[User]:
    """Members who were deleted that long ago."""
    deleted = Coalesce(F("deleted_at"), F("updated_at"))
    rows = User.objects.filter(status=Status.DELETED, purged_at=None)
    return rows.alias(deleted=deleted).filter(deleted__lte=now - age)


def purge_members(now: datetime, age: timedelta, *, actor: str) -> int:
    """How many there were. One transaction for each."""
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
    accounts.hold(member)
    if not purgeable(now, age).filter(pk=member.pk).exists():
        return False
    accounts.erase(member, actor=actor)
    forget_addresses(member)
    Grant.objects.filter(member=member).delete()
    LimitOverride.objects.filter(member=member).delete()
    tasks.want_gone(member)
    return True


def forget_addresses(member: User) -> None:
    """Whom its letters went to. One that was never sent goes: there is nobody left to read it."""
    keys = ApiKey.objects.filter(owner=member)
    claims = [pk.hex for pk in ClaimLink.objects.filter(key__in=keys).values_list("pk", flat=True)]
    of_member = Q(context__member=member.pk.hex) | Q(context__claim__in=claims)
    Mail.objects.filter(of_member, sent_at=None).delete()
    for letter in Mail.objects.filter(of_member).select_for_update():
        letter.recipient = letter.locale = ""
        letter.save(update_fields=["recipient", "locale"])
