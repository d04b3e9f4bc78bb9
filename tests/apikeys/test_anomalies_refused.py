"""What the gate or a limit refused is no failure, and an ended key is told of no more."""

from datetime import timedelta
from typing import Any

import pytest

from apikeys.anomalies.gather import REFUSALS
from apikeys.anomalies.settings import USUAL, Rule
from apikeys.models import Anomaly, ApiKey, KeyHour
from apikeys.usage.rollup import roll_up
from apikeys.usage.spans import hour_of
from momentry.common.errors import CODES
from tests import make
from tests.apikeys.calls import code
from tests.apikeys.logs import HOUR
from tests.apikeys.watched import MINUTE, NOW, calls, known, run, sums

pytestmark = pytest.mark.django_db
HOURS = 12


@pytest.fixture
def key(db: None) -> ApiKey:
    return make.key().key


def half_a_day(key: ApiKey, **given: Any) -> int:
    """How many anomalies there are when it calls 150 times an hour and everything is in time."""
    found = 0
    for number in range(HOURS):
        at = hour_of(NOW) + number * HOUR
        calls(key, at + 5 * MINUTE, 150, **given)
        found += run(at + 30 * MINUTE)
        roll_up(at + HOUR + 15 * MINUTE)
        found += run(at + HOUR + 15 * MINUTE)
    return found


def test_a_key_whose_quota_is_used_up_is_not_told_of_and_lives(settings: Any) -> None:
    settings.ANOMALIES = USUAL._replace(quarantine=frozenset(Rule))
    issued = make.key()
    known(issued.key, 10)

    assert half_a_day(issued.key, status=429, code="quota_exceeded") == 0
    assert code(issued.secret) == ""
    assert sums(issued.key)[hour_of(NOW)] == (150, 0, 0)
    assert KeyHour.objects.get(key_id=issued.key.pk, hour=hour_of(NOW)).refused == 150


def test_a_client_that_goes_on_with_an_expired_key_is_not_told_of(key: ApiKey) -> None:
    known(key, 10)
    ApiKey.objects.update(expires_at=NOW - timedelta(days=2))

    assert half_a_day(key, status=401, code="key_expired") == 0
    assert sums(key)[hour_of(NOW)] == (150, 0, 0)


def test_a_client_that_tries_again_and_again_at_its_limit_lives(settings: Any) -> None:
    settings.ANOMALIES = USUAL._replace(quarantine=frozenset(Rule))
    issued = make.key()
    known(issued.key)
    calls(issued.key, NOW - 20 * MINUTE, 50)
    calls(issued.key, NOW - 19 * MINUTE, 5000, status=429, code="rate_limited")

    assert run() == 0
    assert code(issued.secret) == ""


def test_what_was_refused_before_makes_no_use_usual(key: ApiKey) -> None:
    known(key)
    KeyHour.objects.update(requests=5050, refused=5000)
    calls(key, NOW - 20 * MINUTE, 400)

    assert run() == 1
    assert Anomaly.objects.get().usual == 50


@pytest.mark.parametrize("refusal", REFUSALS)
def test_no_refusal_of_the_gate_is_a_failure(key: ApiKey, refusal: str) -> None:
    known(key)
    calls(key, NOW - 20 * MINUTE, 150, status=CODES[refusal].status, code=refusal)

    assert run() == 0


def test_a_limit_of_an_upstream_is_none_either(key: ApiKey) -> None:
    known(key)
    calls(key, NOW - 20 * MINUTE, 150, status=429)

    assert run() == 0


@pytest.mark.parametrize(
    ("status", "refusal"), [(401, ""), (403, ""), (404, ""), (403, "permission_denied")]
)
def test_what_others_refuse_is(key: ApiKey, status: int, refusal: str) -> None:
    """Also among many calls that a limit refused."""
    known(key)
    calls(key, NOW - 20 * MINUTE, 100, status=status, code=refusal)
    calls(key, NOW - 10 * MINUTE, 190, status=429, code="rate_limited")

    assert run() == 1
    roll_up(NOW + 45 * MINUTE)
    assert run(NOW + 45 * MINUTE) == 0
    found = Anomaly.objects.get()
    assert (found.rule, found.value) == ("failures", 1.0)
    assert sums(key)[hour_of(NOW)] == (290, 100, 0)


def test_failures_whose_rows_came_late_are_found(key: ApiKey) -> None:
    known(key)
    run()
    calls(key, NOW - 20 * MINUTE, 150, status=404)
    assert run(NOW + 5 * MINUTE) == 0

    roll_up(NOW + 45 * MINUTE)

    assert run(NOW + 45 * MINUTE) == 1


def test_a_past_of_the_usage_is_known_by_status(key: ApiKey) -> None:
    for number, status in enumerate((401, 403, 429, 404, 200), start=5):
        calls(key, NOW - number * HOUR, 20, status=status)
    roll_up(NOW)

    run()

    rows = KeyHour.objects.filter(key_id=key.pk).order_by("-hour")
    found = [(row.requests, row.failures, row.refused) for row in rows]
    assert found == [(20, 0, 20), (20, 0, 20), (20, 0, 20), (20, 20, 0), (20, 0, 0)]


@pytest.mark.parametrize("field", ["revoked_at", "quarantined_at", "purged_at", "expires_at"])
def test_a_key_that_has_ended_is_not_told_of(key: ApiKey, field: str) -> None:
    known(key)
    ApiKey.objects.update(**{field: NOW})
    calls(key, NOW - 20 * MINUTE, 400)

    assert run() == 0
    assert not Anomaly.objects.exists()


@pytest.mark.parametrize("field", ["disabled_at", "expires_at"])
def test_one_that_goes_on_or_may_come_back_is(key: ApiKey, field: str) -> None:
    known(key)
    ends = timedelta(days=1) if field == "expires_at" else timedelta()
    ApiKey.objects.update(**{field: NOW + ends})
    calls(key, NOW - 20 * MINUTE, 400)

    assert run() == 1
