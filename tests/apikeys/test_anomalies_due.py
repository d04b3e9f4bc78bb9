"""What a run judges: hours of keys that changed since, each by one run, in parts that last."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.anomalies import detect as detecting
from apikeys.anomalies import gather
from apikeys.models import Anomaly, ApiKey, KeyHour, KeyNetwork
from apikeys.usage.rollup import roll_up
from tests import make
from tests.apikeys.logs import DAY
from tests.apikeys.watched import MINUTE, NOW, calls, known, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(db: None) -> ApiKey:
    return make.key().key


def due() -> int:
    return KeyHour.objects.filter(is_due=True).count()


def pasts_read(run_at: Any) -> int:
    """How many runs of a past were asked for."""
    with CaptureQueriesContext(connection) as asked:
        run(run_at)
    return sum("past.requests" in query["sql"] for query in asked.captured_queries)


def test_what_did_nothing_since_is_not_judged_again(key: ApiKey) -> None:
    known(key, 390)
    calls(key, NOW - 20 * MINUTE, 400)

    assert pasts_read(NOW) == 1
    assert pasts_read(NOW + 5 * MINUTE) == 0
    calls(key, NOW + 6 * MINUTE, 1)
    assert pasts_read(NOW + 10 * MINUTE) == 1


def test_a_roll_up_that_tells_nothing_new_judges_nothing(key: ApiKey) -> None:
    known(key, 390)
    calls(key, NOW - 20 * MINUTE, 400)
    run()
    roll_up(NOW + 45 * MINUTE)

    assert pasts_read(NOW + 45 * MINUTE) == 0


def test_what_is_noted_is_not_judged_again(key: ApiKey) -> None:
    known(key)
    calls(key, NOW - 20 * MINUTE, 400)
    assert run() == 1
    calls(key, NOW + MINUTE, 400)

    assert pasts_read(NOW + 5 * MINUTE) == 0
    assert Anomaly.objects.count() == 1


def test_keys_that_reach_no_floor_are_never_due(key: ApiKey) -> None:
    calls(key, NOW - 20 * MINUTE, 99, status=404)
    gather.gather(NOW, detecting.settings.ANOMALIES)

    assert due() == 0


def test_what_grows_past_a_floor_little_by_little_is_found(key: ApiKey) -> None:
    known(key)
    for minute in range(0, 25, 5):
        calls(key, NOW + (minute - 4) * MINUTE, 70)
        found = run(NOW + minute * MINUTE)

    assert found == 1


def test_networks_that_come_one_by_one_are_found(key: ApiKey) -> None:
    KeyNetwork.objects.create(
        key_id=key.pk, network="192.0.2.0/24", first_seen=NOW - 20 * DAY, last_seen=NOW - DAY
    )
    found = []
    for number in range(4):
        calls(key, NOW + (5 * number - 4) * MINUTE, 1, client_address=f"198.51.{number}.1")
        found.append(run(NOW + 5 * number * MINUTE))

    assert found == [0, 0, 1, 0]


def test_who_always_fails_is_judged_by_its_past(key: ApiKey) -> None:
    """Though its calls are too few for a look at that."""
    known(key, 200, failures=160)
    calls(key, NOW - 20 * MINUTE, 190, status=404)

    assert run() == 0


def test_many_keys_are_judged_in_parts(monkeypatch: Any) -> None:
    monkeypatch.setattr(detecting, "KEYS_AT_ONCE", 2)
    for number in range(5):
        key = make.key(make.member(f"m{number}")).key
        known(key)
        calls(key, NOW - 20 * MINUTE, 400)

    assert run() == 5
    assert due() == 0


def test_what_a_broken_run_left_is_judged_by_the_next(monkeypatch: Any) -> None:
    """What it found by then stays."""
    monkeypatch.setattr(detecting, "KEYS_AT_ONCE", 1)
    for number in range(3):
        key = make.key(make.member(f"m{number}")).key
        known(key)
        calls(key, NOW - 20 * MINUTE, 400)
    note, noted = detecting.note, []

    def break_off(*given: Any) -> bool:
        noted.append(given)
        if len(noted) == 2:
            raise RuntimeError
        return note(*given)

    monkeypatch.setattr(detecting, "note", break_off)
    with pytest.raises(RuntimeError):
        run()
    assert (Anomaly.objects.count(), due()) == (1, 2)

    assert run(NOW + 5 * MINUTE) == 2
    assert Anomaly.objects.count() == 3


def test_of_networks_only_what_changed_is_written(key: ApiKey) -> None:
    calls(key, NOW - 2 * MINUTE, 1, client_address="192.0.2.9")
    run()
    before = version()
    calls(key, NOW + MINUTE, 1, client_address="192.0.2.9")
    run(NOW + 5 * MINUTE)
    assert version() == before

    calls(key, NOW + DAY, 1, client_address="192.0.2.9")
    run(NOW + DAY + MINUTE)
    assert version() != before
    assert KeyNetwork.objects.get().last_seen == NOW + DAY


def test_an_earlier_first_call_from_a_network_is_noted(key: ApiKey) -> None:
    calls(key, NOW - 2 * MINUTE, 1, client_address="192.0.2.9")
    run()
    calls(key, NOW - 20 * MINUTE, 1, client_address="192.0.2.9")
    roll_up(NOW + 45 * MINUTE)
    run(NOW + 45 * MINUTE)

    assert KeyNetwork.objects.get().first_seen == NOW - 20 * MINUTE


def test_a_network_is_remembered_for_31_days_at_least(key: ApiKey) -> None:
    """Its last call may be almost a day younger than what is written."""
    for days in (31.9, 32.1):
        KeyNetwork.objects.create(
            key_id=key.pk, network=str(days), first_seen=NOW - 90 * DAY, last_seen=NOW - days * DAY
        )

    run()

    assert [row.network for row in KeyNetwork.objects.all()] == ["31.9"]


def version() -> str:
    """Another one with each write of the only row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid::text FROM apikeys_keynetwork")
        ((found,),) = cursor.fetchall()
    return str(found)
