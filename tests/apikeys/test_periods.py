"""Calendar periods: months of every length, and days that are 23 or 25 hours long."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeys.gate.periods import period_at

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ("2026-01-31T23:59:59+00:00", "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"),
        ("2026-02-28T12:00:00+00:00", "2026-02-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"),
        ("2028-02-29T12:00:00+00:00", "2028-02-01T00:00:00+00:00", "2028-03-01T00:00:00+00:00"),
        ("2026-12-31T23:59:59+00:00", "2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_a_month_is_a_calendar_month(now, start, end):
    period = period_at("month", datetime.fromisoformat(now), ZoneInfo("UTC"))

    assert [moment.isoformat() for moment in period] == [start, end]


@pytest.mark.parametrize(("noon", "hours"), [("2026-03-29T12", 23), ("2026-10-25T12", 25)])
def test_a_day_with_a_clock_change_lasts_from_midnight_to_midnight(noon, hours):
    start, end = period_at("day", datetime.fromisoformat(noon).replace(tzinfo=BERLIN), BERLIN)

    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=hours)


@given(st.integers(946_684_800, 4_102_444_800), st.sampled_from(["day", "month"]))
def test_every_instant_lies_in_its_period_and_periods_touch(seconds, name):
    now = datetime.fromtimestamp(seconds, UTC)

    period = period_at(name, now, BERLIN)

    assert period.start <= now < period.end
    assert period_at(name, period.end, BERLIN).start == period.end
