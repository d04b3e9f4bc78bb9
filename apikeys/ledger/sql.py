"""The ledger's statements. Pure text: the gateway and Django send the same.

Each takes, leases or returns units of all its counters or of none: the counters' rows are locked
first and in id order (no deadlock), and FOR UPDATE reads what a concurrent taker committed last.
``used`` counts every unit that was taken, be it spent or still on lease; ``leased`` those that
leases hold by what their holders said last. Units out on lease are never a refusal: they are
called back (CHANNEL), and whoever is short waits a little and asks again.
"""

from typing import Final

CHANNEL: Final = "momentry_recall"

WANT: Final = """
unnest(%(subjects)s::text[], %(metrics)s::text[], %(periods)s::text[],
       %(starts)s::timestamptz[], %(limits)s::bigint[], %(needs)s::bigint[])
  AS want(subject, metric, period, period_start, "limit", need)"""

# What other processes hold of it unspent, as far as they have said; only shown to people.
UNSPENT: Final = """
(SELECT coalesce(sum(l.granted - l.spent), 0)::bigint FROM apikeys_lease l
  WHERE l.counter_id = held.id AND l.process <> %(process)s)"""

TAKE: Final = f"""
WITH held AS MATERIALIZED (
    SELECT c.id, c.subject, c.metric, c.period, c.used, c.leased, want."limit", want.need
      FROM apikeys_counter c JOIN {WANT} USING (subject, metric, period, period_start)
     ORDER BY c.id
       FOR UPDATE OF c
), verdict AS (
    SELECT count(*) = cardinality(%(subjects)s::text[]) AS complete,
           bool_and(need = 0 OR used + need <= "limit") AS enough
      FROM held
), spent AS (
    UPDATE apikeys_counter c SET used = c.used + held.need, "limit" = held."limit"
      FROM held, verdict
     WHERE c.id = held.id AND verdict.complete AND verdict.enough
), recalled AS (
    SELECT pg_notify('{CHANNEL}', string_agg(held.id::text, ',')) FROM held, verdict
     WHERE verdict.complete AND NOT verdict.enough AND leased > 0 AND used + need > "limit"
    HAVING count(*) > 0
)
SELECT held.subject, held.metric, held.period, held.used, verdict.enough,
       EXISTS (SELECT FROM recalled), {UNSPENT}
  FROM held, verdict
 WHERE verdict.complete
"""  # noqa: S608  only our own text is put in

OPEN: Final = f"""
INSERT INTO apikeys_counter (subject, metric, period, period_start, used, "limit")
SELECT subject, metric, period, period_start, 0, "limit" FROM {WANT}
 ORDER BY subject, metric, period
ON CONFLICT (subject, metric, period, period_start) DO NOTHING
"""  # noqa: S608  only our own text is put in

# Negative units are spent, whatever the limit: what a call turned out to cost beyond its hold.
GIVE_BACK: Final = """
WITH back AS (
    SELECT * FROM unnest(%(subjects)s::text[], %(metrics)s::text[], %(periods)s::text[],
                         %(starts)s::timestamptz[], %(units)s::bigint[])
        AS back(subject, metric, period, period_start, units)
), held AS MATERIALIZED (
    SELECT c.id, back.units
      FROM apikeys_counter c JOIN back USING (subject, metric, period, period_start)
     ORDER BY c.id
       FOR UPDATE OF c
)
UPDATE apikeys_counter c SET used = c.used - held.units
  FROM held
 WHERE c.id = held.id AND c.used - c.leased >= held.units
"""

# No limit: of who only has units to give back, and needs none.
# A holder keeps ``left`` (what it spent since it asked last is no lease any more) and is filled up
# for ``need``, which is spent as soon as it has it, unless it asked ``ahead``. Asked again under
# the same ``seq``, because the answer was lost, it is told what it was told then.
LEASE: Final = f"""
WITH held AS MATERIALIZED (
    SELECT c.id, c.subject, c.metric, c.period, c.used, c.leased,
           want."limit", want.need, want."limit" - c.used AS free, mine.kept, mine.most
      FROM apikeys_counter c
      JOIN {WANT} USING (subject, metric, period, period_start)
      JOIN unnest(%(subjects)s::text[], %(metrics)s::text[], %(periods)s::text[],
                  %(lefts)s::bigint[], %(mosts)s::bigint[])
           AS mine(subject, metric, period, kept, most)
           USING (subject, metric, period)
     ORDER BY c.id
       FOR UPDATE OF c
), lease AS MATERIALIZED (
    SELECT counter_id, granted, spent, seq FROM apikeys_lease
     WHERE process = %(process)s AND counter_id IN (SELECT id FROM held)
       FOR UPDATE
), known AS (
    SELECT held.*, coalesce(lease.granted, 0) AS before, lease.spent AS said,
           coalesce(lease.seq = %(seq)s, false) AS done
      FROM held LEFT JOIN lease ON lease.counter_id = held.id
), verdict AS (
    SELECT count(*) = cardinality(%(subjects)s::text[]) AS complete, bool_or(done) AS was_done,
           bool_and(need = 0 OR kept + free >= need) AS enough
      FROM known
), live AS (
    SELECT greatest(count(*), 1) AS processes FROM common_fenceprocess
     WHERE expires_at > clock_timestamp()
), fill AS (
    SELECT known.*, verdict.*,
           CASE WHEN was_done THEN greatest(before - kept, 0)
                WHEN enough AND need > 0 THEN greatest(0, least(free, greatest(
                     need, least(most, free / (8 * processes))) - kept))
                ELSE 0 END AS units,
           CASE WHEN was_done THEN said
                WHEN enough AND NOT %(ahead)s THEN need ELSE 0 END AS spends
      FROM known, verdict, live
     WHERE verdict.complete
), written AS (
    INSERT INTO apikeys_lease (process, counter_id, granted, spent, seq)
    SELECT %(process)s, id, kept + units, spends, %(seq)s
      FROM fill WHERE NOT was_done
    ON CONFLICT (process, counter_id)
    DO UPDATE SET granted = excluded.granted, spent = excluded.spent, seq = excluded.seq
), taken AS (
    UPDATE apikeys_counter c
       SET used = c.used + fill.units, leased = c.leased + fill.kept + fill.units - fill.before,
           "limit" = coalesce(fill."limit", c."limit")
      FROM fill
     WHERE c.id = fill.id AND NOT fill.was_done
), recalled AS (
    SELECT pg_notify('{CHANNEL}', string_agg(id::text, ',')) FROM fill
     WHERE NOT was_done AND NOT enough AND leased > before AND kept + free < need
    HAVING count(*) > 0
)
SELECT subject, metric, period, id, units, kept + units,
       CASE WHEN was_done THEN free ELSE free - units END,
       leased - before, {UNSPENT}, EXISTS (SELECT FROM recalled), spends
  FROM fill AS held
"""  # noqa: S608  only our own text is put in

RETURN: Final = """
WITH back AS (
    SELECT * FROM unnest(%(counters)s::bigint[], %(lefts)s::bigint[]) AS back(id, "left")
), held AS MATERIALIZED (
    SELECT c.id, back."left" FROM apikeys_counter c JOIN back USING (id)
     ORDER BY c.id
       FOR UPDATE OF c
), gone AS (
    DELETE FROM apikeys_lease l USING held
     WHERE l.process = %(process)s AND l.counter_id = held.id
    RETURNING l.counter_id, l.granted
)
UPDATE apikeys_counter c
   SET used = greatest(c.used - held."left", c.leased - gone.granted),
       leased = c.leased - gone.granted
  FROM held JOIN gone ON gone.counter_id = held.id
 WHERE c.id = held.id
"""

# What was spent since, for whoever shows what is left; and what others did meanwhile.
REPORT: Final = f"""
WITH said AS (
    UPDATE apikeys_lease l SET spent = least(now.spent, l.granted)
      FROM unnest(%(counters)s::bigint[], %(spent)s::bigint[]) AS now(id, spent)
     WHERE l.process = %(process)s AND l.counter_id = now.id
    RETURNING l.counter_id
)
SELECT held.id, held.used, {UNSPENT}
  FROM apikeys_counter held JOIN said ON said.counter_id = held.id
"""  # noqa: S608  only our own text is put in

# What a process that died had on lease counts as spent: nobody can know better.
REAP: Final = """
WITH dead AS MATERIALIZED (
    SELECT l.id, l.counter_id FROM apikeys_lease l
     WHERE NOT EXISTS (SELECT FROM common_fenceprocess p
                        WHERE p.id = l.process AND p.expires_at > clock_timestamp())
     LIMIT 1000
), held AS MATERIALIZED (
    SELECT c.id FROM apikeys_counter c WHERE c.id IN (SELECT counter_id FROM dead)
     ORDER BY c.id
       FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM apikeys_lease l USING dead, held
     WHERE l.id = dead.id AND l.counter_id = held.id
    RETURNING l.counter_id, l.granted
)
UPDATE apikeys_counter c SET leased = c.leased - lost.units
  FROM (SELECT counter_id, sum(granted) AS units FROM gone GROUP BY counter_id) AS lost
 WHERE c.id = lost.counter_id
"""

# One statement, so one moment: counters whose books are wrong.
VERIFY: Final = """
SELECT c.id, c.subject, c.metric, c.period, c.period_start, c.used, c.leased,
       coalesce(sum(l.granted), 0)::bigint, coalesce(bool_or(l.spent > l.granted), false)
  FROM apikeys_counter c LEFT JOIN apikeys_lease l ON l.counter_id = c.id
 GROUP BY c.id
HAVING c.leased <> coalesce(sum(l.granted), 0) OR c.used < c.leased
    OR coalesce(bool_or(l.spent > l.granted), false)
 ORDER BY c.id
"""
