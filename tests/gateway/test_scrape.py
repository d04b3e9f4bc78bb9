"""/metrics of a real gateway: all there is in one scrape, labels of few values and of no person,
the metrics that the alert rules name, and what a scrape costs."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml
from django.conf import settings
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from momentry.common import runs, turns
from momentry.common.errors import CODES
from momentry.common.jobmodels import Outcome, ScheduledJob
from momentry.common.runs import Message, Order
from momentry.plan import describe, write_plan
from momentry.relay import ROUNDS
from proxy.models import DownTarget, Target
from tests import make
from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway
from tests.gateway.wire import within

RULES: Final = Path(__file__).parents[2] / "integrations/prometheus/momentry.rules.yml"
NAMED: Final = re.compile(r"\bmomentry_\w+")
LABELS: Final = {
    "code": set(CODES),
    "kind": {"proxy", "api", "other"},
    "le": {*map(str, (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
                      60.0)), "+Inf"},
    "name": {*settings.CELERY_BEAT_SCHEDULE, "other"},
    "outbox": {"mail", "provisioning", "webhooks", "wordpress"},
    "round": {each.name for each in ROUNDS} | {"beat", "counts"},
    "status": {"1xx", "2xx", "3xx", "4xx", "5xx", "active", "pending", "suspended", "deleted"},
    "table": {"request_log", "events", "mail", "deliveries", "counters", "runs"},
}  # fmt: skip
"""What labels there are, and all values of each; ``upstream`` is the slug that staff gave it."""


@pytest.fixture(scope="module")
def scraper(database: Database) -> str:
    with database.rows():
        return make.service_key("metrics").secret


@pytest.fixture
def lived_in(database: Database, key: str) -> Iterator[None]:
    """A house in which something of everything happened, some of it by entries of staff."""
    with database.rows():
        write_plan(settings.CELERY_BEAT_SCHEDULE)
        describe(timezone.now())
        ScheduledJob.objects.create(name="alice@example.org every day", task="x", done=4)
        for name in ("inbox", "alice@example.org every day"):
            run = runs.claim(Order(name, "x", timezone.now()), Message("m", 0, "w"))
            assert run is not None
            runs.end(run, Outcome.DONE, "")
        turns.count(turns.Tally(each.name, 3, 1, 0.5) for each in ROUNDS)
        turns.count([turns.Tally("beat", 1, 0, 0.1)])
        target = Target.objects.all()[0]
        DownTarget.objects.create(target=target, since=timezone.now(), reason="refused")
    yield
    database.execute("DELETE FROM proxy_downtarget")
    database.execute("DELETE FROM common_scheduledjob")
    database.execute("DELETE FROM common_jobrun")
    database.execute("DELETE FROM common_roundcount")
    database.execute("DELETE FROM django_celery_beat_periodictask")


def scrape(gateway: Gateway, secret: str) -> dict[str, list[dict[str, str]]]:
    """Sample names, and the labels they come with."""
    answer = gateway.get("/metrics", secret)
    assert answer.status == 200
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            found[sample.name].append(dict(sample.labels))
    return found


def value(gateway: Gateway, secret: str, line: str) -> float:
    text = gateway.get("/metrics", secret).body.decode()
    return float(
        next(each for each in text.splitlines() if each.startswith(f"{line} ")).split()[-1]
    )


@pytest.mark.usefixtures("lived_in")
def test_each_metric_of_the_alert_rules_is_in_a_scrape(gateway: Gateway, scraper: str) -> None:
    """Once Valkey was met: a gateway connects when somebody needs it."""
    rules = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]
    named = {name for rule in rules for name in NAMED.findall(rule["expr"])}

    assert len(named) > 20
    assert within(10, lambda: named <= set(scrape(gateway, scraper))), named - set(
        scrape(gateway, scraper)
    )
    assert all(rule["annotations"]["summary"] for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules)


@pytest.mark.usefixtures("lived_in")
def test_labels_have_few_values_and_name_nobody(
    gateway: Gateway, database: Database, scraper: str, key: str
) -> None:
    gateway.get("/proxy/echo/who?user=alice@example.org", key)
    gateway.get("/proxy/nowhere/", key)

    slugs = {slug for (slug,) in database.fetch("SELECT slug FROM proxy_upstream")}
    for name, samples in scrape(gateway, scraper).items():
        for labels in samples:
            for label, said in labels.items():
                if label == "upstream":
                    assert said in slugs, name
                else:
                    assert said in LABELS[label], (name, label, said)
    text = gateway.get("/metrics", scraper).body.decode()
    assert "alice" not in text
    assert key.split("_")[1] not in text


def test_refusals_are_counted_by_their_code(gateway: Gateway, scraper: str, key: str) -> None:
    line = 'momentry_gateway_refusals_total{{code="{}"}}'.format
    before = {code: value(gateway, scraper, line(code)) for code in ("missing_key", "key_expired")}

    for _ in range(3):
        assert gateway.get("/proxy/echo/").status == 401

    assert within(
        5, lambda: value(gateway, scraper, line("missing_key")) == before["missing_key"] + 3
    )
    assert value(gateway, scraper, line("key_expired")) == before["key_expired"]


def test_processes_say_that_they_live_by_the_fence(gateway: Gateway, scraper: str) -> None:
    def all_are_fresh() -> bool:
        live = value(gateway, scraper, "momentry_gateway_processes")
        fresh = value(gateway, scraper, "momentry_gateway_fence_fresh")
        return live == fresh == len(gateway.children())

    assert within(10, all_are_fresh)
    assert value(gateway, scraper, "momentry_fence_processes") >= len(gateway.children())


def test_valkey_and_the_database_are_in_it(gateway: Gateway, scraper: str) -> None:
    assert within(10, lambda: value(gateway, scraper, "momentry_valkey_up") == 1)
    assert value(gateway, scraper, "momentry_valkey_memory_bytes") > 100_000
    limit = value(gateway, scraper, "momentry_database_connections_limit")
    assert 0 < value(gateway, scraper, "momentry_database_connections") <= limit
    assert value(gateway, scraper, 'momentry_database_table_bytes{table="request_log"}') > 0
    assert value(gateway, scraper, "momentry_worker_queue_messages") >= 0


@pytest.mark.usefixtures("lived_in")
def test_work_that_was_due_and_not_done_is_late(
    gateway: Gateway, scraper: str, database: Database
) -> None:
    late = 'momentry_schedule_late_seconds{name="purge-keys"}'
    assert value(gateway, scraper, late) == 0
    change = (
        "UPDATE common_scheduledjob SET {} = now() - interval '1 hour' WHERE name = 'purge-keys'"
    )

    for column in ("owed_since", "next_due_at"):
        database.execute(change.format(column))
        assert 3600 <= value(gateway, scraper, late) < 3700
        database.execute(
            "UPDATE common_scheduledjob SET owed_since = NULL, next_due_at = now() + interval '1 h'"
        )
