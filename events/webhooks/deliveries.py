"""Deliveries as the relay takes them in hand and brings them to an end. Several relays may do so:
whoever holds another lease of a row later has taken it over.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import DataError, connection
from django.utils import timezone

from events.hookmodels import WebhookEndpoint
from events.models import Event
from events.webhooks.payload import payload_of
from events.webhooks.signing import key_of
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.veil import veils

logger = logging.getLogger(__name__)

LEASE_SECONDS: Final = 45  # longer than one attempt and its end take
# Who takes a row makes all deliveries of it or none. Of endpoints that are gone there are none.
EXPAND: Final = """
WITH taken AS (
    DELETE FROM events_webhookfanout WHERE event IN (
        SELECT event FROM events_webhookfanout ORDER BY event LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING event, kind, endpoints, created_at
)
INSERT INTO events_webhookdelivery
       (id, endpoint_id, event_id, kind, created_at, next_attempt_at, attempts)
SELECT momentry_uuid7(), e.id, t.event, t.kind, t.created_at, t.created_at, '[]'
  FROM taken t CROSS JOIN unnest(t.endpoints) AS told (id)
  JOIN events_webhookendpoint e ON e.id = told.id
    ON CONFLICT DO NOTHING
"""
EVENTS: Final = 200  # at once: as many times a hundred rows or so
# Of each endpoint as many as it has room for, so that none stands in another's way however much
# waits for it; in another order each time, so that none is always first.
CLAIM: Final = """
WITH room AS MATERIALIZED (
    SELECT e.id, %(each)s - coalesce(taken.busy, 0) AS free
      FROM events_webhookendpoint e
      LEFT JOIN unnest(%(endpoints)s::uuid[], %(busy)s::int[]) AS taken (id, busy) USING (id)
     WHERE e.disabled_at IS NULL
       AND (e.succeeded_at IS NOT NULL AND e.failing_since IS NULL) = %(proven)s
     ORDER BY random()
), due AS MATERIALIZED (
    SELECT one.id FROM room CROSS JOIN LATERAL (
        SELECT d.id FROM events_webhookdelivery d
         WHERE d.endpoint_id = room.id AND d.delivered_at IS NULL AND d.failed_at IS NULL
           AND d.next_attempt_at <= statement_timestamp()
           AND (d.leased_until IS NULL OR d.leased_until <= statement_timestamp())
         ORDER BY d.next_attempt_at LIMIT greatest(room.free, 0) FOR UPDATE SKIP LOCKED
    ) one LIMIT %(most)s
)
UPDATE events_webhookdelivery d
   SET lease = gen_random_uuid(),
       leased_until = statement_timestamp() + make_interval(secs => %(lease)s)
  FROM due WHERE d.id = due.id
RETURNING d.id, d.lease, d.endpoint_id, d.event_id, d.tries
"""
# A row that was taken over meanwhile has another lease, and is its new holder's.
SETTLE: Final = """
UPDATE events_webhookdelivery d
   SET tries = d.tries + 1, lease = NULL, leased_until = NULL,
       attempts = CASE WHEN jsonb_array_length(d.attempts) < %(most)s THEN d.attempts
                       ELSE d.attempts - 0 END || jsonb_build_array(told.attempt),
       last_status = told.status, last_error = told.error,
       delivered_at = CASE WHEN told.arrived THEN statement_timestamp() END,
       failed_at = CASE WHEN NOT told.arrived AND told.delay IS NULL THEN statement_timestamp() END,
       next_attempt_at = CASE WHEN told.delay IS NULL THEN d.next_attempt_at
                              ELSE statement_timestamp() + make_interval(secs => told.delay) END
  FROM jsonb_to_recordset(%(told)s::jsonb) AS told (
       id uuid, lease uuid, attempt jsonb, status int, error text, arrived bool, delay float8)
 WHERE d.id = told.id AND d.lease = told.lease
"""
RELEASE: Final = """
UPDATE events_webhookdelivery SET lease = NULL, leased_until = NULL
 WHERE (id, lease) IN (SELECT * FROM unnest(%s::uuid[], %s::uuid[]))
"""
MOST_ATTEMPTS: Final = 50  # kept of one delivery, with those of its redeliveries


class Claim(NamedTuple):
    delivery: UUID
    lease: UUID
    endpoint: UUID
    event: UUID
    tries: int


@veils("url", "keys", "body")
class Parcel(NamedTuple):
    """A claim with what is sent; ``fault`` says why it cannot be, ``is_lost`` that it never can."""

    claim: Claim
    url: str = ""
    keys: Sequence[bytes] = ()
    body: bytes = b""
    fault: str = ""
    is_lost: bool = False


class Room(NamedTuple):
    """``each``: at one endpoint at once; ``most``: at all of them, now. ``proven``: for endpoints
    whose last attempt succeeded, or for all others."""

    proven: bool
    each: int
    most: int


def expand() -> int:
    """Events become deliveries: how many."""
    with connection.cursor() as cursor:
        cursor.execute(EXPAND, [EVENTS])
        return int(cursor.rowcount)


def claim(room: Room, busy: Mapping[UUID, int]) -> list[Claim]:
    """What is due and fits, for LEASE_SECONDS. ``busy``: how many are in hand, by endpoint."""
    given: dict[str, Any] = {
        "proven": room.proven, "each": room.each, "most": room.most, "lease": LEASE_SECONDS,
        "endpoints": list(busy), "busy": list(busy.values()),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, given)
        return [Claim(*row) for row in cursor.fetchall()]


def pack(claims: Sequence[Claim]) -> list[Parcel]:
    """Two statements, however many they are."""
    endpoints = WebhookEndpoint.objects.in_bulk({each.endpoint for each in claims})
    events = Event.objects.in_bulk({each.event for each in claims})
    return [parcel(each, endpoints.get(each.endpoint), events.get(each.event)) for each in claims]


def parcel(claim: Claim, endpoint: WebhookEndpoint | None, event: Event | None) -> Parcel:
    if endpoint is None or event is None:
        return Parcel(claim, fault="Its event is gone.", is_lost=True)
    try:
        keys = [key_of(secret) for secret in endpoint.secrets(timezone.now())]
        return Parcel(claim, endpoint.url, keys, payload_of(event))
    except EnvelopeError:
        return Parcel(claim, fault="It is sealed under a key that the ring lacks.")
    except ValueError:  # whoever wrote that, it was no service
        return Parcel(claim, fault="Its secret or its event is not readable.")
    except Exception as error:  # the outermost of one delivery: the others are sent
        logger.exception("delivery not made", extra={"delivery": str(claim.delivery)})
        return Parcel(claim, fault=f"defect: {type(error).__name__}")


class Ended(NamedTuple):
    """One attempt. ``delay``: seconds until the next; None when there is none. ``is_theirs``: the
    endpoint was asked, so that it says something of it."""

    claim: Claim
    at: str
    milliseconds: int
    status: int | None
    error: str
    arrived: bool
    delay: float | None
    is_theirs: bool = True

    def told(self) -> dict[str, Any]:
        attempt = {
            "at": self.at, "status": self.status, "milliseconds": self.milliseconds,
            "error": self.error,
        }  # fmt: skip
        return {
            "id": str(self.claim.delivery), "lease": str(self.claim.lease), "attempt": attempt,
            "status": self.status, "error": self.error, "arrived": self.arrived,
            "delay": self.delay,
        }  # fmt: skip


def settle(ended: Sequence[Ended]) -> None:
    """All of them in one statement; when the database does not take that, each by itself."""
    try:
        write_down(ended)
    except DataError as error:
        logger.warning("settled one by one", extra={"error": type(error).__name__})
        for each in ended:
            settle_alone(each)


def settle_alone(each: Ended) -> None:
    """What was answered is not kept when nobody can write it down; whether it arrived is."""
    try:
        write_down([each])
    except DataError as error:
        fault = f"defect: {type(error).__name__}"
        write_down([each._replace(status=None, error="" if each.arrived else fault)])


def write_down(ended: Sequence[Ended]) -> None:
    told = json.dumps([each.told() for each in ended])
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, {"told": told, "most": MOST_ATTEMPTS})


def release(claims: Iterable[Claim]) -> None:
    """What was not sent to its end is anybody's again, without waiting for its lease."""
    pairs = [(each.delivery, each.lease) for each in claims]
    if not pairs:
        return
    deliveries, leases = zip(*pairs, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, [list(deliveries), list(leases)])
