"""Runs of scheduled work in the database: opened by beat, claimed by one worker, ended once.

Times are the database's: workers' clocks may differ. A run whose worker was killed loses its lease
and is sent again; what a run does is safe to be done twice, so a late first worker does no harm.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from momentry.common.jobmodels import Outcome

LEASE_SECONDS: Final = 60.0
RENEW_SECONDS: Final = 15.0
RESEND_SECONDS: Final = 120.0  # for a message that nobody took, or that was lost; then doubled
RETRY_SECONDS: Final = 700.0  # longer than the longest pause between two tries
MOST_TRIES: Final = 5
SAID_LENGTH: Final = 200


class Order(NamedTuple):
    """What a message asks for. Without ``due_at`` it was sent by hand."""

    job: str
    task: str
    due_at: datetime | None = None


class Message(NamedTuple):
    id: str
    retries: int
    worker: str


class Run(NamedTuple):
    """A claim: the row and the try that it is."""

    id: int
    tries: int


# Older runs that nobody began, or that were sent again and are not taken up yet, are of no use any
# more: this one does their work.
OPEN: Final = """
WITH overtaken AS (
  UPDATE common_jobrun SET outcome = 'missed', ended_at = clock_timestamp()
   WHERE job = %(job)s AND due_at < %(due)s AND ended_at IS NULL AND leased_until IS NULL
  RETURNING 1
), opened AS (
  INSERT INTO common_jobrun (job, task, due_at, outcome, sends, said, tries, message, retries,
                             worker)
  VALUES (%(job)s, %(task)s, %(due)s, 'waiting', 1, '', 0, '', 0, '')
  ON CONFLICT (job, due_at) DO NOTHING RETURNING 1
), noted AS (
  UPDATE common_scheduledjob
     SET missed = missed + (SELECT count(*) FROM overtaken),
         owed_since = coalesce(owed_since, %(due)s)
   WHERE name = %(job)s AND EXISTS (SELECT FROM opened)
)
SELECT 1 FROM opened
"""
# {target}: what makes the run the same one.
CLAIM: Final = """
INSERT INTO common_jobrun AS run (job, task, due_at, outcome, sends, started_at, leased_until, said,
                                  tries, message, retries, worker)
VALUES (%(job)s, %(task)s, %(due)s, 'running', 1, clock_timestamp(),
        clock_timestamp() + %(lease)s * interval '1 second', '', 1, %(message)s, %(retries)s,
        %(worker)s)
ON CONFLICT {target} DO UPDATE
   SET outcome = 'running', started_at = excluded.started_at, leased_until = excluded.leased_until,
       tries = run.tries + 1, message = excluded.message, retries = excluded.retries,
       worker = excluded.worker
 WHERE run.ended_at IS NULL
   AND (run.leased_until IS NULL OR run.leased_until < excluded.started_at
        OR (run.message = excluded.message AND run.retries < excluded.retries))
RETURNING id, tries
"""
BY_TIME: Final = "(job, due_at)"
BY_HAND: Final = "(message) WHERE due_at IS NULL"
# The try too: a worker that lost its lease must not keep the run of the one after it.
RENEW: Final = """
UPDATE common_jobrun AS run SET leased_until = clock_timestamp() + %s * interval '1 second'
  FROM unnest(%s::bigint[], %s::int[]) AS kept (id, tries)
 WHERE run.id = kept.id AND run.tries = kept.tries
   AND run.ended_at IS NULL AND run.leased_until IS NOT NULL
"""
END: Final = """
WITH ended AS (
  UPDATE common_jobrun
     SET outcome = %(outcome)s, ended_at = clock_timestamp(), leased_until = NULL, said = %(said)s,
         seconds = extract(epoch FROM clock_timestamp() - started_at)
   WHERE id = %(id)s AND tries = %(tries)s AND ended_at IS NULL
  RETURNING job, task, started_at, ended_at, seconds
)
INSERT INTO common_scheduledjob AS known (name, task, is_ours, "default", done, failed, missed,
  lost, seconds, last_outcome, last_began_at, last_done_at, last_seconds, last_said)
SELECT job, task, false, '', (%(outcome)s = 'done')::int, (%(outcome)s = 'failed')::int, 0,
       (%(outcome)s = 'lost')::int, seconds, %(outcome)s, started_at,
       CASE WHEN %(outcome)s = 'done' THEN ended_at END, seconds, %(said)s
  FROM ended
ON CONFLICT (name) DO UPDATE
   SET done = known.done + excluded.done, failed = known.failed + excluded.failed,
       lost = known.lost + excluded.lost, seconds = known.seconds + excluded.seconds,
       last_outcome = excluded.last_outcome, last_began_at = excluded.last_began_at,
       last_done_at = coalesce(excluded.last_done_at, known.last_done_at),
       last_seconds = excluded.last_seconds, last_said = excluded.last_said,
       owed_since = CASE WHEN %(outcome)s = 'done' THEN NULL ELSE known.owed_since END
"""
PUT_OFF: Final = """
UPDATE common_jobrun SET leased_until = clock_timestamp() + %s * interval '1 second'
 WHERE id = %s AND tries = %s AND ended_at IS NULL AND leased_until IS NOT NULL
"""
# What has to be sent again: whose lease ran out, and who was never begun.
STALE: Final = """
UPDATE common_jobrun SET sent_at = clock_timestamp(), sends = sends + 1, leased_until = NULL,
       outcome = 'waiting'
 WHERE id IN (SELECT id FROM common_jobrun
               WHERE ended_at IS NULL AND due_at IS NOT NULL AND tries < %(most)s
                 AND (leased_until < clock_timestamp() OR (leased_until IS NULL
                      AND sent_at + least(%(resend)s * 2 ^ (sends - 1), 3600) * interval '1 second'
                          < clock_timestamp()))
               ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING job, task, due_at
"""
LOST: Final = """
SELECT id, tries FROM common_jobrun
 WHERE ended_at IS NULL AND leased_until < clock_timestamp()
   AND (due_at IS NULL OR tries >= %s)
"""


def ask(statement: str, values: dict[str, Any] | list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def open_run(order: Order) -> bool:
    """Is this run new? Of several beats one is told so, and sends it."""
    return bool(ask(OPEN, {"job": order.job, "task": order.task, "due": order.due_at}))


def claim(order: Order, message: Message) -> Run | None:
    """None for a run that was done already, or that somebody else is at."""
    target = BY_HAND if order.due_at is None else BY_TIME
    values = {
        "job": order.job, "task": order.task, "due": order.due_at, "lease": LEASE_SECONDS,
        "message": message.id, "retries": message.retries, "worker": message.worker[:200],
    }  # fmt: skip
    rows = ask(CLAIM.format(target=target), values)
    return Run(*rows[0]) if rows else None


def renew(kept: Collection[Run]) -> None:
    """Nothing changes for who lost the lease to another try."""
    ask(RENEW, [LEASE_SECONDS, [run.id for run in kept], [run.tries for run in kept]])


def end(run: Run, outcome: Outcome, said: str) -> None:
    """As renew."""
    ask(END, {"id": run.id, "tries": run.tries, "outcome": outcome.value,
              "said": said[:SAID_LENGTH]})  # fmt: skip


def put_off(run: Run) -> None:
    """Its message comes again, and may claim it; if it does not come, the run is sent again. As
    renew."""
    ask(PUT_OFF, [RETRY_SECONDS, run.id, run.tries])


@transaction.atomic
def take_stale() -> list[Order]:
    """Runs to be sent again: no other beat sends them now. Who ended five workers is given up."""
    for row in ask(LOST, [MOST_TRIES]):
        end(Run(*row), Outcome.LOST, "")
    return [Order(*row) for row in ask(STALE, {"most": MOST_TRIES, "resend": RESEND_SECONDS})]
