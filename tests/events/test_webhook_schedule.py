"""The schedule is that of Standard Webhooks, with jitter, and Retry-After within bounds."""

from datetime import UTC, datetime

import pytest

from events.webhooks.schedule import asked_by, delay_after

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SPOKEN = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]


@pytest.mark.parametrize(("tries", "seconds"), list(enumerate(SPOKEN, start=1)))
def test_each_attempt_comes_when_it_should(tries, seconds):
    delays = [delay_after(tries) for _ in range(200)]

    assert all(seconds <= delay <= seconds * 1.1 for delay in delays)
    assert len(set(delays)) > 100


def test_the_tenth_is_the_last():
    assert delay_after(10) is None
    assert delay_after(10, 60.0) is None


def test_a_longer_retry_after_puts_it_off_and_a_shorter_changes_nothing():
    assert delay_after(1, 120.0) == 120.0
    assert 300 <= delay_after(2, 1.0) <= 330


def test_nobody_asks_for_more_than_a_day():
    assert delay_after(1, 1e12) == 86_400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120), ("0", 0), ("Mon, 23 Nov 2026 00:01:00 GMT", 60), ("999999999999", 999999999),
        ("Sun, 22 Nov 2026 23:59:00 GMT", 0), ("", 0), ("soon", 0), ("-5", 0), ("1.5", 0),
        ("١٢", 0), ("Mon, 23 Nov 99999 00:01:00 GMT", 0), ("\x00", 0),
    ],
)  # fmt: skip
def test_retry_after_is_read_and_nonsense_is_nothing(text, seconds):
    assert asked_by(text, NOW) == seconds
