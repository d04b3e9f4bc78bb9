"""A Valkey that answers nonsense lets everybody through, as one that is away: no 500 at login."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apikeys.checks import valkey_keeps_counters
from tests import make
from tests.accounts.test_login_caps import cheap_hash, log_in  # noqa: F401  a fixture
from tests.common.test_throttle import attempt, cache_at
from tests.gateway import babble
from tests.gateway.babble import Babble
from tests.gateway.test_django_valkey import WORDS, for_ever
from tests.gateway.test_valkey_faults import Server
from tests.gateway.test_valkey_nonsense import FAULTS

pytestmark = pytest.mark.slow

SLOWEST = 1.5  # seconds of any answer
SAYS = {**FAULTS, **{name: babble.always(word) for name, word in WORDS.items()}, "ever": for_ever}


@pytest.fixture
def between() -> Iterator[Babble]:
    with tempfile.TemporaryDirectory(prefix="t-") as path:
        valkey = Server(Path(path) / "v")
        made = Babble(valkey.valkey.socket)
        yield made
        made.stop()
        valkey.redis.close()
        valkey.kill()


@pytest.mark.parametrize("stands", [False, True])
def test_attempts_are_not_counted_and_nobody_waits(between, outage, window, stands):
    """Whether the connection stood before, or begins with the nonsense."""
    for number, (fault, say) in enumerate(SAYS.items()):
        with cache_at(between.url):
            if stands:
                assert attempt(f"before {number}") == 0
            between.say, slowest = say, 0.0
            for _ in range(3):
                began = time.monotonic()
                assert attempt(f"during {number}") == 0, fault
                slowest = max(slowest, time.monotonic() - began)
                outage.until = 0.0  # the rest is over: it is asked again
            between.say = babble.truly
            assert slowest <= SLOWEST, fault

            found = [attempt(f"after {number}") > 0 for _ in range(7)]
        assert found == [False] * 5 + [True] * 2, fault


@pytest.mark.django_db
def test_staff_log_in_whatever_valkey_says(between, outage, cheap_hash):  # noqa: F811
    make.staff("root")
    with cache_at(between.url):
        for fault, say in SAYS.items():
            between.say = say
            assert log_in("root", make.PASSWORD).status_code == 302, fault
            outage.until = 0.0


def test_the_check_of_its_settings_accuses_nobody_of_nonsense(between, settings):
    settings.REDIS_URL = between.url
    for fault, say in SAYS.items():
        between.say = say
        assert valkey_keeps_counters(None) == [], fault
