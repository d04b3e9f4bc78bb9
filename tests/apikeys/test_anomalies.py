"""From the request log to anomalies: summed once, judged by the key's own past, recorded once."""

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.anomalies import gather
from apikeys.anomalies.settings import MICRO, USUAL, Rule
from apikeys.models import Anomaly, ApiKey, KeyHour, KeyNetwork
from apikeys.usage.rollup import roll_up
from apikeys.usage.spans import hour_of
from events.models import Event
from tests import make
from tests.apikeys import logs
from tests.apikeys.calls import code
from tests.apikeys.logs import DAY, HOUR
from tests.apikeys.watched import MINUTE, NOW, calls, known, run, sums

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(db: None) -> ApiKey:
    return make.key().key


def test_a_sudden_rate_is_found_within_the_hour_and_recorded_once(key: ApiKey) -> None:
    known(key)
    calls(key, NOW - 20 * MINUTE, 400)

    assert run() == 1
    assert run(NOW + 5 * MINUTE) == 0

    found = Anomaly.objects.get()
    assert (found.key, found.rule, found.hour) == (key, "rate", hour_of(NOW))
    assert (found.value, found.usual, found.threshold) == (400, 50, 300)
    event = Event.objects.get(kind="anomaly:detected")
    assert (event.subject, event.actor) == (f"key:{key.pk.hex}", "test")
    assert json.loads(event.details or "") == {
        "rule": "rate", "hour": f"{hour_of(NOW):%Y-%m-%dT%H:%M:%SZ}",
        "value": 400.0, "usual": 50.0, "threshold": 300.0,
    }  # fmt: skip


def test_each_hour_may_be_told_again(key: ApiKey) -> None:
    known(key)
    calls(key, NOW - MINUTE, 400)
    run()
    calls(key, NOW + HOUR - MINUTE, 400)

    assert run(NOW + HOUR) == 1
    assert Anomaly.objects.count() == 2


def test_calls_are_counted_once_however_often_it_runs(key: ApiKey) -> None:
    calls(key, NOW - 25 * MINUTE, 30, status=404, cost_micro=7)
    for minute in range(0, 20, 5):
        run(NOW + minute * MINUTE)
        calls(key, NOW + minute * MINUTE, 10)
    run(NOW + 20 * MINUTE)

    assert sums(key) == {hour_of(NOW): (70, 30, 210)}


def test_what_came_late_is_counted_when_its_hour_is_rolled_up(key: ApiKey) -> None:
    known(key)
    run()
    calls(key, NOW - 20 * MINUTE, 500)  # long calls: their rows are written at their end
    assert run(NOW + 5 * MINUTE) == 0

    later = NOW + 45 * MINUTE
    roll_up(later)

    assert run(later) == 1
    assert sums(key)[hour_of(NOW)] == (500, 0, 0)
    assert Anomaly.objects.get().hour == hour_of(NOW)


def test_the_first_run_takes_the_past_over_from_the_usage(key: ApiKey) -> None:
    for number in range(1, 30):
        calls(key, NOW - number * HOUR, 20)
    roll_up(NOW)
    calls(key, NOW - 20 * MINUTE, 400)

    run()

    assert sum(requests for requests, *_ in sums(key).values()) == 29 * 20 + 400
    assert [found.rule for found in Anomaly.objects.all()] == ["rate"]


def test_what_was_missed_while_nobody_looked_is_not_told_days_later(key: ApiKey) -> None:
    known(key)
    run()
    calls(key, NOW + DAY, 400)
    later = NOW + 2 * DAY
    roll_up(later)

    assert run(later) == 0
    assert sums(key)[hour_of(NOW + DAY)] == (400, 0, 0)  # it is history all the same


def test_failures_and_cost_are_found(key: ApiKey) -> None:
    known(key, cost_micro=1000)
    calls(key, NOW - 20 * MINUTE, 120, status=403)
    calls(key, NOW - 10 * MINUTE, 10, cost_micro=MICRO)

    assert run() == 2
    found = {row.rule: (row.value, row.threshold) for row in Anomaly.objects.all()}
    assert found == {"failures": (pytest.approx(120 / 130), 0.5), "cost": (10.0, 1.0)}


def test_faults_of_upstreams_are_nobodys_failures(key: ApiKey) -> None:
    known(key)
    calls(key, NOW - 20 * MINUTE, 200, status=502)

    assert run() == 0


def test_new_networks_are_found_where_a_key_was_at_home_elsewhere(key: ApiKey) -> None:
    KeyNetwork.objects.create(
        key_id=key.pk, network="192.0.2.0/24", first_seen=NOW - 20 * DAY, last_seen=NOW - DAY
    )
    for place in ("192.0.2.9", "198.51.100.1", "198.51.100.2", "203.0.113.5", "2001:db8::1"):
        calls(key, NOW - 10 * MINUTE, 1, client_address=place)

    assert run() == 1
    found = Anomaly.objects.get()
    assert (found.rule, found.value, found.threshold) == ("networks", 3, 3)
    assert set(KeyNetwork.objects.values_list("network", flat=True)) == {
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/48",
    }  # fmt: skip


def test_a_new_key_is_new_everywhere(key: ApiKey) -> None:
    for number in range(10):
        calls(key, NOW - 10 * MINUTE, 1, client_address=f"198.51.{number}.1")

    assert run() == 0


def test_keys_end_by_themselves_where_that_was_asked_for(settings: Any) -> None:
    settings.ANOMALIES = USUAL._replace(quarantine=frozenset({Rule.RATE}))
    issued, other = make.key(), make.key(make.member("bob"))
    for each in (issued.key, other.key):
        known(each)
    calls(issued.key, NOW - 10 * MINUTE, 400)
    calls(other.key, NOW - 10 * MINUTE, 120, status=404)

    assert run() == 2

    assert [code(each.secret) for each in (issued, other)] == ["key_quarantined", ""]
    assert {row.rule: row.quarantined for row in Anomaly.objects.all()} == {
        "rate": True, "failures": False,
    }  # fmt: skip
    event = Event.objects.get(kind="apikey:quarantined")
    assert json.loads(event.details or "") == {"reason": "anomaly: rate"}


def test_calls_of_nobody_and_of_keys_that_are_gone_are_no_matter(key: ApiKey) -> None:
    logs.log(*(logs.call(NOW - MINUTE, status=401) for _ in range(400)))
    gone = make.key(make.member("bob")).key
    known(gone)
    calls(gone, NOW - MINUTE, 400)
    gone.delete()

    assert run() == 0


def test_what_is_no_history_any_more_is_forgotten(key: ApiKey) -> None:
    known(key)
    KeyNetwork.objects.create(
        key_id=key.pk, network="192.0.2.0/24", first_seen=NOW - 90 * DAY, last_seen=NOW - 40 * DAY
    )

    run(NOW + 10 * DAY)

    oldest = KeyHour.objects.order_by("hour").values_list("hour", flat=True)[0]
    assert oldest >= NOW + 10 * DAY - USUAL.history_days * DAY - HOUR
    assert not KeyNetwork.objects.exists()


def test_the_log_is_read_from_where_it_was_read_last(key: ApiKey) -> None:
    """Twice the keys and a longer log take no statement more, and none reads old calls."""
    run()
    with CaptureQueriesContext(connection) as few:
        run(NOW + 5 * MINUTE)
    for number in range(20):
        other = make.key(make.member(f"m{number}")).key
        calls(other, NOW + 6 * MINUTE, 5)
    with CaptureQueriesContext(connection) as many:
        run(NOW + 10 * MINUTE)

    assert len(many) == len(few)
    reading = [q["sql"] for q in many.captured_queries if "apikeys_requestlog" in q["sql"]]
    assert len(reading) == 1
    assert f"{NOW + 5 * MINUTE - gather.LAG:%H:%M:%S}" in reading[0]


def test_the_command_says_how_many(key: ApiKey, capsys: Any) -> None:
    call_command("detect_anomalies")

    assert capsys.readouterr().out == "Found 0 anomalies.\n"
