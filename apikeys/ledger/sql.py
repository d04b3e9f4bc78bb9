"""The ledger's statements. Pure text: the gateway and Django send the same.

One statement takes units from all of a request's counters or from none: the rows are locked in
id order (no deadlock), and FOR UPDATE reads what a concurrent taker committed last.
"""

from typing import Final

WANT: Final = """
unnest(%(subjects)s::text[], %(metrics)s::text[], %(periods)s::text[],
       %(starts)s::timestamptz[], %(limits)s::bigint[])
  AS want(subject, metric, period, period_start, "limit")"""

TAKE: Final = f"""
WITH held AS MATERIALIZED (
    SELECT c.id, c.subject, c.metric, c.period, c.used, want."limit"
      FROM apikeys_counter c JOIN {WANT} USING (subject, metric, period, period_start)
     ORDER BY c.id
       FOR UPDATE OF c
), verdict AS (
    SELECT count(*) = cardinality(%(subjects)s::text[]) AS complete,
           bool_and(%(units)s = 0 OR used + %(units)s <= "limit") AS enough
      FROM held
), spent AS (
    UPDATE apikeys_counter c SET used = c.used + %(units)s, "limit" = held."limit"
      FROM held, verdict
     WHERE c.id = held.id AND verdict.complete AND verdict.enough
)
SELECT held.subject, held.metric, held.period, held.used, verdict.enough
  FROM held, verdict
 WHERE verdict.complete
"""  # noqa: S608  only our own text is put in

OPEN: Final = f"""
INSERT INTO apikeys_counter (subject, metric, period, period_start, used, "limit")
SELECT subject, metric, period, period_start, 0, "limit" FROM {WANT}
 ORDER BY subject, metric, period
ON CONFLICT (subject, metric, period, period_start) DO NOTHING
"""  # noqa: S608  only our own text is put in

GIVE_BACK: Final = """
UPDATE apikeys_counter c SET used = c.used - back.units
  FROM unnest(%(subjects)s::text[], %(metrics)s::text[], %(periods)s::text[],
              %(starts)s::timestamptz[], %(units)s::bigint[])
       AS back(subject, metric, period, period_start, units)
 WHERE c.subject = back.subject AND c.metric = back.metric AND c.period = back.period
   AND c.period_start = back.period_start AND c.used >= back.units
"""
