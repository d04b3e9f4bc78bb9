"""What anomalies are judged by, summed as it happens: each call of the log is read once by the time
it was made, and once more when its hour is rolled up, for those that were written late.

Only our own names are formatted into statements; values are always parameters.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from apikeys.anomalies.settings import Thresholds
from apikeys.gate.report import STEPS
from apikeys.models import HourlyUsage, KeyHour, KeyNetwork, WatchMark
from apikeys.requestlog.row import TABLE as LOG
from apikeys.usage.rollup import RECENT, read_mark
from apikeys.usage.spans import DAY, HOUR, hour_of

LAG: Final = timedelta(seconds=5)  # gateways write their rows every quarter of a second
FORGOTTEN: Final = timedelta(days=31)  # networks that a key was not seen from
BATCH: Final = 10_000
HOURS: Final = KeyHour._meta.db_table
NETWORKS: Final = KeyNetwork._meta.db_table
USAGE: Final = HourlyUsage._meta.db_table

# What the gate refused did nothing and says nothing of who has the key: it is expired, its quota is
# used up. Where only the status is known, it is told from that.
REFUSALS: Final = [*(code for step in STEPS for code in step.codes), "storage_quota_exceeded"]
REFUSED: Final = "(status = 429 OR code = ANY(%(refusals)s))"
REFUSED_BY_STATUS: Final = "status IN (401, 403, 429)"
FAILED: Final = "status BETWEEN 400 AND 499"

CALLS: Final = f"""
WITH calls AS MATERIALIZED (
    SELECT key_id, date_trunc('hour', ts, 'UTC') AS hour,
           network(set_masklen(client_address,
                   CASE family(client_address) WHEN 4 THEN 24 ELSE 48 END))::text AS network,
           min(ts) AS first, max(ts) AS last, count(*) AS requests,
           count(*) FILTER (WHERE {FAILED} AND NOT {REFUSED}) AS failures,
           count(*) FILTER (WHERE {REFUSED}) AS refused,
           coalesce(sum(cost_micro), 0)::bigint AS cost_micro
      FROM {LOG} WHERE ts >= %(start)s AND ts < %(end)s AND key_id IS NOT NULL
     GROUP BY 1, 2, 3
)"""  # noqa: S608  our names
# Where nothing changes nothing is written: last_seen is indexed.
SEEN: Final = f"""
INSERT INTO {NETWORKS} AS known (key_id, network, first_seen, last_seen)
SELECT key_id, network, min(first), max(last) FROM calls WHERE network IS NOT NULL
 GROUP BY key_id, network ORDER BY key_id, network
ON CONFLICT (key_id, network) DO UPDATE
   SET first_seen = least(known.first_seen, EXCLUDED.first_seen),
       last_seen = greatest(known.last_seen, EXCLUDED.last_seen)
 WHERE EXCLUDED.first_seen < known.first_seen
    OR EXCLUDED.last_seen >= known.last_seen + interval '1 day'
RETURNING key_id, date_trunc('hour', first_seen, 'UTC') AS hour
"""  # noqa: S608  our name


def reached(requests: str, failures: str, cost: str) -> str:
    return (
        f"({requests} > %(rate_floor)s OR {failures} >= %(failure_floor)s"
        f" OR {cost} > %(cost_floor)s)"
    )


SUM: Final = f"""{CALLS}, seen AS ({SEEN})
INSERT INTO {HOURS} AS known (key_id, hour, requests, failures, refused, cost_micro, is_due)
SELECT key_id, hour, sum(requests), sum(failures), sum(refused), sum(cost_micro),
       {reached("sum(requests)", "sum(failures)", "sum(cost_micro)")}
           OR (key_id, hour) IN (SELECT key_id, hour FROM seen)
  FROM calls GROUP BY key_id, hour ORDER BY key_id, hour
ON CONFLICT (key_id, hour) DO UPDATE"""  # noqa: S608  our names
ADD: Final = f"""{SUM}
   SET requests = known.requests + EXCLUDED.requests,
       failures = known.failures + EXCLUDED.failures,
       refused = known.refused + EXCLUDED.refused,
       cost_micro = known.cost_micro + EXCLUDED.cost_micro,
       is_due = known.is_due OR EXCLUDED.is_due OR {
    reached(
        "known.requests + EXCLUDED.requests",
        "known.failures + EXCLUDED.failures",
        "known.cost_micro + EXCLUDED.cost_micro",
    )
}
"""
# Of whole hours.
COUNT_AGAIN: Final = f"""{SUM}
   SET requests = EXCLUDED.requests, failures = EXCLUDED.failures,
       refused = EXCLUDED.refused, cost_micro = EXCLUDED.cost_micro,
       is_due = known.is_due OR EXCLUDED.is_due
 WHERE (known.requests, known.failures, known.refused, known.cost_micro)
    IS DISTINCT FROM
       (EXCLUDED.requests, EXCLUDED.failures, EXCLUDED.refused, EXCLUDED.cost_micro)
"""
TAKE_OVER: Final = f"""
WITH rolled AS (
    SELECT key_id, period_start AS hour, sum(total_requests)::bigint AS requests,
           coalesce(sum(total_requests)
               FILTER (WHERE {FAILED} AND NOT {REFUSED_BY_STATUS}), 0)::bigint AS failures,
           coalesce(sum(total_requests)
               FILTER (WHERE {REFUSED_BY_STATUS}), 0)::bigint AS refused,
           sum(cost_micro)::bigint AS cost_micro
      FROM {USAGE}
     WHERE period_start >= %(start)s AND period_start < %(end)s AND key_id IS NOT NULL
     GROUP BY key_id, period_start
)
INSERT INTO {HOURS} AS known (key_id, hour, requests, failures, refused, cost_micro, is_due)
SELECT key_id, hour, requests, failures, refused, cost_micro,
       hour >= %(first)s AND {reached("requests", "failures", "cost_micro")}
  FROM rolled ORDER BY key_id, hour
ON CONFLICT (key_id, hour) DO UPDATE
   SET requests = EXCLUDED.requests, cost_micro = EXCLUDED.cost_micro,
       is_due = known.is_due OR EXCLUDED.is_due
 WHERE (known.requests, known.cost_micro)
    IS DISTINCT FROM (EXCLUDED.requests, EXCLUDED.cost_micro)
"""  # noqa: S608  our names


def gather(now: datetime, limits: Thresholds) -> datetime:
    """The first hour that is to be judged; keys are marked as due. In a transaction, which holds
    the mark. Both steps are bounded: new calls of at most two hours (what was missed longer ago
    comes with its roll-up), and rolled-up hours."""
    mark = lock_mark(now, limits.history_days * DAY)
    end = now - LAG
    start = max(mark.gathered_until, hour_of(end) - HOUR)
    rolled = min(read_mark(), hour_of(now))
    recent = rolled - RECENT
    first = min(max(recent, hour_of(now) - RECENT - HOUR), hour_of(start))
    values = {"first": first, "refusals": REFUSALS, "rate_floor": limits.rate_floor,
              "failure_floor": limits.failure_floor, "cost_floor": limits.cost_floor}  # fmt: skip
    if start < end:
        execute(ADD, start=start, end=end, **values)
        mark.gathered_until = end
    # Hours that are rolled up by now are counted once more; and recent ones as the usage has them:
    # late rows change those too, but not what failed of them.
    if rolled > mark.exact_until:
        execute(COUNT_AGAIN, start=max(mark.exact_until, recent), end=rolled, **values)
    execute(TAKE_OVER, start=min(mark.exact_until, recent), end=rolled, **values)
    mark.exact_until = max(mark.exact_until, rolled)
    mark.save(update_fields=["gathered_until", "exact_until"])
    return first


def lock_mark(now: datetime, history: timedelta) -> WatchMark:
    """Until the transaction ends nobody else gathers. The first run begins with what the usage
    knows."""
    fresh = WatchMark(gathered_until=hour_of(now), exact_until=hour_of(now - history))
    WatchMark.objects.bulk_create([fresh], ignore_conflicts=True)
    return WatchMark.objects.select_for_update().get()


def forget(now: datetime, history: timedelta) -> None:
    """What is no history any more, a batch of each at a time."""
    old_hours = KeyHour.objects.filter(hour__lt=now - history - HOUR)
    KeyHour.objects.filter(pk__in=old_hours.values("pk")[:BATCH]).delete()
    unseen = KeyNetwork.objects.filter(last_seen__lt=now - FORGOTTEN - DAY)
    KeyNetwork.objects.filter(pk__in=unseen.values("pk")[:BATCH]).delete()


def execute(statement: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
