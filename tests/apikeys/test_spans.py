"""A span of time is told by days, hours and the log, each moment by exactly one of them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeys.usage.spans import DAILY, DAY, HOUR, HOURLY, LOG, Part, parts

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
hours = st.integers(0, 24 * 6).map(lambda number: NEW_YEAR + number * HOUR)


@given(hours, hours, hours, st.booleans())
def test_each_hour_is_told_once(one, other, mark, by_hour):
    start, end = sorted((one, other))

    found = parts(start, end, mark, by_hour=by_hour)

    told = [part.start + n * HOUR for part in found for n in range((part.end - part.start) // HOUR)]
    assert told == [start + n * HOUR for n in range((end - start) // HOUR)]
    assert all((part.source == LOG) == (part.start >= mark) for part in found)
    assert all(part.end <= mark for part in found if part.source != LOG)


@given(hours, hours, hours)
def test_days_are_whole_and_as_many_as_there_are(one, other, mark):
    start, end = sorted((one, other))

    days = [part for part in parts(start, end, mark) if part.source == DAILY]

    assert all(at.hour == 0 for part in days for at in (part.start, part.end))
    first = min((NEW_YEAR + n * DAY for n in range(8) if NEW_YEAR + n * DAY >= start), default=end)
    whole = max(timedelta(0), (min(end, mark) - first) // DAY * DAY)
    assert sum((part.end - part.start for part in days), timedelta(0)) == whole


@pytest.mark.parametrize("mark", [NEW_YEAR - DAY, NEW_YEAR])
def test_before_the_mark_is_nothing_rolled_up(mark):
    assert parts(NEW_YEAR, NEW_YEAR + DAY, mark) == [Part(LOG, NEW_YEAR, NEW_YEAR + DAY)]


def test_by_hour_there_are_no_days():
    assert parts(NEW_YEAR, NEW_YEAR + DAY, NEW_YEAR + DAY, by_hour=True) == [
        Part(HOURLY, NEW_YEAR, NEW_YEAR + DAY)
    ]
