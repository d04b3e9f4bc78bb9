"""Caps of the synchronous edges, counted in the real Valkey, and what happens without one."""

import copy
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import redis
from django.conf import settings
from django.core.checks import run_checks
from django.test import RequestFactory, override_settings

from momentry.common import throttle
from momentry.common.errors import MomentryError
from momentry.common.throttle import Cap

CAP = Cap("test", 5)


def attempt(value: str = "192.0.2.1", cap: Cap = CAP) -> int:
    return throttle.count(RequestFactory().get("/"), cap, value)


def counters():
    with closing(redis.Redis.from_url(settings.REDIS_URL)) as valkey:
        return list(valkey.scan_iter(match=f"*{settings.RATELIMIT_CACHE_PREFIX}*"))


@contextmanager
def cache_at(url: str) -> Iterator[None]:
    changed = copy.deepcopy(settings.CACHES)
    changed["default"]["LOCATION"] = url
    with override_settings(CACHES=changed):
        yield


@contextmanager
def hung_server() -> Iterator[str]:
    """Accepts, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_exactly_as_many_attempts_pass_as_the_cap_says(window):
    assert [attempt() > 0 for _ in range(8)] == [False] * 5 + [True] * 3


def test_attempts_at_once_are_counted_exactly(window):
    waits = []

    def run():
        waits.extend(attempt("crowd") for _ in range(10))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert (len(waits), waits.count(0)) == (60, 5)


def test_values_and_groups_have_counters_of_their_own(window):
    for _ in range(6):
        attempt("192.0.2.1")

    assert attempt("192.0.2.1") > 0
    assert attempt("192.0.2.2") == 0
    assert attempt("192.0.2.1", Cap("other", 5)) == 0


def test_the_wait_ends_with_the_window(window):
    for _ in range(5):
        attempt()
    wait = attempt()
    assert 1 <= wait <= CAP.seconds

    window.now += wait - 1
    assert attempt() == 1
    window.now += 1
    assert [attempt() > 0 for _ in range(6)] == [False] * 5 + [True]


def test_a_counter_ends_by_itself_and_anew_means_from_nothing(window):
    for _ in range(6):
        attempt()
    [counter] = counters()

    with closing(redis.Redis.from_url(settings.REDIS_URL)) as valkey:
        assert 0 < valkey.ttl(counter) <= CAP.seconds + 5
        valkey.delete(counter)

    assert attempt() == 0


def test_too_many_is_rate_limited_with_the_seconds_to_wait(window):
    request = RequestFactory().get("/")
    for _ in range(5):
        throttle.spend(request, CAP, "x")

    with pytest.raises(MomentryError) as caught:
        throttle.spend(request, CAP, "x")

    assert caught.value.code.code == "rate_limited"
    assert caught.value.extra["retry_after"] >= 1


def test_no_value_is_readable_in_valkey(window):
    attempt("somebody@example.org")

    assert [b"somebody" in name for name in counters()] == [False]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "no address", True),
        ("", "192.0.2.1", False),
    ],
)
def test_addresses_are_told_apart_as_customers_are(first, second, same):
    found = [
        throttle.address_of(RequestFactory().get("/", REMOTE_ADDR=address))
        for address in (first, second)
    ]

    assert (found[0] == found[1]) is same


@pytest.mark.parametrize("spelling", ["ROOT", " root ", "rOot", "\uff52oot"])
def test_spellings_of_one_name_share_a_counter(spelling):
    assert throttle.same_name(spelling) == throttle.same_name("root")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "unix:///nowhere/valkey.sock?db=0"])
def test_a_valkey_that_is_away_lets_everybody_through(url, outage):
    with cache_at(url):
        assert [attempt() for _ in range(8)] == [0] * 8


def test_a_hung_valkey_costs_a_moment_once(outage):
    with hung_server() as url, cache_at(url):
        began = time.monotonic()
        waits = [attempt() for _ in range(50)]
        took = time.monotonic() - began

    assert waits == [0] * 50
    assert took < 3.0  # 0.15 s once; asking each time would take 7.5 s


def test_an_outage_is_logged_once_and_so_is_its_end(outage, caplog):
    caplog.set_level(logging.INFO, logger=throttle.__name__)
    with cache_at("redis://127.0.0.1:1/0"):
        for _ in range(3):
            attempt()
            outage.until = 0.0  # the rest is over: Valkey is asked again
    attempt()
    attempt()

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_while_one_asks_again_others_do_not_wait_for_it(outage):
    outage.began(OSError())
    assert outage.rests()
    outage.until = 0.0

    assert [outage.rests(), outage.rests()] == [False, True]


def test_counting_goes_on_after_an_outage(outage, window):
    with cache_at("redis://127.0.0.1:1/0"):
        attempt()
    assert [attempt() for _ in range(6)] == [0] * 6

    outage.until = 0.0

    assert [attempt() > 0 for _ in range(6)] == [False] * 5 + [True]


def alarms() -> set[str]:
    found = [message for message in run_checks() if not message.is_silenced()]
    return {str(message.id) for message in found if "ratelimit" in str(message.id)}


def test_our_cache_is_one_that_counts():
    assert alarms() == set()


def test_a_cache_that_is_not_shared_is_refused():
    local = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    with override_settings(CACHES=local):
        assert "django_ratelimit.E003" in alarms()
