"""How long a credential rests, by what an upstream says."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from proxy.gateway.turns import retry_after

SAID = [
    (b"7", 7), (b"0", 1), (b"60", 60), (b"61", 60), (b"9" * 400, 60), (b"-5", 1), (b"1.5", 1),
    (b"", 1), (b"soon", 1), (b"\xff\xfe", 1), ("٣".encode(), 1), (b"Thu, 99 Foo 2026", 1),
    (b"Thu, 01 Jan 1970 00:00:00 GMT", 1), (b"Fri, 01 Jan 2100 00:00:00 GMT", 60),
    (b"Fri, 01 Jan 2100 00:00:00 -0000", 60), (b"Fri, 31 Dec 9999 23:59:59 -2359", 60),
]  # fmt: skip


@pytest.mark.parametrize(("value", "seconds"), SAID, ids=lambda value: repr(value)[:30])
def test_seconds_and_dates_count_within_bounds(value: bytes, seconds: float) -> None:
    assert retry_after([(b"date", b"x"), (b"retry-after", value)]) == seconds


def test_a_date_is_so_far_away() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)

    assert 25 < retry_after([(b"retry-after", date.encode())]) <= 30


def test_without_one_it_is_a_second() -> None:
    assert retry_after([]) == 1
