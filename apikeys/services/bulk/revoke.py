"""Revoke every key that conditions hold for, in one transaction, after a look at what would go."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.services.bulk.batches import Tell, quiet
from apikeys.services.bulk.select import Conditions, matching
from apikeys.services.life import ALIVE
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

SHOWN: Final = 100
STEP: Final = 500


class Revoked(NamedTuple):
    """``shown``: the first keys of those that matched, with their owners."""

    matched: int
    revoked: int
    shown: list[ApiKey]


def revocable(conditions: Conditions) -> QuerySet[ApiKey]:
    """Keys that would go: those that ended (revoked, quarantined) are none of them."""
    if not conditions.given:
        problem = {"detail": "at least one condition is needed", "pointer": "#/conditions"}
        raise MomentryError("invalid_input", errors=[problem])
    return matching(conditions, timezone.now()).filter(**ALIVE).order_by("pk")


@transaction.atomic
def revoke_batch(
    conditions: Conditions,
    *,
    actor: str,
    expect: int | None = None,
    dry_run: bool = False,
    tell: Tell = quiet,
) -> Revoked:
    """MomentryError invalid_input without a condition, conflict when ``expect`` is another number.

    Rows are locked in the order of their ids, so that two batches wait and never deadlock.
    """
    rows = revocable(conditions)
    locked = rows if dry_run else rows.select_for_update(no_key=True)
    ids = list(locked.values_list("pk", flat=True))
    if expect is not None and expect != len(ids):
        detail = f"{len(ids)} keys match, not {expect}; nothing was revoked."
        raise MomentryError("conflict", detail, matched=len(ids))
    shown = list(ApiKey.objects.filter(pk__in=ids[:SHOWN]).select_related("owner").order_by("pk"))
    return Revoked(len(ids), 0 if dry_run else end(ids, actor, tell), shown)


def end(ids: Sequence[UUID], actor: str, tell: Tell) -> int:
    now = timezone.now()
    for start in range(0, len(ids), STEP):
        some = ids[start : start + STEP]
        ApiKey.objects.filter(pk__in=some).update(revoked_at=now, version=F("version") + 1)
        for key_id in some:
            record(Kind.APIKEY_REVOKED, actor=actor, subject=f"key:{key_id.hex}", batch=len(ids))
        tell(start + len(some))
    return len(ids)
