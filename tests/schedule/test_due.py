"""Which time of its schedule a run is for: the same for every beat, whenever it looks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab, schedule, solar
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.tzcrontab import TzAwareCrontab

from momentry.due import following, slot


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("times", "now", "due"),
    [
        (crontab("0", "2"), "2026-11-23 02:00:00", "2026-11-23 02:00"),
        (crontab("0", "2"), "2026-11-23 02:00:00.3", "2026-11-23 02:00"),
        (crontab("0", "2"), "2026-11-23 01:59:59.9", "2026-11-22 02:00"),
        (crontab("15"), "2026-11-23 02:14:59", "2026-11-23 01:15"),
        (crontab("15"), "2026-01-01 00:10:00", "2025-12-31 23:15"),
        (crontab("*/3"), "2026-11-23 02:01:00", "2026-11-23 02:00"),
        (crontab(), "2026-11-23 02:01:59", "2026-11-23 02:01"),
        (crontab("0", "9", day_of_week="1"), "2026-11-22 12:00", "2026-11-16 09:00"),
        (crontab("0", "9", day_of_week="0"), "2026-11-22 12:00", "2026-11-22 09:00"),
        (crontab("0", "0", day_of_month="31"), "2026-11-22 12:00", "2026-10-31 00:00"),
        (crontab("0", "0", day_of_month="29", month_of_year="2"), "2026-11-22", "2024-02-29"),
        (crontab("0", "0", day_of_month="29", month_of_year="2"), "2104-02-28", "2096-02-29"),
    ],
)
def test_the_latest_time_that_is_not_to_come(times, now, due):
    assert slot(times, at(now)) == at(due)


def test_the_schedules_own_time_zone_counts():
    taipei = TzAwareCrontab("0", "9", tz=ZoneInfo("Asia/Taipei"))

    assert slot(taipei, at("2026-11-23 00:59")) == at("2026-11-22 01:00")
    assert slot(taipei, at("2026-11-23 01:00")) == at("2026-11-23 01:00")


def test_an_hour_that_comes_twice_is_two_times():
    """25 October 2026, 03:00 in Berlin is 02:00 again."""
    berlin = TzAwareCrontab("15", tz=ZoneInfo("Europe/Berlin"))

    first, second = (slot(berlin, at(f"2026-10-25 {hour}:20")) for hour in ("00", "01"))

    assert (first, second) == (at("2026-10-25 00:15"), at("2026-10-25 01:15"))


def test_an_interval_counts_from_1970_for_every_beat():
    every = schedule(timedelta(seconds=90))
    looks = [at("2026-11-23 02:00:00") + timedelta(seconds=second) for second in range(180)]

    found = {slot(every, look) for look in looks}

    assert len(found) in {2, 3}
    assert all(
        (due - datetime.fromtimestamp(0, UTC)) % every.run_every == timedelta(0) for due in found
    )


def test_a_single_time_is_its_own():
    moment = at("2026-11-24 08:00")

    assert slot(clocked(moment), at("2026-11-24 08:03")) == moment
    assert following(clocked(moment), at("2026-11-23"), at("2026-11-23")) == moment
    assert following(clocked(moment), at("2026-11-23"), at("2026-11-25")) is None


def test_the_sun_names_no_time():
    sun = object.__new__(solar)  # made, it would need another package

    assert slot(sun, at("2026-11-23")) is None
    assert following(sun, at("2026-11-23"), at("2026-11-23")) is None


def test_what_follows_is_the_next_time():
    now = datetime.now(UTC)

    hourly = following(crontab("15"), now - timedelta(days=3), now)
    often = following(schedule(timedelta(seconds=90)), now - timedelta(seconds=30), now)

    assert hourly is not None
    assert timedelta(0) <= hourly - now <= timedelta(hours=1)
    assert (hourly.minute, hourly.second, hourly.microsecond) == (15, 0, 0)
    assert often is not None
    assert abs(often - now - timedelta(seconds=60)) < timedelta(seconds=2)
