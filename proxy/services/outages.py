"""What gateway processes say of their targets, told once: rows that come and go become events."""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from events.kinds import Kind
from events.services import record
from momentry.common.models import FenceProcess
from proxy.models import DownTarget, Outage, Target

ACTOR: Final = "gateway"
LOCK: Final = 7_305_114_209  # any number that nobody else locks


class Down(NamedTuple):
    since: datetime
    reason: str


@transaction.atomic
def tell_outages() -> int:
    """How many targets went down or came up since the last look: each is an event. A target is down
    while any process that lives has put it out. Called every second by each relay; one at a time
    looks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
    forget_the_dead()
    found = outages()
    told = set(DownTarget.objects.values_list("target_id", flat=True))
    targets = Target.objects.select_related("upstream").in_bulk(set(found) ^ told)
    for key in found.keys() - told:
        if key in targets:
            tell_down(targets[key], found[key])
    for key in told - found.keys():
        DownTarget.objects.filter(target_id=key).delete()
        if key in targets:
            tell(Kind.UPSTREAM_UP, targets[key])
    return len(targets)


def forget_the_dead() -> None:
    """Rows of processes that ended without a word, and of targets that are no more."""
    live = FenceProcess.objects.filter(expires_at__gt=Now()).values("id")
    Outage.objects.exclude(process__in=live).delete()
    Outage.objects.exclude(target__in=Target.objects.filter(is_active=True)).delete()


def outages() -> dict[UUID, Down]:
    found: dict[UUID, Down] = {}
    for row in Outage.objects.order_by("since"):
        found.setdefault(row.target_id, Down(row.since, row.reason))
    return found


def tell_down(target: Target, down: Down) -> None:
    DownTarget.objects.create(target=target, since=down.since, reason=down.reason)
    tell(Kind.UPSTREAM_DOWN, target, reason=down.reason, since=down.since)


def tell(kind: Kind, target: Target, **details: object) -> None:
    subject = f"upstream:{target.upstream.slug}"
    record(kind, actor=ACTOR, subject=subject, target=target.base_url, **details)
