"""What waits and what is there, read from the database for /metrics; both doors answer the same.

Pure: the statement and the families it fills. The columns are held equal to the models by
tests/apikeys/test_figures.py.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

SQL: Final = """
SELECT 'members', status, count(*) FROM accounts_user WHERE NOT is_staff GROUP BY status
UNION ALL
SELECT 'keys_usable', '', count(*) FROM apikeys_apikey
 WHERE digest IS NOT NULL AND revoked_at IS NULL AND quarantined_at IS NULL
   AND disabled_at IS NULL AND (expires_at IS NULL OR expires_at > statement_timestamp())
UNION ALL
SELECT 'mail_due', '', count(*) FROM events_mail
 WHERE sent_at IS NULL AND failed_at IS NULL AND next_attempt_at <= statement_timestamp()
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
SELECT 'mail_failed', '', count(*) FROM events_mail WHERE failed_at IS NOT NULL
"""

FAMILIES: Final = {
    "members": ("Members by status.", "status"),
    "keys_usable": ("Keys that may pass.", ""),
    "mail_due": ("Letters that wait for the relay.", ""),
    "provisioning_waiting": ("Tasks that other systems still have to be told of.", ""),
    "provisioning_dead": ("Such tasks given up.", ""),
    "targets_down": ("Targets that gateways have put out.", "upstream"),
    "mail_failed": ("Letters given up.", ""),
}

Row = tuple[str, str, int]


class Gathered(Collector):
    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, (text, label) in FAMILIES.items():
            family = GaugeMetricFamily(f"momentry_{name}", text, labels=[label] if label else None)
            for found, value, count in self.rows:
                if found == name:
                    family.add_metric([value] if label else [], count)
            yield family


def render(rows: Iterable[Row]) -> bytes:
    registry = CollectorRegistry()
    registry.register(Gathered(rows))
    return generate_latest(registry)
