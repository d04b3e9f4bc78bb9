"""What time does to keys: rotations fall due, and keys that ended long ago become tombstones.

Both are safe to run twice and at once.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Coalesce, Concat, Least, Replace

from apikeys.models import ApiKey, ForeignSecret, Grant, LimitOverride, RetiredSecret
from apikeys.services.life import ALIVE
from events.kinds import Kind
from events.models import Event
from events.services import forget_details, record

BATCH: Final = 500


def purgeable(now: datetime, age: timedelta) -> QuerySet[ApiKey]:
    """Keys that ended (revoked, quarantined or expired, whichever came first) that long ago."""
    ended = Least("revoked_at", "quarantined_at", "expires_at")
    return ApiKey.objects.filter(purged_at=None).alias(ended=ended).filter(ended__lte=now - age)


def purge_keys(now: datetime, age: timedelta, *, actor: str) -> int:
    """Reduce them to tombstones; how many there were. One transaction per batch."""
    purged = 0
    while found := list(purgeable(now, age).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        purged += purge_batch(found, now, age, actor)
    return purged


@transaction.atomic
def purge_batch(ids: list[UUID], now: datetime, age: timedelta, actor: str) -> int:
    """Id, owner, type, times and prefix stay. It counts as revoked: nothing claims it anew."""
    rows = purgeable(now, age).filter(pk__in=ids)
    locked = list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
    ApiKey.objects.filter(pk__in=locked).update(
        digest=None,
        name="",
        description="",
        metadata={},
        scopes=[],
        allowed_networks=[],
        rotation_due_at=None,
        template=None,
        revoked_at=Coalesce("revoked_at", Value(now)),
        purged_at=now,
        version=F("version") + 1,
    )
    RetiredSecret.objects.filter(key_id__in=locked).delete()
    ForeignSecret.objects.filter(key_id__in=locked).delete()
    Grant.objects.filter(key_id__in=locked).delete()
    LimitOverride.objects.filter(key_id__in=locked).delete()
    forget_details([f"key:{key_id.hex}" for key_id in locked])
    for key_id in locked:
        record(Kind.APIKEY_PURGED, actor=actor, subject=f"key:{key_id.hex}")
    return len(locked)


def rotation_overdue(now: datetime) -> QuerySet[ApiKey]:
    """Usable keys whose rotation is due and of which no event says so since it is."""
    hex_id = Replace(Cast("pk", CharField()), Value("-"), Value(""))
    told = Event.objects.filter(
        kind=Kind.APIKEY_ROTATION_REQUIRED,
        subject=Concat(Value("key:"), OuterRef("hex_id"), output_field=CharField()),
        occurred_at__gte=OuterRef("rotation_due_at"),
    )
    unexpired = Q(expires_at=None) | Q(expires_at__gt=now)
    due = ApiKey.objects.filter(unexpired, rotation_due_at__lte=now, **ALIVE)
    return due.alias(hex_id=hex_id).filter(~Exists(told))


def require_rotations(now: datetime, *, actor: str) -> int:
    """Record each due rotation once per due date; how many there were."""
    due = list(rotation_overdue(now).order_by("pk").values_list("pk", flat=True))
    return sum(require_rotation(key_id, now, actor) for key_id in due)


@transaction.atomic
def require_rotation(key_id: UUID, now: datetime, actor: str) -> bool:
    """The row's lock lets one run look and record at a time."""
    if not ApiKey.objects.select_for_update().filter(pk=key_id).exists():
        return False
    key = rotation_overdue(now).filter(pk=key_id).first()
    if key is None:
        return False
    record(
        Kind.APIKEY_ROTATION_REQUIRED,
        actor=actor,
        subject=f"key:{key_id.hex}",
        due_at=key.rotation_due_at,
    )
    return True
