"""Refusals become events, coalesced: the first of an hour is told at once, the others together
when the hour is over. By code, client's network, key and staff; what is in the rows is told
once.

What a door refused is written to ``events_refusal`` in the transaction of its request log row (by a
trigger, apikeys.0015), or by ``note`` where there is no such row. The relay takes rows away in the
transaction that counts and tells them, so it may be killed at any time, and rows may come late.
"""

import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import Error, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from events.kinds import Kind
from events.refusalmodels import Refusal, RefusalTally
from events.refusalrows import count_rows
from events.services import record
from momentry.common import request_id
from momentry.common.throttle import UNKNOWN, block_of

logger = logging.getLogger(__name__)

ANONYMOUS: Final = "anonymous"
LOCK: Final = 7_305_114_210  # any number that nobody else locks
BATCH: Final = 2000
HOUR: Final = timedelta(hours=1)
SETTLE: Final = timedelta(minutes=1)  # an hour is told so long after its end
LATE: Final = HOUR  # how long rows of an hour that was told are waited for
MOST: Final = 500
"""Networks told apart of one code in an hour; the others share one tally. Whoever owns a wide
network must not fill the events."""
SAMPLES: Final = 5


def note(code: str, *, address: str, staff: UUID | None = None) -> None:
    """What a door refused that leaves no row in the request log. ``staff``: whose session. Who is
    refused is told so though it cannot be noted: the log says it then."""
    known = block_of(address) != UNKNOWN
    current = request_id.current.get()
    try:
        with transaction.atomic():  # a failure leaves the caller's transaction as it was
            Refusal.objects.create(
                at=timezone.now(),
                code=code,
                request_id=UUID(current) if current else None,
                client_address=address.partition("%")[0] if known else None,
                staff_id=staff,
            )
    except Error as error:
        why = {"code": code, "error": type(error).__name__}
        logger.warning("a refusal is not noted", extra=why)


@transaction.atomic
def tell_refusals(now: datetime) -> int:
    """How many rows were taken in: BATCH when there may be more. One relay at a time looks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
    taken = count_rows(BATCH, most=MOST, samples=SAMPLES)
    if taken:
        tell(RefusalTally.objects.filter(count__gt=0, told_at=None), told_at=now)
    if taken < BATCH:  # else more of the same hours wait to be counted
        end_hours(now)
    return taken


def end_hours(now: datetime) -> None:
    """The rest of the hours that are over; of rows that come later each hour's together. Tallies
    stay until nothing more is likely to come: without one the next row would be a first again."""
    over = RefusalTally.objects.filter(hour__lte=now - HOUR - SETTLE)
    ago = now - HOUR
    tell(over.filter(Q(ended_at=None) | Q(ended_at__lte=ago), count__gt=0), ended_at=now)
    quiet = Q(told_at__lte=ago) & (Q(ended_at=None) | Q(ended_at__lte=ago))
    over.filter(quiet, hour__lte=now - LATE - HOUR - SETTLE, count=0).delete()


def tell(tallies: QuerySet[RefusalTally], **noted: datetime) -> None:
    """What was not told yet."""
    told = [event_of(tally) for tally in tallies.order_by("pk")]
    if told:
        RefusalTally.objects.filter(pk__in=told).update(count=0, **noted)


def event_of(tally: RefusalTally) -> int:
    """A key that is known proved itself: it is refused for another cause."""
    whose = whose_of(tally)
    record(
        Kind.AUTH_REFUSED,
        actor=whose or ANONYMOUS,
        subject=whose or f"auth:{tally.code}",
        code=tally.code,
        network=tally.network,
        count=tally.count,
        first_at=tally.first_at,
        last_at=tally.last_at,
        requests=tally.requests,
        member=tally.member_id.hex if tally.member_id else None,
    )
    return tally.pk


def whose_of(tally: RefusalTally) -> str:
    if tally.staff_id:
        return f"staff:{tally.staff_id}"
    return f"key:{tally.key_id.hex}" if tally.key_id else ""
