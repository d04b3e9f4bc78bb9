"""Keys with a past and calls that the anomalies' task is to look at."""

from datetime import datetime, timedelta
from typing import Any

from apikeys.anomalies.detect import detect
from apikeys.models import ApiKey, KeyHour
from apikeys.usage.spans import hour_of
from tests.apikeys import logs
from tests.apikeys.logs import HOUR

NOW = hour_of(logs.day(1)) + 12 * HOUR + timedelta(minutes=30)
MINUTE = timedelta(minutes=1)


def calls(key: ApiKey, at: datetime, number: int, **given: Any) -> None:
    rows = [
        logs.call(at + n * timedelta(milliseconds=1), key_id=key.pk, **given) for n in range(number)
    ]
    logs.log(*rows)


def known(key: ApiKey, requests: int = 50, **given: Any) -> None:
    """Two weeks of a quiet past."""
    KeyHour.objects.bulk_create(
        KeyHour(
            key_id=key.pk,
            hour=hour_of(NOW) - number * HOUR,
            **{"requests": requests, "failures": 0, "cost_micro": 0} | given,
        )
        for number in range(1, 300)
    )


def run(now: datetime = NOW) -> int:
    return detect(now, actor="test")


def sums(key: ApiKey) -> dict[datetime, tuple[int, int, int]]:
    rows = KeyHour.objects.filter(key_id=key.pk)
    return {row.hour: (row.requests, row.failures, row.cost_micro) for row in rows}
