"""The queue as workers see it: the best step that waits, with its job's others, under a lease.

The best is of the highest priority, then the one that has been due for longest. Each processor has
its own stretch of the index ``step_next``, in that order: a claim reads the first entry of each.
"""

import time
import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from videos.models import ProcessingJob
from videos.services.leases import expire_leases

# Locks one job, and passes over those that others are just changing. What it locks is looked at
# again as it is then: a step that was claimed since the statement began is passed over too.
PICK: Final = """
WITH heads AS MATERIALIZED (
    SELECT wanted.processor
      FROM unnest(%(processors)s::varchar[]) AS wanted (processor)
     CROSS JOIN LATERAL (
        SELECT job_priority, due_at, id FROM videos_processingstep
         WHERE state = 'queued' AND processor = wanted.processor
           AND due_at <= statement_timestamp()
         ORDER BY job_priority DESC, due_at, id LIMIT 1) AS best
     ORDER BY best.job_priority DESC, best.due_at, best.id
)
SELECT found.job_id
  FROM heads
 CROSS JOIN LATERAL (
    SELECT step.job_id
      FROM videos_processingstep AS step
      JOIN videos_processingjob AS job ON job.id = step.job_id
     WHERE step.state = 'queued' AND step.processor = heads.processor
       AND step.due_at <= statement_timestamp()
     ORDER BY step.job_priority DESC, step.due_at, step.id LIMIT 1
       FOR NO KEY UPDATE OF step, job SKIP LOCKED) AS found
 LIMIT 1
"""
TAKE: Final = """
WITH at_work AS (
    UPDATE videos_processingjob SET state = 'running', updated_at = statement_timestamp()
     WHERE id = %(job)s AND state <> 'running'
)
UPDATE videos_processingstep
   SET state = 'running', lease = %(lease)s, last_lease = NULL, worker = %(worker)s,
       leased_until = statement_timestamp() + make_interval(secs => %(seconds)s),
       attempts = attempts + 1, progress = 0, updated_at = statement_timestamp()
 WHERE job_id = %(job)s AND state = 'queued' AND processor = ANY(%(processors)s)
   AND due_at <= statement_timestamp()
RETURNING processor, attempts, leased_until
"""
READY: Final = """
SELECT wanted.processor, count(*)
  FROM unnest(%(processors)s::varchar[]) AS wanted (processor)
 CROSS JOIN LATERAL (
    SELECT FROM videos_processingstep
     WHERE state = 'queued' AND processor = wanted.processor AND due_at <= statement_timestamp()
     LIMIT %(most)s) AS waiting
 GROUP BY wanted.processor
"""
LOOK_SECONDS: Final = 1.0
ACTOR: Final = "queue"


class Claim(NamedTuple):
    """``attempts``: by processor, this one included."""

    job: ProcessingJob
    lease: UUID
    leased_until: datetime
    attempts: dict[str, int]


class Lookout:
    """Leases that ran out are looked for by claims that find nothing, but not by each."""

    def __init__(self) -> None:
        self.next = 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self.next:
            return False
        self.next = now + LOOK_SECONDS
        return True


lookout = Lookout()


def claim(processors: Collection[str], *, worker: str, seconds: int, actor: str) -> Claim | None:
    """What ``worker`` shall do next, its own for ``seconds``; None when nothing waits for it."""
    found = take_best(processors, worker, seconds)
    if found is None and lookout.is_due() and expire_leases(actor=actor):
        found = take_best(processors, worker, seconds)
    return found


@transaction.atomic
def take_best(processors: Collection[str], worker: str, seconds: int) -> Claim | None:
    values: dict[str, Any] = {
        "processors": sorted(processors),
        "worker": worker,
        "seconds": seconds,
    }
    with connection.cursor() as cursor:
        cursor.execute(PICK, values)
        row = cursor.fetchone()
        if row is None:
            return None
        lease = uuid.uuid4()  # a secret between us and the worker: uuid7 says when it was made
        cursor.execute(TAKE, {**values, "job": row[0], "lease": lease})
        taken = cursor.fetchall()
    return Claim(
        ProcessingJob.objects.select_related("video").get(pk=row[0]),
        lease,
        leased_until=taken[0][2],
        attempts={processor: attempts for processor, attempts, _ in sorted(taken)},
    )


def look(processors: Collection[str], most: int) -> dict[str, int]:
    """How many steps wait for each, counted up to ``most``; for a thread of its own, which keeps no
    connection. Where all workers wait, nobody else sees to leases that ran out."""
    try:
        if lookout.is_due():
            expire_leases(actor=ACTOR)
        return ready(processors, most)
    finally:
        connection.close()


def ready(processors: Collection[str], most: int) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(READY, {"processors": sorted(processors), "most": most})
        return dict(cursor.fetchall())
