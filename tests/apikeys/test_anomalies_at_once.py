"""Runs of the anomalies' task that meet: every call is counted once, every anomaly told once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections

from apikeys.anomalies.detect import detect
from apikeys.models import Anomaly, KeyHour
from apikeys.usage.spans import hour_of
from events.models import Event
from tests import make
from tests.apikeys.logs import HOUR, call, day, log

pytestmark = pytest.mark.usefixtures("own_rows")
NOW = hour_of(day(1)) + 12 * HOUR + timedelta(minutes=30)
EMPTY = "TRUNCATE apikeys_keyhour, apikeys_keynetwork, apikeys_watchmark, apikeys_anomaly"


def test_runs_that_meet_count_and_tell_once() -> None:
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
    key = make.key(make.member(f"twice{next(make.numbers)}")).key
    KeyHour.objects.bulk_create(
        KeyHour(key_id=key.pk, hour=hour_of(NOW) - n * HOUR, requests=50, failures=0, cost_micro=0)
        for n in range(1, 300)
    )
    log(*(call(NOW - timedelta(minutes=10), key_id=key.pk) for _ in range(400)))
    found: list[int] = []

    def look() -> None:
        found.append(detect(NOW, actor="test"))
        connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [0, 0, 0, 0, 0, 1]
    assert KeyHour.objects.get(key_id=key.pk, hour=hour_of(NOW)).requests == 400
    assert Anomaly.objects.filter(key=key).count() == 1
    subject = f"key:{key.pk.hex}"
    assert Event.objects.filter(kind="anomaly:detected", subject=subject).count() == 1
