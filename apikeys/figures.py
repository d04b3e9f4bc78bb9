"""What the database says for /metrics: what waits, how it goes, what is there; both doors ask the
same.

Pure: the statements and the families they fill. LIVE is cheap and asked at each scrape: small
tables, and indexes of what waits. COUNTED looks at whole tables, so a gateway keeps its rows for a
while (Kept). Columns are held equal to the models by tests/apikeys/test_figures.py, labels to an
allow-list by tests/gateway/test_scrape.py: no label names a person.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

Row = tuple[str, str, float]

COUNTED: Final = """
SELECT 'members', status::text, count(*)::float8
  FROM accounts_user WHERE NOT is_staff GROUP BY status
UNION ALL
SELECT 'keys_usable', '', count(*) FROM apikeys_apikey
 WHERE digest IS NOT NULL AND revoked_at IS NULL AND quarantined_at IS NULL
   AND disabled_at IS NULL AND (expires_at IS NULL OR expires_at > statement_timestamp())
UNION ALL
SELECT 'mail_failed', '', count(*) FROM events_mail WHERE failed_at IS NOT NULL
UNION ALL
SELECT 'webhook_failed', '', count(*) FROM events_webhookdelivery WHERE failed_at IS NOT NULL
UNION ALL
SELECT 'database_bytes', '', pg_database_size(current_database())
UNION ALL
SELECT 'database_table_bytes', 'request_log', sum(pg_total_relation_size(relid))
  FROM pg_partition_tree('apikeys_requestlog')
UNION ALL
SELECT 'database_table_bytes', name, pg_total_relation_size(relation::regclass)
  FROM (VALUES ('events', 'events_event'), ('mail', 'events_mail'),
               ('deliveries', 'events_webhookdelivery'),
               ('counters', 'apikeys_counter'), ('runs', 'common_jobrun')) t (name, relation)
"""

LIVE: Final = """
SELECT 'mail_due', '', count(*)::float8 FROM events_mail
 WHERE sent_at IS NULL AND failed_at IS NULL AND withheld_at IS NULL
   AND next_attempt_at <= statement_timestamp()
UNION ALL
SELECT 'provisioning_waiting', '', count(*) FROM provisioning_provisioningtask
 WHERE state = 'pending'
UNION ALL
SELECT 'provisioning_dead', '', count(*) FROM provisioning_provisioningtask WHERE state = 'dead'
UNION ALL
SELECT 'targets_down', u.slug, count(*)
  FROM proxy_downtarget d
  JOIN proxy_target t ON t.id = d.target_id
  JOIN proxy_upstream u ON u.id = t.upstream_id
 GROUP BY u.slug
UNION ALL
SELECT 'outbox_lag_seconds', outbox,
       greatest(0, coalesce(extract(epoch FROM statement_timestamp() - since), 0))
  FROM (SELECT 'mail' AS outbox, min(next_attempt_at) AS since
          FROM events_mail
         WHERE sent_at IS NULL AND failed_at IS NULL AND withheld_at IS NULL
        UNION ALL
        SELECT 'provisioning', min(next_attempt_at)
          FROM provisioning_provisioningtask WHERE state = 'pending'
        UNION ALL
        SELECT 'wordpress', min(due_at) FROM provisioning_wakeup WHERE failed_at IS NULL
        UNION ALL
        SELECT 'webhooks', least((SELECT min(created_at) FROM events_webhookfanout),
               (SELECT min(first.next_attempt_at)
                  FROM events_webhookendpoint e
                 CROSS JOIN LATERAL (
                       SELECT d.next_attempt_at FROM events_webhookdelivery d
                        WHERE d.endpoint_id = e.id
                          AND d.delivered_at IS NULL AND d.failed_at IS NULL
                        ORDER BY d.next_attempt_at LIMIT 1) first
                 WHERE e.disabled_at IS NULL AND e.failing_since IS NULL))) o
UNION ALL
SELECT 'webhook_failing', '', count(*) FROM events_webhookendpoint
 WHERE disabled_at IS NULL AND failing_since IS NOT NULL
UNION ALL
SELECT 'webhook_disabled', '', count(*) FROM events_webhookendpoint
 WHERE disabled_for IN ('gone', 'failing')
UNION ALL
SELECT 'fence_generation', '', generation FROM common_fence
UNION ALL
SELECT f.name, '', f.value
  FROM (SELECT count(*) AS live, count(*) FILTER (WHERE acked < generation) AS behind
          FROM common_fenceprocess, common_fence WHERE expires_at > statement_timestamp()) p,
       LATERAL (VALUES ('fence_processes', live), ('fence_behind', behind)) f (name, value)
UNION ALL
SELECT 'database_connections', '', count(*) FROM pg_stat_activity
 WHERE backend_type = 'client backend'
UNION ALL
SELECT 'database_connections_limit', '', current_setting('max_connections')::int
       - current_setting('superuser_reserved_connections')::int
UNION ALL
SELECT f.name, r.name, f.value
  FROM common_roundcount r,
       LATERAL (VALUES ('round_turns', turns), ('round_failures', failures),
                       ('round_seconds', seconds),
                       ('round_turned_timestamp_seconds', extract(epoch FROM turned_at))
               ) f (name, value)
 WHERE f.value IS NOT NULL
   AND (r.name = 'beat' OR r.named_at > (SELECT max(named_at) FROM common_roundcount
                                          WHERE name <> 'beat') - interval '4 minutes')
UNION ALL
SELECT 'schedule_running', '', count(*) FROM common_jobrun
 WHERE ended_at IS NULL AND leased_until > statement_timestamp()
UNION ALL
SELECT f.name, j.label, f.value
  FROM (SELECT CASE WHEN is_ours THEN name ELSE 'other' END AS label, sum(done) AS done,
               sum(failed) AS failed, sum(missed) AS missed, sum(lost) AS lost,
               sum(seconds) AS seconds, max(last_seconds) AS last, max(last_done_at) AS done_at,
               min(next_due_at) AS next,
               max(statement_timestamp() - least(owed_since, next_due_at)) AS late
          FROM common_scheduledjob GROUP BY 1) j,
       LATERAL (VALUES ('schedule_done', done), ('schedule_failed', failed),
                       ('schedule_missed', missed), ('schedule_lost', lost),
                       ('schedule_seconds', seconds), ('schedule_last_seconds', last),
                       ('schedule_done_timestamp_seconds', extract(epoch FROM done_at)),
                       ('schedule_next_timestamp_seconds', extract(epoch FROM next)),
                       ('schedule_late_seconds', greatest(0, extract(epoch FROM late)))
               ) f (name, value)
 WHERE f.value IS NOT NULL
"""


class Family(NamedTuple):
    text: str
    label: str = ""
    is_counter: bool = False


FAMILIES: Final = {
    "members": Family("Members by status.", "status"),
    "keys_usable": Family("Keys that may pass."),
    "mail_failed": Family("Letters given up."),
    "database_bytes": Family("Size of the database."),
    "database_table_bytes": Family("Size of what grows, with its indexes.", "table"),
    "webhook_failed": Family("Webhook deliveries given up."),
    "webhook_failing": Family("Endpoints at which nothing arrives just now."),
    "webhook_disabled": Family("Endpoints that the relay disabled: gone, or failing for days."),
    "mail_due": Family("Letters that wait for the relay."),
    "provisioning_waiting": Family("Tasks that other systems still have to be told of."),
    "provisioning_dead": Family("Such tasks given up."),
    "targets_down": Family("Targets that gateways have put out.", "upstream"),
    "outbox_lag_seconds": Family("For how long the oldest row has been due.", "outbox"),
    "fence_generation": Family("Changes that processes had to follow."),
    "fence_processes": Family("Gateway processes that live by the fence."),
    "fence_behind": Family("Those of them that have not followed the last change yet."),
    "database_connections": Family("Connections of clients to the server."),
    "database_connections_limit": Family("How many there may be."),
    "round_turns": Family("Turns of a round of the relay, or of beat.", "round", True),
    "round_failures": Family("Turns that failed.", "round", True),
    "round_seconds": Family("Time they took.", "round", True),
    "round_turned_timestamp_seconds": Family("When one last ended well, or came on.", "round"),
    "schedule_running": Family("Runs of scheduled work going on."),
    "schedule_done": Family("Runs done.", "name", True),
    "schedule_failed": Family("Runs that failed.", "name", True),
    "schedule_missed": Family("Runs that nobody had begun when the next was due.", "name", True),
    "schedule_lost": Family("Runs given up, for each of their workers ended.", "name", True),
    "schedule_seconds": Family("Time they took.", "name", True),
    "schedule_last_seconds": Family("Time the last one took.", "name"),
    "schedule_done_timestamp_seconds": Family("When the last one was done.", "name"),
    "schedule_next_timestamp_seconds": Family("When the next one is due.", "name"),
    "schedule_late_seconds": Family("For how long it has been due and not been done.", "name"),
    "figures_age_seconds": Family("Age of the figures that are counted over whole tables."),
    "valkey_up": Family("Does Valkey answer?"),
    "valkey_memory_bytes": Family("Memory that Valkey uses."),
    "valkey_memory_limit_bytes": Family("How much it may use; 0 is no limit."),
    "worker_queue_messages": Family("Messages that wait for a worker."),
}

SHORTEST: Final = 5.0
SHARE: Final = 100  # they are asked for one hundredth of the time at most


class Kept:
    """Rows of COUNTED, and until when they are good enough: the longer the asking took, the longer.
    Times in seconds, of any one clock."""

    __slots__ = ("at", "rows", "until")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.at = self.until = float("-inf")

    def are_good(self, now: float) -> bool:
        return now < self.until

    def keep(self, rows: Iterable[Row], began: float, now: float) -> None:
        self.rows, self.at = list(rows), began
        self.until = now + max(SHORTEST, SHARE * (now - began))

    def put_off(self, now: float) -> None:
        """The asking failed: not at once again."""
        self.until = now + SHORTEST

    def told(self, now: float) -> list[Row]:
        return [*self.rows, ("figures_age_seconds", "", now - self.at)] if self.rows else []


def valkey_rows(info: str | None, waiting: int | None) -> Iterator[Row]:
    """Of INFO memory; None where Valkey is away, "" where it may not be asked that."""
    yield "valkey_up", "", float(info is not None)
    said = dict(line.split(":", 1) for line in (info or "").split() if ":" in line)
    for name, field in (("bytes", "used_memory"), ("limit_bytes", "maxmemory")):
        if said.get(field, "").isdigit():
            yield f"valkey_memory_{name}", "", float(said[field])
    if waiting is not None:
        yield "worker_queue_messages", "", float(waiting)


class Gathered(Collector):
    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for name, (text, label, is_counter) in FAMILIES.items():
            make = CounterMetricFamily if is_counter else GaugeMetricFamily
            family = make(f"momentry_{name}", text, labels=[label] if label else None)
            for found, value, count in self.rows:
                if found == name:
                    family.add_metric([value] if label else [], float(count))
            yield family


def render(rows: Iterable[Row]) -> bytes:
    registry = CollectorRegistry()
    registry.register(Gathered(rows))
    return generate_latest(registry)
