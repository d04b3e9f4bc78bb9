"""Refusals become events, coalesced: the first of an hour is told at once, the others together
when the hour is over. By code, client's network, key and staff; none is lost, none is told twice.

What a door refuses is written to ``events_refusal`` in the transaction of its request log row (by a
trigger, apikeys.0015), or by ``note`` where there is no such row. The relay takes rows away in the
transaction that counts and tells them, so it may be killed at any time, and rows may come late.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from events.kinds import Kind
from events.refusalmodels import Refusal, RefusalTally
from events.services import record
from momentry.common import request_id
from momentry.common.throttle import UNKNOWN, block_of

ANONYMOUS: Final = "anonymous"
LOCK: Final = 7_305_114_210  # any number that nobody else locks
BATCH: Final = 2000
HOUR: Final = timedelta(hours=1)
SETTLE: Final = timedelta(minutes=1)  # an hour is told so long after its end
MOST: Final = 500
"""Networks told apart of one code in an hour; the others share one tally. Whoever owns a wide
network must not fill the events."""
SAMPLES: Final = 5
TAKE: Final = """
DELETE FROM events_refusal
 WHERE id IN (SELECT id FROM events_refusal ORDER BY id LIMIT %s)
RETURNING at, code, request_id, host(client_address), key_id, member_id, staff_id, count
"""
Who = UUID | None
Place = tuple[datetime, str, str, Who, Who]  # hour, code, network, key, staff


def note(code: str, *, address: str, staff: Who = None) -> None:
    """What a door refused that leaves no row in the request log. ``staff``: whose session."""
    known = block_of(address) != UNKNOWN
    current = request_id.current.get()
    Refusal.objects.create(
        at=timezone.now(),
        code=code,
        request_id=UUID(current) if current else None,
        client_address=address.partition("%")[0] if known else None,
        staff_id=staff,
    )


@transaction.atomic
def tell_refusals(now: datetime) -> int:
    """How many rows were taken in: BATCH when there may be more. One relay at a time looks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(TAKE, [BATCH])
        rows = cursor.fetchall()
    if rows:
        count_all(rows)
        for tally in RefusalTally.objects.filter(count__gt=0, told_at=None).order_by("pk"):
            tell(tally, now)
    end_hours(now)
    return len(rows)


def count_all(rows: Iterable[Any]) -> None:
    """Into tallies, which are there or made."""
    rows = list(rows)
    hours = {hour_of(row[0]) for row in rows}
    tallies = {place_of(each): each for each in RefusalTally.objects.filter(hour__in=hours)}
    changed: dict[Place, RefusalTally] = {}
    for at, code, request, address, key_id, member_id, staff_id, count in rows:
        place = room(tallies, (hour_of(at), code, network_of(address), key_id, staff_id))
        tally = tallies.get(place)
        if tally is None:
            tally = tallies[place] = RefusalTally(
                hour=place[0], code=code, network=place[2], key_id=key_id, member_id=member_id,
                staff_id=staff_id,
            )  # fmt: skip
        add(tally, at, request, count)
        changed[place] = tally
    for tally in changed.values():
        tally.save()


def room(tallies: dict[Place, RefusalTally], place: Place) -> Place:
    """Where it is counted: beyond MOST networks with those of all the others. Keys and staff are
    not so many that they need it."""
    hour, code, _, *known = place
    if any(known) or place in tallies:
        return place
    same = sum(other[:2] == (hour, code) and not any(other[3:]) for other in tallies)
    return place if same < MOST else (hour, code, "", None, None)


def add(tally: RefusalTally, at: datetime, request: UUID | None, count: int) -> None:
    if not tally.count:
        tally.first_at = tally.last_at = at
        tally.requests = []
    tally.first_at, tally.last_at = min(tally.first_at, at), max(tally.last_at, at)
    tally.count += count
    if request is not None and len(tally.requests) < SAMPLES:
        tally.requests = [*tally.requests, str(request)]


def tell(tally: RefusalTally, now: datetime) -> None:
    """What was not told yet. A key that is known proved itself: it is refused for another cause."""
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
    tally.count, tally.told_at = 0, tally.told_at or now
    tally.save(update_fields=["count", "told_at"])


def whose_of(tally: RefusalTally) -> str:
    if tally.staff_id:
        return f"staff:{tally.staff_id}"
    return f"key:{tally.key_id.hex}" if tally.key_id else ""


def end_hours(now: datetime) -> None:
    """The rest of the hours that are over. A row that comes later still makes a tally anew."""
    over = RefusalTally.objects.filter(hour__lte=now - HOUR - SETTLE)
    for tally in over.filter(count__gt=0).order_by("pk"):
        tell(tally, now)
    over.delete()


def hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def network_of(address: str | None) -> str:
    found = block_of(address or "")
    return "" if found == UNKNOWN else found


def place_of(tally: RefusalTally) -> Place:
    return tally.hour, tally.code, tally.network, tally.key_id, tally.staff_id
